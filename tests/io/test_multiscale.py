"""OME-Zarr: what others write is read, what lies or is hostile is refused in a sentence."""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from napari_microcnn.io.multiscale import create_multiscale, open_multiscale
from napari_microcnn.io.ome_zarr import label_names, read_ome_zarr
from napari_microcnn.io.read import ReadError, read_micrograph

PIXELS = np.arange(30 * 40, dtype=np.uint16).reshape(30, 40)


def write(path: Path, pixels: np.ndarray, axes: str, version: str = "0.5", **options: Any) -> None:
    """Write an OME-Zarr as other programs do."""
    group = zarr.open_group(path, mode="w", zarr_format=3 if version == "0.5" else 2)
    array = group.create_array(
        "s0", shape=pixels.shape, dtype=pixels.dtype, chunks=(1,) * (pixels.ndim - 2) + (16, 16), **options
    )
    array[...] = pixels
    space = {"type": "space", "unit": "nanometer"}
    described = [{"name": axis, **(space if axis in "yx" else {})} for axis in axes]
    scale = {"type": "scale", "scale": [1.0] * (len(axes) - 2) + [2.0, 3.0]}
    image = {"axes": described, "datasets": [{"path": "s0", "coordinateTransformations": [scale]}], "version": version}
    group.attrs.update(
        {"ome": {"version": version, "multiscales": [image]}} if version == "0.5" else {"multiscales": [image]}
    )


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize(
    ("axes", "shape", "kept"),
    [
        ("yx", (30, 40), "YX"),
        ("czyx", (1, 1, 30, 40), "YX"),
        ("tczyx", (3, 1, 1, 30, 40), "TYX"),
        ("cyx", (3, 30, 40), "YXC"),
    ],
)
def test_what_others_write_is_read(tmp_path: Path, version: str, axes: str, shape: tuple[int, ...], kept: str) -> None:
    pixels = np.broadcast_to(PIXELS, shape)
    write(tmp_path / "steel.ome.zarr", pixels, axes, version)
    found = read_micrograph(tmp_path / "steel.ome.zarr")
    assert (found.axes, found.name) == (kept, "steel")
    assert found.calibration is not None
    assert (found.calibration.pixel_size, found.calibration.unit) == ((2, 3), "nm")
    plane = np.asarray(found.pixels)
    assert np.array_equal(plane[..., 0] if kept == "YXC" else plane.reshape(-1, 30, 40)[0], PIXELS)


@pytest.mark.parametrize("gathered", [False, True])
def test_regions_come_in_any_order_and_all_levels_agree(gathered: bool, tmp_path: Path) -> None:
    create_multiscale(tmp_path / "a.zarr", (1300, 77), 50, name="a")
    image, whole = open_multiscale(tmp_path / "a.zarr", "r+")[0], np.random.default_rng(0).integers(0, 255, (1300, 77))
    starts = [(top, left) for top in range(0, 1300, 111) for left in range(0, 77, 23)]
    for top, left in np.random.default_rng(1).permutation(starts).tolist():
        part = whole[top : top + 111, left : left + 23]
        region = (slice(top, top + part.shape[0]), slice(left, left + part.shape[1]))
        if gathered:
            image.put(region, part)
            assert np.array_equal(image[region], part)
        else:
            image[region] = part
    image.flush()
    assert len(image.levels) == 3
    for number, level in enumerate(image.levels):
        assert np.array_equal(level[...], whole[:: 1 << number, :: 1 << number])


