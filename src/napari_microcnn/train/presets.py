"""What a preset changes in a training: the loss, where patches are drawn, and what the model numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from napari_microcnn.config import ClassInfo, ObjectRule, Preset, TrainConfig, focus_of
from napari_microcnn.train.thin import thin_loss


@dataclass(frozen=True, eq=False)
class Recipe:
    """How to train with a preset.

    Attributes
    ----------
    objects : ObjectRule or None
        What the trained model numbers.
    shares : numpy.ndarray or None, (K,) float
        How often patches are drawn around every class; None: equally often.
    extra : callable or None
        (logits (N, K, H, W), targets (N, H, W)) -> scalar that is added to the loss.
    edges : float
        Factor of the loss that keeps classes from changing where the image does not: it wipes out
        lines of a pixel.
    overview : bool
        Whether the overview is tried: lines of a pixel and rare specks are not to be seen in it.
    grows : bool
        Whether strokes grow to the edges around them: over lines of a pixel and faint specks they would grow too.
    """

    objects: ObjectRule | None = None
    shares: NDArray[np.float64] | None = None
    extra: Callable[[Tensor, Tensor], Tensor] | None = None
    edges: float = 1.0
    overview: bool = True
    grows: bool = True


_RARE: dict[Preset, tuple[float, float, float]] = {"thin": (0.5, 2.0, 0.2), "defects": (0.0, 0.0, 0.5)}
"""Of the presets for thin and rare things: weights of the centreline loss and of `beside_loss`, and edges."""

_SHARE = 0.5
"""Part of the patches that lie around a rare class."""


def recipe_of(config: TrainConfig, classes: Sequence[ClassInfo], before: int | None = None) -> Recipe:
    """Return what the preset of a training means for its classes; `before` as for `focus_of`.

    Raises
    ------
    ValueError
        If the class that it should be about does not exist.
    """
    focus = focus_of(config.preset, classes, config.focus, before)
    if focus is None:
        return Recipe()
    kind: Literal["grains", "particles"] = "grains" if config.preset == "boundaries" else "particles"
    objects = ObjectRule(kind=kind, class_id=focus.id)
    if config.preset not in _RARE:
        return Recipe(objects, overview=config.preset != "boundaries")
    lines, beside, edges = _RARE[config.preset]
    index = [info.id for info in classes].index(focus.id)
    shares = np.full(len(classes), (1 - _SHARE) / (len(classes) - 1))
    shares[index] = _SHARE
    extra = partial(thin_loss, focus=index, lines=lines, beside=0.0 if config.dense else beside)
    return Recipe(objects, shares, extra, edges, overview=False, grows=False)
