"""What every pixel adds to a score: integrated gradients, and occlusion."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_microcnn.events import Finished, Job, Progress
from napari_microcnn.explain.target import Target

_PIXELS = 1 << 18
"""Pixels that are computed at once, at most: memory must not depend on the number of steps."""


def integrated_gradients(net: nn.Module, images: Tensor, target: Target, steps: int = 32) -> Job[Tensor]:
    """Integrate the gradient on the straight way from medium grey to the image, times the image.

    Sundararajan, Taly and Yan, ICML 2017. All pixels together add up to the difference between the
    scores of the image and of medium grey, which is 0 in normalised images.

    Parameters
    ----------
    net : torch.nn.Module
        In inference mode.
    images : torch.Tensor, (1, C, H, W)
        Normalised.
    target : Target
    steps : int
        Nodes of the Gauss-Legendre quadrature.

    Yields
    ------
    Progress, Finished
        ``Finished`` holds (1, C, H, W): positive where a pixel speaks for the class.
    """
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    along = torch.tensor((nodes + 1) / 2, dtype=images.dtype, device=images.device)
    share = torch.tensor(weights / 2, dtype=images.dtype, device=images.device)
    total = torch.zeros_like(images)
    batch = max(1, _PIXELS // images[0, 0].numel())
    for start in range(0, steps, batch):
        part = slice(start, start + batch)
        with torch.enable_grad():
            between = (along[part, None, None, None] * images).detach().requires_grad_()
            slopes = torch.autograd.grad(target.scores(net(between)).sum(), between)[0]
        total += (share[part, None, None, None] * slopes).sum(dim=0, keepdim=True)
        yield Progress(min(steps, start + batch), steps, "Integrating gradients")
    yield Finished(total * images)


def occlusion(net: nn.Module, images: Tensor, target: Target, window: int, stride: int) -> Job[Tensor]:
    """Cover one window after the other with medium grey and see how much the score falls.

    Zeiler and Fergus, ECCV 2014.

    Parameters
    ----------
    net : torch.nn.Module
        In inference mode.
    images : torch.Tensor, (1, C, H, W)
        Normalised.
    target : Target
    window, stride : int
        Side of the windows and distance between them, in pixels; a window larger than the image
        is cut to it.

    Yields
    ------
    Progress, Finished
        ``Finished`` holds (1, H, W): the mean fall over all windows that cover a pixel, see `drawn`.

    Raises
    ------
    ValueError
        If windows would leave gaps between them.
    """
    height, width = images.shape[-2:]
    rows, columns = starts(height, window, stride), starts(width, window, stride)
    places = [(top, left) for top in rows for left in columns]
    falls = images.new_zeros(len(places))
    batch = max(1, _PIXELS // (height * width))
    with torch.no_grad():
        whole = target.scores(net(images))
    for start in range(0, len(places), batch):
        part = places[start : start + batch]
        covered = images.repeat(len(part), 1, 1, 1)
        for one, (top, left) in zip(covered, part, strict=True):
            one[:, top : top + window, left : left + window] = 0
        with torch.no_grad():
            falls[start : start + batch] = whole - target.scores(net(covered))
        yield Progress(start + len(part), len(places), "Covering")
    found = falls.reshape(len(rows), len(columns)).cpu().numpy()
    yield Finished(torch.from_numpy(drawn(found, rows, columns, window, (height, width)))[None])


def drawn(
    falls: NDArray[np.float32], rows: range, columns: range, window: int, shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Return the mean fall, (H, W), over all windows that cover a pixel; the nearer its middle, the more it counts.

    Counted alike, all windows that touch an object would make a plateau larger than the object.

    Parameters
    ----------
    falls : numpy.ndarray, (R, C) float32
        Of the score, by windows.
    rows, columns : range
        Where the R and the C windows begin.
    window : int
    shape : tuple of int
        H and W.
    """
    down, right = (
        np.array([_tent(start, window, length) for start in begins], np.float32)
        for begins, length in zip((rows, columns), shape, strict=True)
    )
    shares = np.outer(down.sum(axis=0), right.sum(axis=0))
    return np.asarray((down.T @ falls @ right) / shares, np.float32)


def starts(length: int, window: int, stride: int) -> range:
    """Return where windows begin, so that the last one reaches the edge.

    Raises
    ------
    ValueError
        If windows would leave gaps between them.
    """
    if stride > window:
        raise ValueError(f"Steps of {stride} px leave gaps between windows of {window} px; take steps of {window} px.")
    return range(0, max(0, length - window) + stride if length > window else 1, stride)


def _tent(start: int, window: int, length: int) -> NDArray[np.float64]:
    """Return how much a window counts along an axis, (L,): 1 in its middle, 0 beyond its ends."""
    middle = start + (min(window, length) - 1) / 2
    away = np.abs(np.arange(length) - middle)
    return np.asarray(np.maximum(0, 1 - away / (min(window, length) / 2 + 0.5)))