@pytest.mark.parametrize("place", ["filters", "compressor"])
def test_pickles_are_not_opened(tmp_path: Path, place: str) -> None:
    path = tmp_path / "bad.zarr"
    write(path, PIXELS, "yx", "0.4")
    meta = path / "s0" / ".zarray"
    content = json.loads(meta.read_text())
    pickled = {"id": "pickle", "protocol": 5}
    decoders = {"filters": [pickled], "compressor": None} if place == "filters" else {"compressor": pickled}
    meta.write_text(json.dumps(content | decoders))
    payload = b"cos\nmkdir\n(V" + os.fsencode(tmp_path / "hacked") + b"\ntR."
    for chunk in (path / "s0").glob("[0-9]*"):
        (chunk if chunk.is_file() else chunk / "0").write_bytes(payload)
    with pytest.raises(ReadError, match="pickle"):
        np.asarray(read_micrograph(path).pixels)
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize(
    "change", [{"shape": [10**9, 10**9]}, {"chunks": [10**7, 10**7], "shape": [10**7, 10**7]}, {"dtype": "<c8"}]
)
def test_a_header_that_lies_is_refused_at_once(tmp_path: Path, change: dict[str, Any]) -> None:
    write(tmp_path / "bad.zarr", PIXELS, "yx", "0.4")
    meta = tmp_path / "bad.zarr" / "s0" / ".zarray"
    meta.write_text(json.dumps(json.loads(meta.read_text()) | change))
    with pytest.raises(ReadError, match=r"bad\.zarr holds no image"):
        read_ome_zarr(tmp_path / "bad.zarr")


@pytest.mark.parametrize(
    "content",
    [{}, {"multiscales": []}, {"multiscales": [{"axes": 3}]}, {"multiscales": [{"axes": [], "datasets": []}]}],
)
def test_a_zarr_without_an_image_is_told(tmp_path: Path, content: dict[str, Any]) -> None:
    zarr.open_group(tmp_path / "bad.zarr", mode="w").attrs["ome"] = content
    with pytest.raises(ReadError, match="OME-Zarr"):
        read_ome_zarr(tmp_path / "bad.zarr")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_piece_that_is_damaged_is_told_when_it_is_read(tmp_path: Path, version: str) -> None:
    path = tmp_path / "bad.zarr"
    write(path, PIXELS, "yx", version)
    for chunk in (file for file in (path / "s0").rglob("*") if file.is_file() and file.name[-1].isdigit()):
        chunk.write_bytes(chunk.read_bytes()[:9])
    lazy = read_ome_zarr(path).pixels
    with pytest.raises(ReadError, match=r"bad\.zarr is damaged; copy or save it again"):
        np.asarray(lazy)


def test_damaged_pieces_of_a_result_are_told(tmp_path: Path) -> None:
    create_multiscale(tmp_path / "a.zarr", (40, 40), 20, name="a")
    image = open_multiscale(tmp_path / "a.zarr", "r+")[0]
    image[0:40, 0:40] = PIXELS[:, :30].repeat(2, 0)[:40].repeat(2, 1)[:, :40]
    for chunk in (tmp_path / "a.zarr" / "0" / "c").rglob("[0-9]"):
        if chunk.is_file():
            chunk.write_bytes(b"nonsense")
    with pytest.raises(ReadError, match=r"a\.zarr is damaged; delete it"):
        image[0:5, 0:5]
    with pytest.raises(ReadError, match=r"a\.zarr is damaged; delete it"):
        image[0:5, 0:5] = np.zeros((5, 5), np.uint8)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"ome": []}, True),
        ({"ome": {"labels": 3}}, True),
        ({"labels": {"a": 1}}, False),
        ({"ome": {"labels": [1]}}, False),
    ],
)
def test_labels_that_make_no_sense_are_told_or_left_out(tmp_path: Path, said: dict[str, Any], told: bool) -> None:
    create_multiscale(tmp_path / "a.zarr", (40, 40), 20, name="a", labels=("objects",))
    zarr.open_group(tmp_path / "a.zarr" / "labels", mode="r+").attrs.put(said)
    with pytest.raises(ReadError, match=r"labels of a\.zarr are damaged") if told else nullcontext():
        assert label_names(tmp_path / "a.zarr") == []
    with pytest.raises(ReadError, match="without an image of the version"):
        open_multiscale(tmp_path / "a.zarr")
