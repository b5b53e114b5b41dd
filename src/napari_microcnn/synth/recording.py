"""From what a sample shows to what a file holds: light, optics, detector, compression and databar."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from napari_microcnn.config import ImagingConfig
from napari_microcnn.synth.fields import Field, blur, smooth_field


def detect(picture: Field, config: ImagingConfig, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a picture with shading, blur, noise and gamma, in 8 bits; changes what it is given."""
    if config.illumination:
        picture *= 1 + np.float32(0.4 * config.illumination) * smooth_field(
            picture.shape, max(picture.shape) / 1.5, rng
        )
    if config.blur:
        picture[:] = blur(picture, config.blur)
    if config.defocus:
        share = np.clip(np.float32(0.5) * smooth_field(picture.shape, max(picture.shape) / 1.5, rng), 0, 1)
        picture += share * (blur(picture, config.defocus) - picture)
    np.clip(picture, 0.01, 1.5, out=picture)
    if config.shot_noise or config.readout_noise:
        noise = rng.standard_normal(picture.shape, dtype=np.float32)
        if config.noise_scale:
            noise = blur(noise, config.noise_scale) * np.float32(1 + 2.5 * config.noise_scale)
        picture += noise * np.sqrt(np.float32(config.shot_noise**2) * picture + np.float32(config.readout_noise**2))
    np.clip(picture, 0, 1, out=picture)
    if config.gamma != 1:
        picture = picture ** np.float32(config.gamma)
    if config.compression:
        _compress(picture, config.compression)
    return np.round(picture * 255).astype(np.uint8)


def _compress(picture: Field, strength: float) -> None:
    """Round the cosine coefficients of blocks of 8 x 8 pixels, as JPEG does; in place."""
    height, width = (side - side % 8 for side in picture.shape)
    blocks = picture[:height, :width].reshape(height // 8, 8, width // 8, 8)
    frequency = np.add.outer(np.arange(8), np.arange(8)).astype(np.float32)
    step = np.float32(strength) * (np.float32(16) + np.float32(6) * frequency)[None, :, None] / np.float32(255)
    waves = fft.dctn(blocks, axes=(1, 3), norm="ortho")
    blocks[:] = fft.idctn(np.round(waves / step) * step, axes=(1, 3), norm="ortho")
    np.clip(picture, 0, 1, out=picture)


def add_databar(picture: NDArray[np.uint8], share: float, rng: np.random.Generator) -> None:
    """Paint a databar with a scale bar and something like writing over the lower edge.

    Parameters
    ----------
    picture : numpy.ndarray, (Y, X) uint8
        Changed in place.
    share : float
        Height of the bar, as a share of the picture.
    rng : numpy.random.Generator
    """
    height, width = picture.shape
    rows = databar_rows(height, share)
    paper, ink = (0, 255) if rng.random() < 0.7 else (255, 0)
    bar = picture[height - rows :]
    bar[:] = paper
    letter = max(3, rows // 3)
    top = (rows - letter) // 2
    writing = rng.random((letter, width // 2)) < 0.5
    writing[:, np.arange(width // 2) % (letter + 1) >= letter - 1] = False
    start = int(rng.integers(0, max(1, width // 4)))
    bar[top : top + letter, start : start + width // 2][writing] = ink
    left = start + width // 2 + width // 20
    bar[top + letter // 2 : top + letter // 2 + max(1, letter // 3), left : left + width // 6] = ink


def databar_rows(height: int, share: float) -> int:
    """Return how many rows of a picture of this height the databar takes up."""
    return min(height - 1, max(6, round(share * height))) if share else 0
