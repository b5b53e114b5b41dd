"""Whether an explanation, and a network, can be trusted."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn

from napari_microcnn.events import Event, Finished, Job, Progress

ALIKE = 0.5
"""Rank correlation from which on two maps are taken for alike."""
_STAGES = 6
_REPEATS = 5
_SIDE = 64

HeatOf = Callable[[nn.Module], Generator[Event, None, NDArray[np.float32]]]


def heat_outside(heat: NDArray[np.float32], inside: NDArray[np.bool_]) -> float:
    """Return the share of the heat, 0 to 1, that lies outside of the labelled objects; nan without any heat.

    What speaks against the class (negative heat) does not count.

    Parameters
    ----------
    heat : numpy.ndarray, (Y, X)
    inside : numpy.ndarray, (Y, X) bool

    Raises
    ------
    ValueError
        If the shapes differ or nothing is labelled.

    Examples
    --------
    >>> heat_outside(np.array([[3.0, 1.0]]), np.array([[True, False]]))
    0.25
    """
    if heat.shape != inside.shape:
        raise ValueError(f"The labels have shape {inside.shape}, the heat has {heat.shape}; label the same image.")
    if not inside.any():
        raise ValueError("Nothing is labelled here, so nothing can be outside; label the object first.")
    positive = np.maximum(heat, 0)
    total = positive.sum(dtype=np.float64)
    return float(positive[~inside].sum(dtype=np.float64) / total) if total > 0 else float("nan")


@dataclass(frozen=True)
class SanityCheck:
    """How the heat changes while more and more weights are replaced by random ones.

    Attributes
    ----------
    layers : tuple of str
        The first layer that was replaced at every stage; all that follow it were replaced, too.
    similarity : tuple of float
        Rank correlation of the sizes of the heat with those of the trained network, at every stage;
        nan where there is no heat to compare. The last one is the mean of `repeats`.
    repeats : tuple of float
        Rank correlations with all weights replaced, for several networks of random weights: a
        single one is alike by chance now and then, up to about 0.4 where maps are smooth.
    """

    layers: tuple[str, ...]
    similarity: tuple[float, ...]
    repeats: tuple[float, ...]

    @property
    def passed(self) -> bool:
        """Whether the heat of random weights is another one: only then it tells of what was learnt."""
        return abs(self.similarity[-1]) < ALIKE

    @property
    def verdict(self) -> str:
        """One sentence for people."""
        last = self.similarity[-1]
        if np.isnan(last):
            return (
                "There is nothing to check: the heat is the same everywhere. Choose another class, layer or part of "
                "the image."
            )
        told = f"rank correlation {last:.2f}, mean of {len(self.repeats)} random networks"
        if self.passed:
            return f"Random weights change the map ({told}): it tells of what was learnt."
        return (
            f"Random weights give nearly the same map ({told}): it shows the image and not what was learnt. Do not "
            f"trust it; try another method or a deeper layer."
        )


def sanity_check(
    net: nn.Module, heat_of: HeatOf, seed: int = 0, stages: int = _STAGES, repeats: int = _REPEATS
) -> Job[SanityCheck]:
    """Replace weights by random ones, from the last layer to the first, and see whether the heat changes.

    The cascading randomisation of Adebayo et al., NeurIPS 2018, which compares the sizes of the
    heat by ranks; the last stage, with nothing learnt left, is repeated with other random weights.

    Parameters
    ----------
    net : torch.nn.Module
        Stays as it is.
    heat_of : callable
        A generator of events that returns the heat, (Y, X), of a network.
    seed : int
        Of the random weights.
    stages : int
        In how many steps the layers are replaced.
    repeats : int
        Networks of random weights that the last stage is averaged over.

    Yields
    ------
    Progress, Finished
        ``Finished`` holds a `SanityCheck`.

    Raises
    ------
    ValueError
        If the network has no layer with weights.
    """
    names = [name for name, layer in net.named_modules() if hasattr(layer, "reset_parameters")]
    if not names:
        raise ValueError("The network has no layers with weights, so they cannot be replaced by random ones.")
    parts = [list(part) for part in np.array_split(np.array(names[::-1]), min(stages, len(names)))]
    rounds = parts + [names] * (repeats - 1)
    truth = yield from heat_of(net)
    yield Progress(1, len(rounds) + 1, "Replacing weights by random ones")
    changed = copy.deepcopy(net)
    similarity = []
    for number, part in enumerate(rounds):
        _randomise(changed, part, seed + number)
        heat = yield from heat_of(changed)
        similarity.append(rank_correlation(np.abs(truth), np.abs(heat)) if np.ptp(truth) > 0 else float("nan"))
        yield Progress(number + 2, len(rounds) + 1, "Replacing weights by random ones")
    last = similarity[len(parts) - 1 :]
    firsts = tuple(str(part[-1]) for part in parts)
    yield Finished(SanityCheck(firsts, (*similarity[: len(parts) - 1], float(np.mean(last))), tuple(last)))


def _randomise(net: nn.Module, names: Sequence[str], seed: int) -> None:
    """Replace the weights of some layers by random ones; batch normalisation forgets what it has seen."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name in names:
            net.get_submodule(str(name)).reset_parameters()  # type: ignore[operator]


def rank_correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return Spearman's rank correlation of two maps of one shape; 0 where one has the same value everywhere."""
    steps = [max(1, length // _SIDE) for length in one.shape]
    first, second = (heat[:: steps[0], :: steps[1]].ravel() for heat in (one, other))
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(stats.spearmanr(first, second).statistic)


def same_shift(maps: Tensor, moved: Tensor, positions: float) -> float:
    """Return how far the maps of a shifted image are the shifted maps of the image: their correlation, 0 to 1.

    Parameters
    ----------
    maps, moved : torch.Tensor, (F, h, w)
        Of the image, and of the image shifted to the right.
    positions : float
        By how many positions of the map it was shifted; between positions, maps are interpolated linearly.
    """
    width = maps.shape[-1]
    where = torch.arange(width, dtype=torch.float64) - positions
    there = where >= 0
    if not there.any():
        return float("nan")
    below = where[there].floor().long()
    share = (where[there] - below).to(maps)
    above = (below + 1).clamp_max(width - 1)
    expected = maps[..., below] * (1 - share) + maps[..., above] * share
    pair = torch.stack([expected.flatten(), moved[..., there].flatten()]).double()
    pair -= pair.mean(dim=1, keepdim=True)
    sizes = pair.norm(dim=1)
    return float((pair[0] @ pair[1] / sizes.prod()).clamp(0, 1)) if sizes.prod() > 0 else float("nan")


def mean_of(values: Sequence[float]) -> float:
    """Return the mean of the values that are numbers; nan without any."""
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
