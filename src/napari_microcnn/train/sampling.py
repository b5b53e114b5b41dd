"""Training pictures of the kinds that the network is worst at.

The kinds are bins over what makes boundaries hard to see: how they show, how close they lie, noise,
and texture. Every kind is drawn in proportion to its recent loss, as in hard example mining
(Shrivastava, Gupta and Girshick, 2016), but within bounds: of what nobody can see the loss stays high.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.config import ImagingConfig, VoronoiConfig

KINDS = 3 * 2 * 2 * 2
"""Bins of `kind_of`."""

BLOCK = 100
"""Batches after which the shares are set anew."""

_LEAST, _MOST = 0.5, 2.0
_MEMORY = 0.7

Order = tuple[int, tuple[float, ...]]
"""Number of a picture, and for every kind the chance that a draw of it is accepted."""


def kind_of(structure: VoronoiConfig, imaging: ImagingConfig) -> int:
    """Return the number of the kind of a random look, 0..`KINDS` - 1."""
    lines = ("dark", "bright", "none").index(imaging.lines)
    close = structure.height * structure.width / structure.grains < 30**2
    noisy = float(np.hypot(imaging.shot_noise, imaging.readout_noise)) > 0.03
    textured = imaging.texture > 0.06
    return ((lines * 2 + close) * 2 + noisy) * 2 + textured


class AdaptiveSampler:
    """Says which pictures come next, and learns from their losses.

    The shares that a block of batches is drawn with come from the losses up to the block before the
    last one, so that it makes no difference how many pictures are made ahead, up to `BLOCK` batches.

    Parameters
    ----------
    batch, batches : int
        Pictures per batch, and number of batches.
    adaptive : bool
        Whether kinds are drawn in proportion to their loss; otherwise as often as random looks have them.
    """

    def __init__(self, batch: int, batches: int, *, adaptive: bool = True) -> None:
        self._batch, self._batches, self._adaptive = batch, batches, adaptive
        self._loss = np.full(KINDS, np.nan)
        self._sums, self._counts = np.zeros(KINDS), np.zeros(KINDS)
        self._seen = 0
        everything = (1.0,) * KINDS
        self._shares: list[tuple[float, ...]] = [everything, everything]

    @property
    def shares(self) -> tuple[float, ...]:
        """Latest chances of acceptance, by kind; the highest is 1."""
        return self._shares[-1]

    def __iter__(self) -> Iterator[list[Order]]:
        for number in range(self._batches):
            shares = self._shares[number // BLOCK]
            yield [(number * self._batch + index, shares) for index in range(self._batch)]

    def __len__(self) -> int:
        return self._batches

    def learn(self, kinds: NDArray[np.int64], losses: NDArray[np.float64]) -> None:
        """Take in the losses of the pictures of one batch."""
        np.add.at(self._sums, kinds, losses)
        np.add.at(self._counts, kinds, 1)
        self._seen += 1
        if self._seen % BLOCK == 0:
            self._shares.append(self._new_shares() if self._adaptive else self._shares[-1])

    def _new_shares(self) -> tuple[float, ...]:
        seen = self._counts > 0
        latest = self._sums[seen] / self._counts[seen]
        before = np.where(np.isnan(self._loss[seen]), latest, self._loss[seen])
        self._loss[seen] = _MEMORY * before + (1 - _MEMORY) * latest
        self._sums[:], self._counts[:] = 0, 0
        mean = np.nanmean(self._loss)
        ratio = np.clip(np.where(np.isnan(self._loss), 1, self._loss / max(mean, 1e-9)), _LEAST, _MOST)
        return tuple(float(value) for value in ratio / ratio.max())
