"""Reading: every kind of file that a microscopist has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from napari_microcnn.io.read import ReadError, read_labels, read_micrograph, readable_suffixes

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (48, 64), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (48, 64, 3), dtype=np.uint8)
STACK = RNG.integers(0, 256, (5, 48, 64), dtype=np.uint8)


def tiff(folder: Path, pixels: Any, **options: Any) -> Path:
    path = folder / "picture.tif"
    tifffile.imwrite(path, pixels, **options)
    return path


@pytest.mark.parametrize("dtype", ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", ">u2", ">f4"])
def test_every_number_type_arrives_as_stored(tmp_path: Path, dtype: str) -> None:
    pixels = (GREY > 128) if dtype == "?" else (GREY // 2).astype(dtype)
    order = ">" if dtype.startswith(">") else None
    read = read_micrograph(tiff(tmp_path, pixels, byteorder=order, photometric="minisblack"))
    assert read.axes == "YX"
    assert read.pixels.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(read.pixels, pixels)


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "lzw"},
        {"compression": "zlib", "predictor": True},
        {"compression": "zstd"},
        {"compression": "packbits"},
        {"compression": "lzma"},
        {"tile": (16, 32)},
        {"tile": (16, 16), "compression": "zlib"},
        {"bigtiff": True},
        {"rowsperstrip": 7},
    ],
    ids=str,
)
def test_storage_variants(tmp_path: Path, options: dict[str, Any]) -> None:
    np.testing.assert_array_equal(read_micrograph(tiff(tmp_path, GREY, **options)).pixels, GREY)


def test_jpeg_compressed_colour(tmp_path: Path) -> None:
    smooth = np.stack([np.add.outer(np.arange(48), np.arange(64)) + 40 * c for c in range(3)], -1).astype(np.uint8)
    read = read_micrograph(tiff(tmp_path, smooth, compression="jpeg", photometric="rgb"))
    assert read.axes == "YXC"
    assert np.abs(np.asarray(read.pixels, int) - smooth).max() < 12


def test_missing_file_extension_does_not_matter_when_the_content_is_known(tmp_path: Path) -> None:
    path = tiff(tmp_path, GREY).rename(tmp_path / "picture.dat")
    np.testing.assert_array_equal(read_micrograph(path).pixels, GREY)


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
def test_colour_is_last_and_without_opacity(tmp_path: Path, planar: bool, alpha: bool) -> None:
    opacity = np.full((48, 64, 1), 200, np.uint8)
    pixels = np.concatenate([COLOUR, opacity], -1) if alpha else COLOUR
    stored = np.moveaxis(pixels, -1, 0) if planar else pixels
    path = tiff(tmp_path, stored, photometric="rgb", planarconfig="separate" if planar else "contig")
    read = read_micrograph(path)
    assert (read.axes, read.channels) == ("YXC", 3)
    np.testing.assert_array_equal(read.pixels, COLOUR)


def test_grey_with_opacity(tmp_path: Path) -> None:
    path = tiff(tmp_path, np.stack([GREY, GREY * 0], -1), photometric="minisblack", extrasamples=["unassalpha"])
    np.testing.assert_array_equal(read_micrograph(path).pixels, GREY)


def test_five_channels_that_are_no_opacity_are_kept(tmp_path: Path) -> None:
    path = tiff(tmp_path, np.moveaxis(STACK, 0, -1), photometric="minisblack", planarconfig="contig")
    read = read_micrograph(path)
    assert (read.axes, read.channels) == ("YXC", 5)


def test_grey_saved_as_colour_is_grey(tmp_path: Path) -> None:
    read = read_micrograph(tiff(tmp_path, np.stack([GREY] * 3, -1), photometric="rgb"))
    assert read.axes == "YX"
    np.testing.assert_array_equal(read.pixels, GREY)


@pytest.mark.parametrize("lazy_from_bytes", [1, 1 << 30])
def test_palette_is_expanded_and_a_grey_palette_is_grey(tmp_path: Path, lazy_from_bytes: int) -> None:
    table = RNG.integers(0, 256, (3, 256), dtype=np.uint16) * 257
    path = tiff(tmp_path, GREY, photometric="palette", colormap=table)
    read = read_micrograph(path, lazy_from_bytes=lazy_from_bytes)
    assert read.axes == "YXC"
    np.testing.assert_array_equal(np.asarray(read.pixels), (table.T // 257)[GREY])
    np.testing.assert_array_equal(read_labels(path), GREY)

    inverted = np.repeat(np.arange(255, -1, -1, dtype=np.uint16)[None] * 257, 3, 0)
    read = read_micrograph(tiff(tmp_path, GREY, photometric="palette", colormap=inverted), lazy_from_bytes=1)
    assert read.axes == "YX"
    np.testing.assert_array_equal(np.asarray(read.pixels), 255 - GREY)


@pytest.mark.parametrize("dtype", ["?", "u1", "u2"])
def test_inverted_grey_is_put_right(tmp_path: Path, dtype: str) -> None:
    pixels = (GREY > 128) if dtype == "?" else GREY.astype(dtype)
    path = tiff(tmp_path, pixels, photometric="miniswhite")
    expected = ~pixels if dtype == "?" else np.iinfo(dtype).max - pixels
    np.testing.assert_array_equal(read_micrograph(path).pixels, expected)
    np.testing.assert_array_equal(read_labels(path), pixels)


@pytest.mark.parametrize(
    ("shape", "options", "axes"),
    [
        ((5, 48, 64), {"metadata": None, "photometric": "minisblack"}, "ZYX"),
        ((5, 48, 64), {"metadata": {"axes": "TYX"}, "photometric": "minisblack"}, "TYX"),
        ((5, 48, 64), {"metadata": {"axes": "ZYX"}, "ome": True}, "ZYX"),
        ((5, 48, 64), {"metadata": {"axes": "CYX"}, "ome": True}, "YXC"),
        ((2, 3, 48, 64), {"metadata": {"axes": "TZYX"}, "ome": True}, "TZYX"),
        ((2, 3, 48, 64), {"metadata": {"axes": "ZCYX"}, "ome": True}, "ZYXC"),
        ((1, 1, 1, 48, 64), {"metadata": {"axes": "TZCYX"}, "ome": True}, "YX"),
        ((4, 48, 64), {"imagej": True, "metadata": {"axes": "ZYX"}}, "ZYX"),
        ((4, 2, 48, 64), {"imagej": True, "metadata": {"axes": "ZCYX"}}, "ZYXC"),
        ((4, 48, 64, 3), {"metadata": {"axes": "ZYXS"}, "photometric": "rgb"}, "ZYXC"),
        ((2, 3, 48, 64), {"metadata": {"axes": "QQYX"}, "photometric": "minisblack"}, "TZYX"),
        ((1, 64), {}, "YX"),
        ((48, 1), {}, "YX"),
        ((1, 1), {}, "YX"),
    ],
    ids=str,
)
def test_axes(tmp_path: Path, shape: tuple[int, ...], options: dict[str, Any], axes: str) -> None:
    pixels = RNG.integers(0, 256, shape, dtype=np.uint8)
    read = read_micrograph(tiff(tmp_path, pixels, **options))
    assert read.axes == axes
    assert np.asarray(read.pixels).size == pixels.size
    assert sorted(np.asarray(read.pixels).ravel()) == sorted(pixels.ravel())


def test_planes_of_a_time_series_in_order(tmp_path: Path) -> None:
    read = read_micrograph(tiff(tmp_path, STACK, imagej=True, metadata={"axes": "TYX"}))
    for index, plane in read.planes():
        np.testing.assert_array_equal(plane, STACK[index])


def test_only_the_first_image_of_several_is_read(tmp_path: Path) -> None:
    path = tmp_path / "with_thumbnail.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(GREY, metadata=None)
        writer.write(COLOUR[::4, ::4], metadata=None, photometric="rgb")
    read = read_micrograph(path)
    np.testing.assert_array_equal(read.pixels, GREY)
    assert read.metadata["images_in_file"] == 2


@pytest.mark.parametrize("suffix", ["png", "bmp", "jpg", "jpeg"])
@pytest.mark.parametrize("colour", [False, True])
def test_pictures(tmp_path: Path, suffix: str, colour: bool) -> None:
    pixels = COLOUR // 16 * 16 if colour else GREY
    path = tmp_path / f"picture.{suffix}"
    Image.fromarray(pixels).save(path, **({"quality": 100, "subsampling": 0} if suffix.startswith("jp") else {}))
    read = read_micrograph(path)
    assert read.axes == ("YXC" if colour else "YX")
    assert read.calibration is None
    assert read.name == "picture"
    tolerance = 6 if suffix.startswith("jp") else 0
    assert np.abs(np.asarray(read.pixels, int) - pixels).max() <= tolerance


@pytest.mark.parametrize("shape", [(48, 64), (48, 64, 2), (48, 64, 3), (48, 64, 4)])
def test_png_of_16_bits_keeps_them(tmp_path: Path, shape: tuple[int, ...]) -> None:
    pixels = RNG.integers(0, 65536, shape, dtype=np.uint16)
    path = tmp_path / "deep.png"
    path.write_bytes(imagecodecs.png_encode(pixels))
    read = read_micrograph(path)
    expected = pixels[..., 0] if shape[2:] == (2,) else pixels[..., :3]
    np.testing.assert_array_equal(read.pixels, expected if pixels.ndim == 3 else pixels)


@pytest.mark.parametrize("pixels", [GREY, COLOUR])
def test_png_too_large_for_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pixels: Any) -> None:
    path = tmp_path / "stitched.png"
    Image.fromarray(pixels).save(path)
    monkeypatch.setattr("napari_microcnn.io.pictures._PILLOW_PIXELS", 100)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    np.testing.assert_array_equal(read_micrograph(path).pixels, pixels)


def test_bmp_too_large_for_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "stitched.bmp"
    Image.fromarray(GREY).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ReadError, match="too large for a BMP file; save it as TIFF"):
        read_micrograph(path)


def test_a_damaged_colour_profile_is_nobodys_business(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "profile.png"
    Image.fromarray(COLOUR).save(path, icc_profile=b"\xff" * 140)
    np.testing.assert_array_equal(read_micrograph(path).pixels, COLOUR)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("mode", ["P", "1", "LA", "RGBA"])
def test_png_modes(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "mode.png"
    Image.fromarray(COLOUR // 128 * 255).convert(mode).save(path)
    read = read_micrograph(path)
    assert read.axes == ("YX" if mode in ("1", "LA") else "YXC")
    assert read.plane_shape == (48, 64)


@pytest.mark.parametrize(("mode", "axes"), [("P", "YXC"), ("1", "YX"), ("RGB", "YXC")])
def test_bmp_modes(tmp_path: Path, mode: str, axes: str) -> None:
    path = tmp_path / "mode.bmp"
    Image.fromarray(COLOUR).convert(mode).save(path)
    assert read_micrograph(path).axes == axes


def test_jpeg_of_a_printer_becomes_rgb(tmp_path: Path) -> None:
    path = tmp_path / "cmyk.jpg"
    Image.fromarray(COLOUR).convert("CMYK").save(path)
    assert (read_micrograph(path).axes, read_micrograph(path).channels) == ("YXC", 3)


def test_labels_are_read_exactly(tmp_path: Path) -> None:
    labels = RNG.integers(0, 5, (48, 64)).astype(np.uint8)
    indexed = Image.fromarray(labels, "L").convert("P")
    indexed.putdata(labels.ravel().tolist())
    indexed.putpalette(RNG.integers(0, 256, 768).tolist())
    indexed.save(tmp_path / "indexed.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "indexed.png"), labels)
    np.testing.assert_array_equal(read_labels(tiff(tmp_path, labels.astype(np.float32))), labels)
    np.testing.assert_array_equal(read_labels(tiff(tmp_path, labels.astype(np.int32))), labels)
    np.testing.assert_array_equal(read_labels(tiff(tmp_path, np.stack([labels] * 3, -1), photometric="rgb")), labels)


def test_name_and_path(tmp_path: Path) -> None:
    path = tmp_path / "steel 304.ome.tif"
    tifffile.imwrite(path, GREY)
    read = read_micrograph(str(path))
    assert (read.name, read.path) == ("steel 304", path)


def test_suffixes_are_told() -> None:
    assert {".tif", ".tiff", ".png", ".jpg", ".bmp"} <= set(readable_suffixes())


@settings(max_examples=60, deadline=None)
@given(
    pixels=hnp.arrays(
        st.sampled_from([np.uint8, np.uint16, np.int16, np.float32]),
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40),
    ),
    compression=st.sampled_from([None, "zlib", "lzw", "zstd"]),
    tiled=st.booleans(),
    lazy=st.booleans(),
)
def test_any_image_survives(
    tmp_path_factory: pytest.TempPathFactory, pixels: Any, compression: Any, tiled: bool, lazy: bool
) -> None:
    path = tiff(tmp_path_factory.mktemp("any"), pixels, compression=compression, tile=(16, 16) if tiled else None)
    read = read_micrograph(path, lazy_from_bytes=1 if lazy else 1 << 30)
    assert isinstance(read.pixels, da.Array) == lazy
    np.testing.assert_array_equal(np.asarray(read.pixels), pixels)
