"""How far a network sees: in theory, in effect, and whether that is enough for the grains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_microcnn.data.views import Region
from napari_microcnn.explain.enlarging import position_of
from napari_microcnn.explain.layers import checked_maps, listening
from napari_microcnn.explain.pieces import Window
from napari_microcnn.explain.sight import Sight
from napari_microcnn.micrograph import Calibration
from napari_microcnn.nets.fields import Field

HELD = 0.95
"""Share of the influence that the effective receptive field holds."""
_TOLERANCE = 1.25
"""Pixel sizes that differ by less are taken for equal."""
_REPEATS = 8


@dataclass(frozen=True, eq=False)
class FieldOfView:
    """What one position of a layer sees.

    Attributes
    ----------
    layer : str
    box : tuple of slice
        Rows and columns of the image that can change it at all, cut at the image's edges.
    size : tuple of float
        Height and width of what it could see were there no edges, in pixels of the image.
    influence : numpy.ndarray, (Y, X) float32
        How much every pixel of the image changes it, the largest is 1.
    effective : float
        Side in pixels of the image of the square around its centre that holds 95 % of the influence.
    """

    layer: str
    box: Region
    size: tuple[float, float]
    influence: NDArray[np.float32]
    effective: float


def field_of_view(sight: Sight, pixel: tuple[int, int], layer: str, seed: int = 0) -> FieldOfView:
    """Find what the position of a layer's maps that is nearest to a pixel sees.

    Parameters
    ----------
    sight : Sight
    pixel : tuple of int
        Row and column in the image.
    layer : str
    seed : int
        Of the signs with which the filters are summed up.

    Raises
    ------
    ValueError
        If the pixel is outside of the image, or there is no such layer with maps.
    """
    if not all(0 <= at < length for at, length in zip(pixel, sight.shape, strict=True)):
        raise ValueError(f"The pixel {pixel} is outside of the image of {sight.shape[0]} x {sight.shape[1]} pixels.")
    mask = np.zeros(sight.shape, bool)
    mask[pixel] = True
    window = next(sight.windows(mask, margin=0))
    field = sight.field(layer, window.shape)
    position = _nearest(sight, window, field, pixel)
    rows, columns = field.box(*position)
    influence = effective_field(sight.net, window.image, layer, position, seed).cpu().numpy()
    whole = np.zeros(sight.prospect.shape, np.float32)
    part = whole[window.top : window.top + influence.shape[0], window.left : window.left + influence.shape[1]]
    part[:] = influence[: part.shape[0], : part.shape[1]]
    y, x = sight.scale
    return FieldOfView(
        layer,
        (_span(rows, window.top, y, sight.shape[0]), _span(columns, window.left, x, sight.shape[1])),
        (field.rows.size / y, field.columns.size / x),
        sight.at_image_size(whole),
        side_holding(influence, _centre(field, position)) / ((y + x) / 2),
    )


def effective_field(
    net: nn.Module, image: Tensor, layer: str, position: tuple[int, int], seed: int = 0, repeats: int = _REPEATS
) -> Tensor:
    """Return how much every pixel changes one position of a layer's maps, (H, W), the largest is 1.

    The root of the mean squared gradient over sums of all filters with random signs, so that
    filters do not cancel each other (after Luo et al., NeurIPS 2016).

    Parameters
    ----------
    net : torch.nn.Module
        In inference mode.
    image : torch.Tensor, (1, C, H, W)
    layer : str
    position : tuple of int
        Row and column of the map.
    seed, repeats : int
        Of the random signs.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.enable_grad(), listening(net, layer) as heard:
        source = image.detach().requires_grad_()
        net(source)
        values = checked_maps(heard, layer)[0, :, position[0], position[1]]
        total = torch.zeros_like(source)
        for _ in range(repeats):
            signs = torch.randint(0, 2, values.shape, generator=generator).to(values) * 2 - 1
            slope = torch.autograd.grad((signs * values).sum(), source, retain_graph=True)[0]
            total = total + slope**2
    influence = total.sum(dim=1)[0].detach().sqrt()
    return influence / influence.max().clamp_min(1e-30)


def side_holding(influence: NDArray[np.float32], centre: tuple[float, float], share: float = HELD) -> float:
    """Return the side in pixels of the smallest square around a centre that holds a share of the influence.

    Examples
    --------
    >>> side_holding(np.ones((9, 9), np.float32), (4, 4), 1.0)
    9.0
    """
    rows, columns = np.indices(influence.shape)
    distance = np.maximum(np.abs(rows - centre[0]), np.abs(columns - centre[1])).ravel()
    order = np.argsort(distance, kind="stable")
    held = np.cumsum(influence.ravel()[order], dtype=np.float64)
    if held[-1] == 0:
        return 0.0
    reached = order[min(int(np.searchsorted(held, share * held[-1] * (1 - 1e-9))), len(order) - 1)]
    return float(2 * distance[reached] + 1)


def field_warnings(
    size: float | None,
    *,
    grain: float | None = None,
    calibration: Calibration | None = None,
    trained: Calibration | None = None,
    magnification: float = 1.0,
) -> list[str]:
    """Return sentences on why a network may not see what it should; empty where all is well.

    The design rule: a network that shall tell what a structure is must see all of it, so its
    receptive field must be larger than the grains.

    Parameters
    ----------
    size : float or None
        Receptive field in pixels of the image; None: all of it.
    grain : float, optional
        Size of the grains that were measured, in pixels of the image.
    calibration, trained : Calibration, optional
        Size of a pixel in this image and in the training images.
    magnification : float
        By which the image is resampled before the network.
    """
    said = []
    if grain is not None and size is not None and size < grain:
        unit = "" if calibration is None else f" ({size * calibration.pixel_size[1]:.3g} {calibration.unit})"
        said.append(
            f"The receptive field of {size:.0f} px{unit} is smaller than the grains of {grain:.0f} px that were "
            f"measured: the network never sees a whole one. Use a deeper network, or shrink the image by "
            f"{max(1.1, grain / size):.1f}."
        )
    if calibration is not None and trained is not None:
        ratio = calibration.to("µm").pixel_size[1] / trained.to("µm").pixel_size[1] / magnification
        if not 1 / _TOLERANCE < ratio < _TOLERANCE:
            said.append(
                f"A pixel measures {calibration.pixel_size[1] / magnification:.3g} {calibration.unit} here and "
                f"{trained.to(calibration.unit).pixel_size[1]:.3g} {calibration.unit} in the training images: the "
                f"network sees structures {max(ratio, 1 / ratio):.1f} times too {'small' if ratio > 1 else 'large'}. "
                f"Set the magnification to {ratio * magnification:.2g}."
            )
    return said


def _nearest(sight: Sight, window: Window, field: Field, pixel: tuple[int, int]) -> tuple[int, int]:
    row, column = (
        position_of(axis, (at + 0.5) * scale - 0.5 - start, len(axis.first))
        for axis, at, scale, start in zip(
            (field.rows, field.columns), pixel, sight.scale, (window.top, window.left), strict=True
        )
    )
    return row, column


def _centre(field: Field, position: tuple[int, int]) -> tuple[float, float]:
    rows, columns = field.rows, field.columns
    return rows.start + position[0] * rows.jump, columns.start + position[1] * columns.jump


def _span(part: slice, start: int, scale: float, full: int) -> slice:
    return slice(max(0, int((part.start + start) / scale)), min(full, int(np.ceil((part.stop + start) / scale))))
