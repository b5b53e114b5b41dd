"""Databars and plates are found to the pixel, and material is never taken for one."""

from __future__ import annotations

import io
import tracemalloc
from typing import Any

import dask.array as da
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from napari_microcnn.data import greys
from napari_microcnn.data.databar import find_overlays, overlays_of
from napari_microcnn.data.windows import Box
from napari_microcnn.io.samples import NANOPOROUS_ROWS, nanoporous
from napari_microcnn.micrograph import DRAWN

SIDE = (360, 480)
Array = np.ndarray[Any, Any]


def scene(kind: str, seed: int = 0) -> Array:
    """Draw (360, 480) uint8 that a microscope could have seen."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.standard_normal(SIDE), 6)
    smooth /= np.abs(smooth).max()
    if kind == "texture":
        grey = 120 + 100 * smooth + 10 * rng.standard_normal(SIDE)
    elif kind == "weak":
        grey = 90 + 6 * smooth + rng.standard_normal(SIDE)
    elif kind == "bright particles":  # on ground that is clipped to black
        grey = np.where(ndimage.gaussian_filter(rng.random(SIDE), 5) > 0.512, 200 + 20 * smooth, -20)
        grey = grey + 8 * rng.standard_normal(SIDE)
    elif kind == "saturated":
        grey = 400 * smooth + 128
    elif kind == "vacuum":  # the specimen ends above the lower edge, on a straight line
        grey = 120 + 80 * smooth + 10 * rng.standard_normal(SIDE)
        grey[300:] = 2 * rng.standard_normal((60, SIDE[1])) - 1
    elif kind == "cubes":
        grey = 60 + 20 * smooth
        for y, x in rng.integers(10, 300, (40, 2)):
            grey[y : y + 14, x : x + 30] = 255
    else:
        raise ValueError(kind)
    return grey.clip(0, 255).astype(np.uint8)


KINDS = ["texture", "weak", "bright particles", "saturated", "vacuum", "cubes"]


def with_bar(grey: Array, rows: int, ground: int, ink: int, *, line: bool = False) -> Array:
    """Write a databar over the lowest rows."""
    height, width = grey.shape
    picture = Image.fromarray(grey.copy())
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, height - rows, width, height), fill=ground)
    if line:
        draw.line((0, height - rows, width, height - rows), fill=ink)
    font = ImageFont.load_default(max(8, rows // 4))
    draw.text((10, height - rows + rows // 5), "15.0 kV  x10,000  WD 8.2 mm", fill=ink, font=font)
    draw.text((10, height - rows // 2), "2026-11-23  SE", fill=ink, font=font)
    draw.text((width - 130, height - rows + rows // 5), "5 µm", fill=ink, font=font)
    draw.rectangle((width - 130, height - rows // 3, width - 30, height - rows // 3 + 3), fill=ink)
    return np.asarray(picture)


def with_plate(grey: Array, box: Box, ground: int, ink: int, *, ticks: bool = False) -> Array:
    picture = Image.fromarray(grey.copy())
    draw = ImageDraw.Draw(picture)
    draw.rectangle((box.left, box.top, box.right - 1, box.bottom - 1), fill=ground)
    middle = (box.top + box.bottom) // 2
    draw.text((box.left + 20, box.top + 3), "200 nm", fill=ink, font=ImageFont.load_default(12))
    draw.rectangle((box.left + 10, middle + 8, box.right - 10, middle + 10), fill=ink)
    for x in (box.left + 10, box.right - 10) if ticks else ():
        draw.line((x, middle + 4, x, middle + 14), fill=ink)
    return np.asarray(picture)


def jpeg(grey: Array, quality: int) -> Array:
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


@pytest.mark.parametrize("kind", KINDS)
def test_material_is_no_databar(kind: str) -> None:
    for seed in range(3):
        grey = scene(kind, seed)
        for seen in (grey, grey[::-1], grey.T, jpeg(grey, 80), grey.astype(np.uint16) * 257, np.float32(grey) / 255):
            assert not find_overlays(seen), (kind, seed)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("ground", "ink"), [(0, 255), (255, 0), (40, 230)])
@pytest.mark.parametrize("line", [False, True])
def test_databar(kind: str, ground: int, ink: int, line: bool) -> None:
    if ground == 0 and not line and kind in ("bright particles", "vacuum"):
        pytest.skip("black on black: nobody can see where such a databar begins")
    for rows in (24, 50):
        found = find_overlays(with_bar(scene(kind), rows, ground, ink, line=line))
        assert found.boxes == (Box(SIDE[0] - rows, SIDE[0], 0, SIDE[1]),)
        assert found.mask().sum() == rows * SIDE[1]
        assert found.clear() == found.field == Box(0, SIDE[0] - rows, 0, SIDE[1])


def test_databar_in_other_depths_and_places() -> None:
    grey = with_bar(scene("texture"), 50, 0, 255)
    for seen in (grey.astype(np.uint16) * 257, grey.astype(np.float32) / 255, np.stack([grey] * 3, -1)):
        assert find_overlays(seen).field == Box(0, 310, 0, 480)
    assert find_overlays(grey[::-1]).field == Box(50, 360, 0, 480)
    assert find_overlays(np.concatenate([grey, grey[:2]])).field == Box(0, 310, 0, 480)


@pytest.mark.parametrize("quality", [75, 90])
@pytest.mark.parametrize("kind", ["texture", "saturated"])
def test_databar_after_jpeg(kind: str, quality: int) -> None:
    found = find_overlays(jpeg(with_bar(scene(kind), 50, 0, 255), quality)).field
    assert abs(found.bottom - 310) <= 2


@pytest.mark.parametrize("kind", ["texture", "weak", "bright particles", "saturated"])
@pytest.mark.parametrize(("ground", "ink"), [(0, 255), (255, 0)])
@pytest.mark.parametrize("ticks", [False, True])
def test_plate(kind: str, ground: int, ink: int, ticks: bool) -> None:
    box = Box(300, 340, 340, 460)
    # A margin keeps what is as black as the plate from touching it.
    seen = scene(kind)
    seen[299:341, 339:461] = 100
    found = find_overlays(with_plate(seen, box, ground, ink, ticks=ticks))
    assert found.boxes == (box,)
    assert found.clear() == Box(0, 360, 0, 340) or found.clear() == Box(0, 300, 0, 480)


def test_plate_and_databar() -> None:
    box = Box(20, 60, 20, 140)
    found = find_overlays(with_plate(with_bar(scene("texture"), 50, 0, 255), box, 255, 0))
    assert found.boxes == (Box(310, 360, 0, 480), box)
    assert found.clear() == Box(60, 310, 0, 480)


def test_the_real_databar() -> None:
    micrograph, _ = nanoporous(databar=True)
    (box,) = find_overlays(micrograph.pixels).boxes
    assert abs(box.top - NANOPOROUS_ROWS) <= 1
    assert not find_overlays(micrograph.pixels[:NANOPOROUS_ROWS])


def test_drawings_and_small_windows_have_none() -> None:
    grey = with_bar(scene("texture"), 50, 0, 255)
    assert not find_overlays(grey[280:, :90])
    assert not find_overlays(np.where(grey > 128, 255, 0).astype(np.uint8))
    assert not find_overlays(grey > 128)


def test_an_empty_strip_is_no_databar() -> None:
    grey = scene("texture")
    grey[300:] = 0  # left empty by an alignment of drifting images
    assert not find_overlays(grey)


def test_what_the_user_drew_counts() -> None:
    grey = with_bar(scene("texture"), 50, 0, 255)
    assert overlays_of(grey, {}) == find_overlays(grey)
    assert not overlays_of(grey, {DRAWN: ()})
    found = overlays_of(grey, {DRAWN: ((330, 400, -3, 480), (0, 20, 0, 480), (100, 120, 10, 90), (500, 510, 0, 5))})
    assert found.field == Box(20, 330, 0, 480)
    assert found.plates == (Box(100, 120, 10, 90),)
    with pytest.raises(ValueError, match="covers the whole image"):
        overlays_of(grey, {DRAWN: ((0, 360, 0, 480),)})


def drawn() -> list[Array]:
    """Return pictures with what is looked for at an edge, in the middle, and across the seams of bands."""
    plate = Box(100, 170, 100, 330)
    barred = with_bar(scene("texture"), 50, 0, 255)
    return [
        barred, barred[::-1], jpeg(barred, 75), np.float32(barred) / 255, np.stack([barred.astype(float)] * 3, -1),
        with_plate(scene("texture"), plate, 255, 0), with_plate(barred, plate, 255, 0, ticks=True), scene("saturated"),
    ]  # fmt: skip


@pytest.mark.parametrize("rows", [33, 100])
def test_bands_of_rows_change_nothing(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [find_overlays(seen) for seen in drawn()]
    assert [bool(found) for found in expected] == [True] * 7 + [False]
    assert len(expected[6].plates) == 1
    monkeypatch.setattr(greys, "_BAND", rows * SIDE[1] * 4)
    assert [find_overlays(seen) for seen in drawn()] == expected
    lazy = [da.from_array(seen, chunks=(64, 200, *seen.shape[2:])) for seen in drawn()]
    assert [find_overlays(seen) for seen in lazy] == expected


def test_a_large_plane_is_never_in_memory_as_a_whole() -> None:
    box = Box(100, 170, 100, 330)
    tile = da.from_array(with_plate(scene("texture"), box, 255, 0).astype(float), chunks=-1)
    plane = da.tile(tile, (8, 8))
    assert plane.nbytes > 85e6
    tracemalloc.start()
    try:
        find_overlays(plane)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 60e6
