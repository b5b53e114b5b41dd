"""How a network answers when the image is shifted by some pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_microcnn.events import Finished, Job, Progress
from napari_microcnn.explain.layers import checked_maps, listening
from napari_microcnn.explain.poolings import Pooling, Poolings
from napari_microcnn.explain.sight import Sight
from napari_microcnn.explain.target import Target
from napari_microcnn.explain.trust import mean_of, same_shift

SHIFTS = (*range(1, 9), 10, 12, 14, 16, 20, 24, 28, 32)
"""Pixels to the right."""
LARGEST = 256
"""Side in pixels of what is looked at, where the network takes any size."""
POOLINGS: tuple[Pooling, ...] = ("max", "average", "none")


@dataclass(frozen=True)
class Translation:
    """The answers of a network with one kind of pooling.

    Attributes
    ----------
    pooling : str
        ``max``, ``average`` or ``none``.
    own : bool
        Whether the network was trained with this pooling. With another one the weights are the same:
        the maps are still comparable, the probabilities are not those of a trained network.
    shifts : tuple of int
        In pixels of the resampled image, to the right.
    probability : tuple of float
        Of the class, for no shift and then for every shift. Invariance: it stays the same.
    equivariance : tuple of float
        Correlation of the shifted image's maps with the shifted maps of the image, for every
        shift; 1 where a shift of the image only shifts the maps.
    """

    pooling: Pooling
    own: bool
    shifts: tuple[int, ...]
    probability: tuple[float, ...]
    equivariance: tuple[float, ...]

    @property
    def largest_change(self) -> float:
        """Largest change of the probability by a shift."""
        return float(np.abs(np.array(self.probability[1:]) - self.probability[0]).max())

    @property
    def mean_equivariance(self) -> float:
        """Mean over all shifts."""
        return mean_of(self.equivariance)


def translation_test(
    sight: Sight, output: int, layer: str, shifts: Sequence[int] = SHIFTS
) -> Job[tuple[Translation, ...]]:
    """Shift the image by 1 to 32 pixels and see how probability and maps answer, for all kinds of pooling.

    What comes in from the left is the image itself where it is larger than the window in its
    middle that is looked at, its mirror image otherwise. Zhang, ICML 2019, explains what to see.

    Parameters
    ----------
    sight : Sight
    output : int
        Index of the class.
    layer : str
        Whose maps are compared.
    shifts : sequence of int

    Yields
    ------
    Progress, Finished
        ``Finished`` holds one `Translation` for every kind of pooling; only one for a network that has no pooling.

    Raises
    ------
    ValueError
        If there is no such layer with maps.
    """
    own = _own_pooling(sight)
    kinds: tuple[Pooling, ...] = POOLINGS if own is not None else ("none",)
    found = []
    for index, kind in enumerate(kinds):
        probabilities, agreement = [], []
        with Poolings(kind):
            reference, before = _look(sight, output, layer, 0)
        probabilities.append(reference)
        for number, shift in enumerate(shifts):
            with Poolings(kind):
                probability, maps = _look(sight, output, layer, shift)
            jump = sight.field(layer, sight.middle_shape(LARGEST)).columns.jump
            probabilities.append(probability)
            agreement.append(same_shift(before, maps, shift / jump))
            yield Progress(index * len(shifts) + number + 1, len(kinds) * len(shifts), f"Shifting, {kind} pooling")
        one = Translation(kind, kind == (own or "none"), tuple(shifts), tuple(probabilities), tuple(agreement))
        found.append(one)
    yield Finished(tuple(found))


def _look(sight: Sight, output: int, layer: str, shift: int) -> tuple[float, Tensor]:
    """Return the probability of the class and the maps, for the image shifted to the right."""
    _, height, width = sight.middle_shape(LARGEST)
    top, left = ((full - side) // 2 for full, side in zip(sight.prospect.shape, (height, width), strict=True))
    pixels = sight.prospect.window(max(0, top), max(0, left) - shift, height, width)
    image = torch.from_numpy(pixels)[None].to(next(sight.net.parameters()).device)
    with torch.no_grad(), listening(sight.net, layer) as heard:
        probabilities = (sight.net(image).float() / sight.temperature).softmax(dim=1)
    maps = checked_maps(heard, layer)[0].float().cpu()
    return float(Target(output).scores(probabilities)[0]), maps


def _own_pooling(sight: Sight) -> Pooling | None:
    """Return the kind of pooling of the network; None if it has none."""
    image = torch.zeros((1, *sight.window_shape), device=next(sight.net.parameters()).device)
    with torch.no_grad(), Poolings() as poolings:
        sight.net(image)
    first: Pooling | None = poolings.first
    return first
