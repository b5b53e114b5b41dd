"""What the Convolution lab says in words and numbers."""

from __future__ import annotations

from collections.abc import Sequence

from napari_microcnn.config import LabConfig
from napari_microcnn.explain.kernels import Step, output_size

_NAMED = 4
"""Channels that are told one by one."""


def number(value: float) -> str:
    """Return a number in at most six signs.

    Examples
    --------
    >>> number(0.0625), number(-1020.0), number(12.5)
    ('0.0625', '-1020', '12.5')
    """
    return f"{value:.4g}" if abs(value) < 1e5 else f"{value:.1e}"


def amount(count: float, unit: str) -> str:
    """Return a number of bytes or the like with a prefix.

    Examples
    --------
    >>> amount(8_590_000_000, "B")
    '8.59 GB'
    """
    for size, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g} {prefix}{unit}"
    return f"{count:.3g} {unit}"


def size_lines(shape: Sequence[int], config: LabConfig) -> str:
    """Return the formula for the size of the feature map of an image (C, H, W), with its numbers."""
    lines = []
    for length, word in zip(shape[1:], ("height", "width"), strict=True):
        made = output_size(length, config.side, config.stride, config.margin)
        pooled = "" if config.pooling == "none" else f", pooled ⌊{made} / {config.window}⌋ = {made // config.window}"
        formula = f"⌊({length} + 2 · {config.margin} – {config.side}) / {config.stride}⌋ + 1"
        lines.append(f"{word}: {formula} = {made}{pooled}")
    return "\n".join(lines)


def sum_line(step: Step, channels: Sequence[str], shown: int, config: LabConfig, pooled: float) -> str:
    """Return how the products become one number of the map; of many channels the one shown, and all others."""
    sums = [number(float(value)) for value in step.sums]
    each = " + ".join(f"{name} {value}" for name, value in zip(channels, sums, strict=True))
    if len(sums) > _NAMED:
        others = number(float(step.sums.sum() - step.sums[shown]))
        each = f"{channels[shown]} {sums[shown]} + {len(sums) - 1} other channels {others}"
    text = f"{each if len(sums) > 1 else f'sum {sums[0]}'} + bias {number(config.bias)} = {number(step.total)}"
    text += f", ReLU: {number(step.result)}" if config.relu else ""
    if config.pooling != "none":
        text += f"; {config.pooling} of {config.window} x {config.window}: {number(pooled)}"
    return text
