"""What is to be explained: the score of one class, for the whole image or for a part of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Target:
    """One output of a network.

    Attributes
    ----------
    output : int
        Index of the class among the network's outputs.
    where : torch.Tensor or None
        (H, W) bool, the pixels whose score counts, for networks that score every pixel. None: all.
    """

    output: int
    where: Tensor | None = None

    def scores(self, logits: Tensor) -> Tensor:
        """Return the score of every image, (N,), from logits (N, K) or (N, K, H, W): the mean over the pixels.

        Raises
        ------
        ValueError
            If the network has no such output.
        """
        if not 0 <= self.output < logits.shape[1]:
            raise ValueError(
                f"The network has {logits.shape[1]} outputs, counted from 0, so none of them is {self.output}."
            )
        chosen = logits[:, self.output]
        if chosen.ndim == 1:
            return chosen
        if self.where is None:
            return chosen.mean(dim=(1, 2))
        return chosen[:, self.where.to(chosen.device)].mean(dim=1)

    @torch.no_grad()
    def probability(self, net: nn.Module, images: Tensor, temperature: float = 1.0) -> float:
        """Return the mean probability of the class in images (N, C, H, W)."""
        probabilities = (net(images).float() / temperature).softmax(dim=1)
        return float(self.scores(probabilities).mean())
