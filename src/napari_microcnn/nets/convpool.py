"""A plain network of convolutions and poolings, the one to begin with."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from napari_microcnn.config import ClassifierConfig
from napari_microcnn.nets.inputs import check_images

MOST_FILTERS = 512
"""Where the doubling of the filters ends."""


def block(channels: int, filters: int, pooling: str) -> nn.Sequential:
    """One 3 x 3 convolution with batch normalisation and ReLU, and a pooling that halves height and width.

    Without pooling the convolution itself takes steps of two (Springenberg et al., 2015), so that
    networks with and without pooling have layers of the same sizes.
    """
    layers: list[nn.Module] = [
        nn.Conv2d(channels, filters, 3, stride=2 if pooling == "none" else 1, padding=1, bias=False),
        nn.BatchNorm2d(filters),
        nn.ReLU(),
    ]
    if pooling != "none":
        layers.append(nn.MaxPool2d(2) if pooling == "max" else nn.AvgPool2d(2))
    return nn.Sequential(*layers)


class ConvPool(nn.Module):
    """Blocks of convolution and pooling with 64-128-256-512 filters, and one dense layer.

    Parameters
    ----------
    config : ClassifierConfig
        Channels, classes, blocks, filters, pooling, head and dropout are used; side if the head
        is ``flatten``, which wires every position to the classes and so fixes the size.

    Examples
    --------
    >>> net = ConvPool(ClassifierConfig(blocks=3, filters=8, classes=4))
    >>> tuple(net(torch.zeros(2, 1, 40, 56)).shape)
    (2, 4)
    """

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        widths = [min(config.filters * 2**level, MOST_FILTERS) for level in range(config.blocks)]
        self.blocks = nn.Sequential(*(block(i, o, config.pooling) for i, o in pairwise([config.channels, *widths])))
        self.pool = nn.AdaptiveAvgPool2d(1) if config.head == "average" else nn.Identity()
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(widths[-1] * self._positions(), config.classes)

    def _positions(self) -> int:
        """Return how many positions of each map the dense layer sees."""
        if self.config.head == "average":
            return 1
        side = self.config.side
        for _ in range(self.config.blocks):
            side = (side + 1) // 2 if self.config.pooling == "none" else side // 2
        return side * side

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, (N, K), of images (N, C, H, W); ValueError if channels or size do not fit."""
        check_images(x.shape, self.config)
        x = self.flatten(self.pool(self.blocks(x)))
        logits: Tensor = self.head(self.dropout(x))
        return logits
