"""Grey values to numbers that a network can use, whatever the camera's range."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.micrograph import Pixels

SCHEME = "mean and standard deviation per image and channel, of the values clipped to their 0.5 % and 99.5 % quantiles"
"""What `normalise` does, in words: part of every saved model."""

COMMON = "the same centre and scale per channel for all images"
"""The other way: where a grey value means the same in every image."""

CLIP = 6.0
"""Normalised values are cut here, so that hot pixels cannot reach the network."""

_SAMPLES = 1_000_000
_AT_ONCE = 1 << 15
"""Pixels that are normalised together: their intermediate results stay near the processor."""
_SQUARES_OVERFLOW = 1e140


class IntensityLimits(NamedTuple):
    """What `normalise` subtracts and divides by: one value per channel each, float64."""

    centre: NDArray[np.float64]
    scale: NDArray[np.float64]


def intensity_limits(plane: Pixels) -> IntensityLimits:
    """Find centre and scale of the grey values of a plane, per channel.

    Parameters
    ----------
    plane : array, (Y, X) or (Y, X, C)
        Real numbers of any type; may be lazy. NaN and infinite values are ignored.

    Returns
    -------
    IntensityLimits
        ``centre`` and ``scale``, each of shape (C,). The scale of a constant image is 0.
    """
    channels = plane.shape[2] if plane.ndim == 3 else 1
    step = max(1, int(np.ceil(np.sqrt(plane.shape[0] * plane.shape[1] / _SAMPLES))))
    samples = np.asarray(plane[::step, ::step]).reshape(-1, channels).astype(np.float64)
    pairs = [_centre_and_scale(samples[:, channel]) for channel in range(channels)]
    return IntensityLimits(np.array([centre for centre, _ in pairs]), np.array([scale for _, scale in pairs]))


def _centre_and_scale(values: NDArray[np.float64]) -> tuple[float, float]:
    values = values[np.isfinite(values)]
    if values.size == 0:
        return 0.0, 0.0
    low, high = np.quantile(values, (0.005, 0.995))
    if low == high:  # nearly all pixels are equal: let the few others count
        low, high = values.min(), values.max()
    clipped = np.clip(values, low, high)
    largest = max(abs(float(low)), abs(float(high)))
    unit = largest if largest > _SQUARES_OVERFLOW else 1.0
    centre, scale = unit * float((clipped / unit).mean()), unit * float((clipped / unit).std())
    rounding = 1e-12 * largest
    return centre, (scale if scale > rounding else 0.0)


def normalise(pixels: NDArray[Any], limits: IntensityLimits) -> NDArray[np.float32]:
    """Return (C, Y, X) float32 with centre 0 and scale 1.

    Parameters
    ----------
    pixels : numpy.ndarray, (Y, X) or (Y, X, C)
        Real numbers of any type. NaN and infinite values become 0, the centre.
    limits : IntensityLimits
        Of the whole plane, so that every tile of it is treated alike.

    Raises
    ------
    ValueError
        If the number of channels differs from that of the limits.
    """
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if pixels.shape[-1] != len(limits.centre):
        raise ValueError(f"The limits are for {len(limits.centre)} channels, the image has {pixels.shape[-1]}.")
    gain = np.divide(1.0, limits.scale, out=np.zeros_like(limits.scale), where=limits.scale > 0)
    result = np.empty((pixels.shape[-1], *pixels.shape[:2]), np.float32)
    step = max(1, _AT_ONCE // max(1, pixels.shape[1]))
    with np.errstate(invalid="ignore", over="ignore"):
        for channel, (centre, factor) in enumerate(zip(limits.centre, gain, strict=True)):
            for top in range(0, pixels.shape[0], step):
                part = pixels[top : top + step, :, channel]
                # In float64: the same picture in 8 and in 16 bits shall be the same to the last bit of the result.
                values = np.subtract(part, centre, dtype=np.float64)
                values *= factor
                np.clip(values, -CLIP, CLIP, out=values)
                if part.dtype.kind == "f":
                    values[~np.isfinite(part)] = 0.0
                result[channel, top : top + step] = values
    return result
