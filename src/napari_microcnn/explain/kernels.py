"""Convolution and pooling as networks do them, on an image and with every intermediate number.

Pure numpy, so that the window can do it itself while the user turns a knob.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.config import KernelName, LabConfig

Float = NDArray[np.float32]
_BLOCK = 2**15
"""Numbers that are worked on at once: what fits into the processor's nearest memory."""

_SMOOTH = {3: (1, 2, 1), 5: (1, 4, 6, 4, 1)}
_SLOPE = {3: (-1, 0, 1), 5: (-1, -2, 0, 2, 1)}
_LAPLACIAN = {
    3: ((0, 1, 0), (1, -4, 1), (0, 1, 0)),
    5: ((0, 0, 1, 0, 0), (0, 1, 2, 1, 0), (1, 2, -16, 2, 1), (0, 1, 2, 1, 0), (0, 0, 1, 0, 0)),
}


@dataclass(frozen=True, eq=False)
class Step:
    """One position of the kernel, with all that is computed there.

    Attributes
    ----------
    row, column : int
        Of the input pixel under the kernel's first weight; negative in the padding.
    inside : numpy.ndarray, (C, k, k) float32
        What the kernel covers, zeros where that is padding.
    products : numpy.ndarray, (C, k, k) float32
        Times the weights, element by element.
    sums : numpy.ndarray, (C,) float32
        Of the products of every channel.
    total : float
        Sum of all channels and the bias.
    result : float
        What the feature map says: the total, or zero where ReLU cuts it off.
    """

    row: int
    column: int
    inside: Float
    products: Float
    sums: Float
    total: float
    result: float


