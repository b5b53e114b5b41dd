"""OME-Zarr opens in napari: images with their pixel size, and segmentations while they are written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
from napari.layers import Image, Labels

from napari_microcnn.config import ClassInfo
from napari_microcnn.io.export import export_segmentation
from napari_microcnn.io.labelled import write_labelled_to
from napari_microcnn.io.multiscale import create_multiscale, open_multiscale
from napari_microcnn.io.write import write_image
from napari_microcnn.micrograph import Calibration, Micrograph
from napari_microcnn.ui import layers
from napari_microcnn.ui.reader import get_reader, masks_in

CLASSES = [ClassInfo(id=1, name="grain", colour="#0072b2"), ClassInfo(id=2, name="boundary", colour="#e69f00")]
OURS = {"napari-microcnn": {"classes": [info.model_dump() for info in CLASSES]}}


def test_an_image_opens_at_all_magnifications_with_its_pixel_size(viewer: Any, tmp_path: Path) -> None:
    path = tmp_path / "steel.ome.zarr"
    create_multiscale(path, (600, 40), 64, calibration=Calibration.parse("0.5 um"), name="steel")
    viewer.open(str(path), plugin="napari-microcnn")
    [layer] = viewer.layers
    assert [level.shape for level in layer.data] == [(600, 40), (300, 20)]
    assert layer.name == "steel"
    assert layers.calibration_of(layer).pixel_size == (0.5, 0.5)
    source = layers.source_of(layer)
    assert source.path == path


def test_a_segmentation_opens_while_it_is_written(viewer: Any, tmp_path: Path) -> None:
    path = tmp_path / "steel.ome.zarr"
    create_multiscale(
        path, (600, 40), 64, calibration=Calibration.parse("2 nm"), name="steel", labels=["objects"], about=OURS
    )
    viewer.open(str(path), plugin="napari-microcnn")
    assert [layer.name for layer in viewer.layers] == ["steel classes", "steel objects"]
    classes, objects = viewer.layers
    assert not np.asarray(objects.data[0]).any()
    assert classes.colormap.map(2)[:3] == pytest.approx((0xE6 / 255, 0x9F / 255, 0), abs=0.01)
    open_multiscale(path, "r+")[1]["objects"][0:64, 0:40] = np.full((64, 40), 7, np.int32)
    assert (np.asarray(objects.data[0][0:64, 0:40]) == 7).all()
    assert (np.asarray(objects.data[1][0:32, 0:20]) == 7).all()
    assert layers.calibration_of(objects).pixel_size == (2, 2)


@pytest.mark.parametrize(("kind", "role"), [("grains", "grains"), ("particles", "objects"), (None, "objects")])
def test_a_segmentation_knows_what_was_numbered(kind: str | None, role: str, tmp_path: Path) -> None:
    about = {"napari-microcnn": {**OURS["napari-microcnn"], "kind": kind}}
    create_multiscale(tmp_path / "steel.ome.zarr", (40, 40), 64, name="steel", labels=["objects"], about=about)
    made = masks_in(tmp_path / "steel.ome.zarr")
    assert [more["metadata"][layers.KEY]["role"] for _, more, _ in made] == ["classes", role]


def test_an_exported_segmentation_opens_as_image_and_labels(viewer: Any, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50)).astype(np.uint8)
    masks = {"classes": pixels % 2 + 1, "labels": np.arange(2000, dtype=np.int32).reshape(40, 50)}
    micrograph = Micrograph(pixels, "YX", Calibration.parse("2 nm"), "steel")
    for names in (["labels"], ["classes", "labels"]):
        path = tmp_path / f"steel {len(names)}.ome.zarr"
        write_labelled_to(path, micrograph, {name: masks[name] for name in names}, OURS)
        viewer.layers.clear()
        viewer.open(str(path), plugin="napari-microcnn")
        image, *labels = viewer.layers
        assert [layer.name for layer in labels] == [f"steel {len(names)} {name}" for name in names]
        np.testing.assert_array_equal(image.data, pixels)
        for name, layer in zip(names, labels, strict=True):
            np.testing.assert_array_equal(layer.data, masks[name])
            assert layers.calibration_of(layer).pixel_size == (2, 2)
    assert labels[0].colormap.map(2)[:3] == pytest.approx((0xE6 / 255, 0x9F / 255, 0), abs=0.01)


def test_a_mask_of_ilastik_opens_as_labels(viewer: Any, tmp_path: Path) -> None:
    path = tmp_path / "steel_Simple Segmentation.h5"
    mask = np.arange(12, dtype=np.uint8).reshape(3, 4)
    with h5py.File(path, "w") as file:
        file["exported_data"] = mask[..., None]
        file["exported_data"].attrs["axistags"] = json.dumps({"axes": [{"key": key} for key in "yxc"]})
    viewer.open(str(path), plugin="napari-microcnn")
    [layer] = viewer.layers
    assert layer.name == "steel_Simple Segmentation"
    assert isinstance(layer, Labels)
    np.testing.assert_array_equal(layer.data, mask)


def test_a_mask_of_cellpose_opens_as_labels(viewer: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "steel_seg.npy", {"masks": np.arange(12).reshape(3, 4)}, allow_pickle=True)
    viewer.open(str(tmp_path / "steel_seg.npy"), plugin="napari-microcnn")
    [layer] = viewer.layers
    assert isinstance(layer, Labels)
    np.testing.assert_array_equal(layer.data, np.arange(12).reshape(3, 4))


def test_masks_in_tiff_and_png_open_as_labels(viewer: Any, tmp_path: Path) -> None:
    mask = np.arange(1, 13, dtype=np.uint8).reshape(3, 4) % 3
    export_segmentation(
        tmp_path, "steel", classes=mask, labels=mask.astype(np.int32), calibration=Calibration.parse("2 nm"),
        provenance={"software": "napari-microcnn", "model": {"classes": OURS["napari-microcnn"]["classes"]}},
    )  # fmt: skip
    write_image(tmp_path / "weka_mask.png", mask)
    (tmp_path / "weka.json").write_text('{"software": "napari-microcnn", "model": {"classes": [3]}}')
    names = ["steel_classes.tif", "steel_labels.tif", "weka_mask.png"]
    for name in names:
        viewer.open(str(tmp_path / name), plugin="napari-microcnn")
    assert [type(layer) for layer in viewer.layers] == [Labels] * 3
    classes, labels, _ = viewer.layers
    np.testing.assert_array_equal(classes.data, mask)
    assert layers.calibration_of(labels).pixel_size == (2, 2)
    assert [layers.find_role(layer) for layer in viewer.layers] == ["classes", "objects", "mask"]
    assert classes.colormap.map(2)[:3] == pytest.approx((0xE6 / 255, 0x9F / 255, 0), abs=0.01)


def test_what_only_sounds_like_a_mask_is_an_image(viewer: Any, tmp_path: Path) -> None:
    calibration = Calibration.parse("2 nm")
    write_image(tmp_path / "steel_mask.tif", np.ones((3, 4), np.float32), calibration=calibration)
    write_image(tmp_path / "unmask.tif", np.ones((3, 4), np.uint8), calibration=calibration)
    for name in ("steel_mask.tif", "unmask.tif"):
        viewer.open(str(tmp_path / name), plugin="napari-microcnn")
    assert [type(layer) for layer in viewer.layers] == [Image] * 2


def test_other_hdf5_is_left_to_others(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["spectrum"] = np.arange(5)
    assert get_reader(str(tmp_path / "other.h5")) is None


def test_other_folders_are_left_to_napari(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    assert get_reader(str(tmp_path / "photos")) is None
    (tmp_path / "empty.zarr").mkdir()
    assert get_reader(str(tmp_path / "empty.zarr")) is None


def test_a_plain_tiff_is_left_to_napari_before_its_pixels_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, options in (("plain", {}), ("known", {"resolution": (2, 2), "metadata": {"unit": "um"}})):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.zeros((3, 4), np.uint8), imagej=True, **options)
    read, asarray = [], tifffile.TiffPageSeries.asarray

    def slow(series: Any, *args: Any, **options: Any) -> Any:
        read.append(series)
        return asarray(series, *args, **options)

    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", slow)
    assert get_reader(str(tmp_path / "plain.tif")) is None
    assert read == []
    [layer] = get_reader(str(tmp_path / "known.tif"))(str(tmp_path / "known.tif"))
    assert len(read) == 1
    assert layer[1]["scale"] == (0.5, 0.5)
