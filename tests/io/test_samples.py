"""The built-in sample and what is drawn on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage.measure import label

from napari_microcnn.io import samples
from napari_microcnn.io.read import ReadError
from napari_microcnn.io.samples import (
    NANOPOROUS_CLASSES,
    NANOPOROUS_REGION,
    NANOPOROUS_ROWS,
    ising_samples,
    nanoporous,
    nanoporous_region,
    sample_path,
)


def test_micrograph_and_strokes() -> None:
    micrograph, strokes = nanoporous()
    assert micrograph.axes == "YX"
    assert micrograph.pixels.shape == strokes.shape == (690, 1024)
    assert micrograph.calibration is not None
    assert micrograph.calibration.to("nm").pixel_size == pytest.approx((0.5429688, 0.5429688))
    assert micrograph.name == "nanoporous"
    assert set(np.unique(strokes)) == {0, *(info.id for info in NANOPOROUS_CLASSES)}
    for info in NANOPOROUS_CLASSES:
        assert label(strokes == info.id).max() == 10
    assert (strokes > 0).mean() < 0.01


def test_databar_on_request_and_never_annotated() -> None:
    micrograph, strokes = nanoporous(databar=True)
    assert micrograph.pixels.shape == strokes.shape == (768, 1024)
    assert not strokes[NANOPOROUS_ROWS:].any()


def test_strokes_lie_in_their_phase() -> None:
    micrograph, strokes = nanoporous()
    pixels = np.asarray(micrograph.pixels)
    assert np.percentile(pixels[strokes == 1], 95) < np.percentile(pixels[strokes == 2], 5)


def test_region_is_dense_plausible_and_without_strokes() -> None:
    micrograph, strokes = nanoporous()
    region = nanoporous_region()
    assert region.shape == (256, 256)
    assert set(np.unique(region)) == {1, 2}
    assert not strokes[NANOPOROUS_REGION].any()
    pixels = np.asarray(micrograph.pixels)[NANOPOROUS_REGION]
    assert np.median(pixels[region == 2]) - np.median(pixels[region == 1]) > 40


def test_licence_and_source_are_beside_it() -> None:
    assert "MIT" in sample_path("nanoporous/LICENSE.txt").read_text()
    assert "aquami" in sample_path("nanoporous/SOURCE.md").read_text()


def test_unknown_sample() -> None:
    with pytest.raises(ReadError, match="no sample named 'diamond'"):
        sample_path("diamond")


def test_samples_of_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / "napari_microcnn" / "sample_data" / "mine.tif"
    installed.parent.mkdir(parents=True)
    installed.touch()
    monkeypatch.setattr(samples, "__file__", str(tmp_path / "napari_microcnn" / "io" / "samples.py"))
    assert sample_path("mine.tif") == installed


def test_configurations_go_from_cold_to_hot() -> None:
    images, temperatures = ising_samples()
    assert images.shape == (200, 64, 64)
    assert images.dtype == np.uint8
    assert set(np.unique(images)) == {0, 255}
    assert (np.diff(temperatures) >= 0).all()
    # Neighbours are alike in the cold, and know little of each other in the heat.
    alike = (images == np.roll(images, 1, axis=1)).mean(axis=(1, 2))
    assert alike[temperatures < 1.5].min() > 0.9 > 0.75 > alike[temperatures > 4].max()
    with np.load(sample_path("ising/ising.npz")) as data:
        np.testing.assert_array_equal(data["label"] == 1, temperatures > 2.26919)


def test_configurations_tell_source_and_licence() -> None:
    assert "MIT" in sample_path("ising/SOURCE.md").read_text()
    assert "Stefan Sandfeld" in sample_path("ising/LICENSE.txt").read_text()