def kernel(name: KernelName, side: int) -> Float:
    """Return a kernel of 3 x 3 or 5 x 5 weights by its name.

    Smoothing by binomial coefficients, which sums to one; Prewitt's and Sobel's differences, by
    their edge: ``horizontal edges`` and ``sobel horizontal`` answer to edges that run from left to right,
    with a positive number where it gets brighter downwards.

    Raises
    ------
    ValueError
        If there is no kernel of this name or side.

    Examples
    --------
    >>> kernel("sobel horizontal", 3)
    array([[-1., -2., -1.],
           [ 0.,  0.,  0.],
           [ 1.,  2.,  1.]], dtype=float32)
    """
    if side not in _SMOOTH:
        raise ValueError(f"There are kernels of 3 x 3 and of 5 x 5 weights, not of {side} x {side}.")
    smooth, slope = np.array(_SMOOTH[side], np.float32), np.array(_SLOPE[side], np.float32)
    step = np.arange(side, dtype=np.float32) - side // 2
    flat = np.ones(side, np.float32)
    centre = (np.arange(side) == side // 2).astype(np.float32)
    made: dict[str, Float] = {
        "identity": np.outer(centre, centre),
        "gaussian": np.outer(smooth, smooth) / smooth.sum() ** 2,
        "laplacian": np.array(_LAPLACIAN[side], np.float32),
        "horizontal edges": np.outer(step, flat),
        "vertical edges": np.outer(flat, step),
        "sobel horizontal": np.outer(slope, smooth),
        "sobel vertical": np.outer(smooth, slope),
    }
    if name not in made:
        raise ValueError(f"There is no kernel {name!r}; there are {', '.join(made)}.")
    return made[name].astype(np.float32) + np.float32(0)  # no -0, which would be shown


def output_size(length: int, kernel: int, stride: int, padding: int) -> int:
    """Return the length of a feature map: floor((length + 2 padding - kernel) / stride) + 1.

    Raises
    ------
    ValueError
        If the kernel is larger than the padded image.

    Examples
    --------
    >>> output_size(224, kernel=7, stride=2, padding=3)
    112
    """
    if kernel > length + 2 * padding:
        raise ValueError(
            f"A window of {kernel} pixels does not fit into {length} pixels with {padding} zeros on either side; "
            "use a larger image, a smaller window or the padding 'same'."
        )
    return (length + 2 * padding - kernel) // stride + 1


def convolve(image: NDArray[Any], weights: Float, config: LabConfig) -> Float:
    """Return the feature map of an image: products summed over the window and all channels, plus bias, then ReLU.

    As networks do it, that is without turning the kernel round (a cross-correlation).

    Parameters
    ----------
    image : numpy.ndarray, (C, H, W)
    weights : numpy.ndarray, (C, k, k) float32
        One kernel for every channel.
    config : LabConfig
        Stride, padding, bias and ReLU count; the pooling is done by `pool`.

    Returns
    -------
    numpy.ndarray, (H', W') float32
        See `output_size`.

    Raises
    ------
    ValueError
        If image and weights do not fit each other.
    """
    _check(image, weights, config)
    margin, stride, side = config.margin, config.stride, config.side
    height, width = (output_size(length, side, stride, margin) for length in image.shape[1:])
    padded = np.pad(np.asarray(image, np.float32), ((0, 0), (margin, margin), (margin, margin)))
    result = np.full((height, width), config.bias, np.float32)
    taps = [(*tap, float(weights[tap])) for tap in zip(*np.nonzero(weights), strict=True)]
    rows = max(1, _BLOCK // width)
    products = np.empty((rows, width), np.float32)
    for top in range(0, height, rows):
        part = result[top : top + rows]
        scratch = products[: len(part)]
        for channel, row, column, weight in taps:
            first = top * stride + row
            down = slice(first, first + stride * (len(part) - 1) + 1, stride)
            across = slice(column, column + stride * (width - 1) + 1, stride)
            np.multiply(padded[channel, down, across], np.float32(weight), out=scratch)
            part += scratch
        if config.relu:
            np.maximum(part, 0, out=part)
    return result


def pool(feature_map: Float, config: LabConfig) -> Float:
    """Return the maximum or mean of every window of a feature map, which is unchanged without pooling.

    Windows lie side by side; what is left at the right and the bottom is dropped, as networks do.

    Raises
    ------
    ValueError
        If the map is smaller than the window.
    """
    if config.pooling == "none":
        return feature_map
    window = config.window
    height, width = (output_size(length, window, window, 0) for length in feature_map.shape)
    whole = feature_map[: height * window, : width * window]
    parts = [whole[row::window, column::window] for row in range(window) for column in range(window)]
    result = parts[0].copy()
    for part in parts[1:]:
        if config.pooling == "max":
            np.maximum(result, part, out=result)
        else:
            result += part
    return result if config.pooling == "max" else result / np.float32(window * window)


def winner(feature_map: Float, config: LabConfig, row: int, column: int) -> tuple[int, int]:
    """Return which position of a feature map a pooled one comes from: the maximum's, or the window's first.

    Parameters
    ----------
    feature_map : numpy.ndarray, (H', W') float32
        Before pooling.
    config : LabConfig
    row, column : int
        After pooling.
    """
    if config.pooling == "none":
        return row, column
    top, left = row * config.window, column * config.window
    inside = feature_map[top : top + config.window, left : left + config.window]
    shift = np.unravel_index(np.argmax(inside), inside.shape) if config.pooling == "max" else (0, 0)
    return int(top + shift[0]), int(left + shift[1])


def step(image: NDArray[Any], weights: Float, config: LabConfig, row: int, column: int) -> Step:
    """Return what is computed for one position of the feature map, number by number.

    Parameters
    ----------
    image, weights, config
        As for `convolve`.
    row, column : int
        Of the feature map.

    Raises
    ------
    ValueError
        If the feature map has no such position.
    """
    _check(image, weights, config)
    side, margin = config.side, config.margin
    shape = tuple(output_size(length, side, config.stride, margin) for length in image.shape[1:])
    if not (0 <= row < shape[0] and 0 <= column < shape[1]):
        raise ValueError(f"The feature map of {shape[0]} x {shape[1]} has no position ({row}, {column}).")
    top, left = row * config.stride - margin, column * config.stride - margin
    inside = np.zeros((len(image), side, side), np.float32)
    (upper, lower), (near, far) = (
        (max(0, start), min(length, start + side)) for start, length in zip((top, left), image.shape[1:], strict=True)
    )
    inside[:, upper - top : lower - top, near - left : far - left] = image[:, upper:lower, near:far]
    products = inside * weights
    sums = products.sum(axis=(1, 2))
    total = float(sums.sum() + np.float32(config.bias))
    return Step(top, left, inside, products, sums, total, max(0.0, total) if config.relu else total)


def _check(image: NDArray[Any], weights: Float, config: LabConfig) -> None:
    expected = (len(image), config.side, config.side)
    if image.ndim != 3 or weights.shape != expected:
        raise ValueError(
            f"An image (C, H, W) and weights (C, {config.side}, {config.side}) were expected, "
            f"not {image.shape} and {weights.shape}."
        )
