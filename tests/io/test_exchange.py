"""Results in formats of other programs, read back with other libraries."""

from __future__ import annotations

import json
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import zarr
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from yaozarrs import validate_zarr_store

from napari_microcnn.io import exchange
from napari_microcnn.io.errors import WriteError
from napari_microcnn.io.export import export_segmentation
from napari_microcnn.io.labelled import write_labelled_to
from napari_microcnn.io.ome_zarr import read_ome_zarr
from napari_microcnn.io.provenance import file_sha256
from napari_microcnn.io.read import read_micrograph
from napari_microcnn.io.results import check_replaceable
from napari_microcnn.io.write import write_image
from napari_microcnn.measure import measure_objects
from napari_microcnn.micrograph import Calibration, Micrograph

NM = Calibration((0.123456789, 0.123456789), "nm", "test")
LABELS = np.kron(np.arange(12, dtype=np.int32).reshape(3, 4), np.ones((5, 6), np.int32))
CLASSES = (LABELS > 0).astype(np.uint8)


def test_every_format_stands_beside_the_others(tmp_path: Path) -> None:
    roifile, parquet = pytest.importorskip("roifile"), pytest.importorskip("pyarrow.parquet")
    table = measure_objects(LABELS, NM)
    export_segmentation(
        tmp_path, "steel", classes=CLASSES, labels=LABELS, table=table, calibration=NM, provenance={},
        also=("png", "imagej", "coco", "geojson", "parquet"),
    )  # fmt: skip
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "steel_labels.png")), LABELS)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "steel_classes.png")), CLASSES)
    assert len(roifile.roiread(tmp_path / "steel_rois.zip")) == 11
    assert len(json.loads((tmp_path / "steel_coco.json").read_text())["annotations"]) == 11
    assert len(json.loads((tmp_path / "steel.geojson").read_text())["features"]) == 11
    back = parquet.read_table(tmp_path / "steel.parquet")
    assert back.column_names == list(table)
    for name, column in table.items():
        np.testing.assert_array_equal(back[name].to_numpy(), column)
    told = json.loads(back.schema.metadata[b"napari-microcnn"])
    assert told["pixel_size"]["pixel_size"] == pytest.approx(NM.pixel_size, rel=1e-6)
    assert len(json.loads((tmp_path / "steel.json").read_text())["sha256"]) == len(list(tmp_path.iterdir())) - 1


def test_an_ome_zarr_holds_the_image_with_its_masks(tmp_path: Path) -> None:
    pixels = np.arange(LABELS.size, dtype=np.uint16).reshape(LABELS.shape)
    about = {"model": {"sha256": "abc", "classes": [{"id": 1, "name": "grain", "colour": "#0072b2"}]}}
    for version in (pixels, pixels[::-1]):  # and again over the first
        export_segmentation(
            tmp_path, "steel", classes=CLASSES, labels=LABELS, calibration=NM, provenance=about, also=("ome-zarr",),
            micrograph=Micrograph(version, "YX", name="steel"),
        )  # fmt: skip
        stored = tmp_path / "steel.ome.zarr"
        validate_zarr_store(str(stored))
        root = zarr.open_group(stored, mode="r")
        np.testing.assert_array_equal(root["0"], version)
        for name, mask in (("classes", CLASSES), ("labels", LABELS)):
            np.testing.assert_array_equal(root[f"labels/{name}/0"], mask)
            assert read_ome_zarr(stored / "labels" / name).calibration.pixel_size == NM.pixel_size
        assert root.attrs["napari-microcnn"]["model"] == "abc"
        assert json.loads((tmp_path / "steel.json").read_text())["sha256"]["steel.ome.zarr"] == file_sha256(stored)
    assert {path.name for path in tmp_path.iterdir()} == {
        "steel.ome.zarr", "steel.json", "steel_classes.tif", "steel_labels.tif",
    }  # fmt: skip


