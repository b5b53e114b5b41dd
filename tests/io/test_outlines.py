"""Outlines: filled by other libraries, they give the same pixels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from skimage.draw import polygon2mask

from napari_microcnn.io.errors import WriteError
from napari_microcnn.io.outlines import write_outlines
from napari_microcnn.micrograph import Calibration

PIXEL = Calibration((0.123456789, 0.2), "nm", "test")


@pytest.fixture
def labels() -> np.ndarray:
    """Make objects that touch at corners, have holes with islands in them, lie in pieces and at the border."""
    drawn = np.random.default_rng(0).integers(0, 4, (24, 31)).astype(np.int32)
    rings = np.zeros((30, 31), np.int32)
    rings[2:28, 2:28], rings[5:25, 5:25], rings[8:20, 8:20], rings[10:14, 10:13] = 5, 0, 5, 7
    return np.vstack([drawn, rings])


def filled(polygon: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Fill a polygon of corners (x, y): a pixel's middle is at its index in scikit-image."""
    return polygon2mask(shape, np.asarray(polygon, float)[:, ::-1] - 0.5)


def test_coco_gives_the_same_pixels_areas_and_pixel_size(tmp_path: Path, labels: np.ndarray) -> None:
    content = json.loads(write_outlines(tmp_path / "o.json", labels, PIXEL, image="steel.tif").read_text())
    back = np.zeros_like(labels)
    for entry in content["annotations"]:
        back[filled(np.reshape(entry["segmentation"][0], (-1, 2)), labels.shape)] += entry["id"]
        assert entry["area"] == (labels == entry["id"]).sum()
    np.testing.assert_array_equal(back, labels)
    assert content["info"]["pixel_size"]["pixel_size"] == pytest.approx(PIXEL.pixel_size, rel=1e-6)
    assert content["images"][0]["file_name"] == "steel.tif"


def test_geojson_gives_the_same_pixels_and_pixel_size(tmp_path: Path, labels: np.ndarray) -> None:
    content = json.loads(write_outlines(tmp_path / "o.geojson", labels, PIXEL).read_text())
    back = np.zeros_like(labels)
    for feature in content["features"]:
        for outer, *holes in feature["geometry"]["coordinates"]:
            mask = filled(outer, labels.shape)
            for hole in holes:
                mask &= ~filled(hole, labels.shape)
            back[mask] += feature["id"]
    np.testing.assert_array_equal(back, labels)
    assert content["pixel_size"]["pixel_size"] == pytest.approx(PIXEL.pixel_size, rel=1e-6)


def test_a_roi_set_gives_the_same_pixels(tmp_path: Path, labels: np.ndarray) -> None:
    roifile = pytest.importorskip("roifile")
    back = np.zeros_like(labels)
    for roi in roifile.roiread(write_outlines(tmp_path / "o.zip", labels)):
        back[filled(roi.coordinates(), labels.shape)] += int(roi.name)
    np.testing.assert_array_equal(back, labels)


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match=r"\.geojson"):
        write_outlines(tmp_path / "o.svg", np.ones((2, 2), int))
    with pytest.raises(WriteError, match="one plane"):
        write_outlines(tmp_path / "o.json", np.ones((2, 2)))