def test_a_stack_in_colours_as_ome_zarr(tmp_path: Path) -> None:
    pixels = da.from_array(np.random.default_rng(0).random((3, 8, 9, 3)) > 0.5)
    mask = np.arange(3 * 8 * 9, dtype=np.int32).reshape(3, 8, 9)
    write_labelled_to(tmp_path / "s.ome.zarr", Micrograph(pixels, "ZYXC", NM, "s"), {"labels": mask})
    validate_zarr_store(str(tmp_path / "s.ome.zarr"))
    back = read_ome_zarr(tmp_path / "s.ome.zarr")
    assert back.axes == "ZYXC"
    np.testing.assert_array_equal(back.pixels, pixels)
    np.testing.assert_array_equal(read_ome_zarr(tmp_path / "s.ome.zarr" / "labels" / "labels").pixels, mask)


def test_an_ome_zarr_takes_the_place_of_nothing_else(tmp_path: Path) -> None:
    image = Micrograph(CLASSES, "YX", name="steel", path=tmp_path / "steel.ome.zarr")
    write_labelled_to(image.path, image, {})
    with pytest.raises(ValueError, match="no result of an earlier run"):
        check_replaceable(tmp_path, "steel")
    with pytest.raises(WriteError, match="would be replaced"):
        export_segmentation(
            tmp_path, "steel", classes=CLASSES, provenance={}, also=("ome-zarr",), micrograph=image
        )  # fmt: skip
    with pytest.raises(WriteError, match=r"shape \(3, 3\)"):
        write_labelled_to(tmp_path / "other.ome.zarr", image, {"classes": np.ones((3, 3), np.uint8)})
    with pytest.raises(WriteError, match="name the image"):
        export_segmentation(tmp_path, "other", classes=CLASSES, provenance={}, also=("ome-zarr",))
    assert [path.name for path in tmp_path.iterdir()] == ["steel.ome.zarr"]


def test_a_png_says_how_large_a_pixel_is(tmp_path: Path) -> None:
    pixel = Calibration((0.25, 0.123456789), "nm", "test")
    write_image(tmp_path / "a.png", CLASSES, calibration=pixel, format="png")
    with Image.open(tmp_path / "a.png") as stored:
        assert json.loads(stored.text["napari-microcnn"])["pixel_size"] == [0.25, 0.123456789]
        told = PngInfo()
        told.add_text("napari-microcnn", stored.text["napari-microcnn"])
        stored.crop((0, 0, 5, 5)).save(tmp_path / "cropped.png", pnginfo=told)
        stored.save(tmp_path / "copied.png", pnginfo=told)
    for name in ("a.png", "copied.png"):
        assert read_micrograph(tmp_path / name).calibration.pixel_size == pytest.approx(pixel.pixel_size, rel=1e-12)
    assert read_micrograph(tmp_path / "cropped.png").calibration is None


def test_rois_say_how_large_a_pixel_is(tmp_path: Path) -> None:
    roifile = pytest.importorskip("roifile")
    export_segmentation(tmp_path, "s", labels=LABELS, calibration=NM, provenance={}, also=("imagej",))
    [first, *_] = roifile.roiread(tmp_path / "s_rois.zip")
    told = dict(line.split(": ") for line in first.props.splitlines())
    assert (float(told["pixel_height"]), float(told["pixel_width"]), told["unit"]) == (*NM.pixel_size, "nm")


def test_what_cannot_be_written_is_told_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WriteError, match="not as 'gif'"):
        exchange.check_formats(["gif"])
    monkeypatch.setattr(exchange, "find_spec", lambda _: None)
    with pytest.raises(WriteError, match=r"napari-microcnn\[parquet\]"):
        exchange.check_formats(["parquet"])
    with pytest.raises(WriteError, match="one plane"):
        export_segmentation(tmp_path, "s", labels=LABELS[None], axes="ZYX", provenance={}, also=("coco",))
    assert not list(tmp_path.iterdir())
