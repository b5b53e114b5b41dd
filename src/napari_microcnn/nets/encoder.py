"""The encoder of a U-Net as a classifier, so that what a segmenter has learnt serves again."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from napari_microcnn.config import ClassifierConfig
from napari_microcnn.nets.inputs import check_images
from napari_microcnn.nets.unet import convolutions


class EncoderClassifier(nn.Module):
    """Encoder and bottleneck of a U-Net, global average pooling and one dense layer.

    The layers `encoder` and `bottleneck` have the names and sizes of those of
    `napari_microcnn.nets.UNet` with ``width=config.filters`` and ``depth=config.blocks``.

    Parameters
    ----------
    config : ClassifierConfig
        Channels, classes, filters, blocks and dropout are used.

    Examples
    --------
    >>> net = EncoderClassifier(ClassifierConfig(architecture="unet-encoder", filters=4, blocks=2))
    >>> tuple(net(torch.zeros(3, 1, 32, 48)).shape)
    (3, 2)
    """

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.filters * 2**level for level in range(config.blocks + 1)]
        self.encoder = nn.ModuleList(convolutions(i, o) for i, o in pairwise([config.channels, *widths[:-1]]))
        self.pool = nn.MaxPool2d(2)
        self.bottleneck = convolutions(widths[-2], widths[-1])
        self.average = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(config.dropout)
        self.dense = nn.Linear(widths[-1], config.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, (N, K), of images (N, C, H, W); ValueError if channels or size do not fit."""
        check_images(x.shape, self.config)
        for block in self.encoder:
            x = self.pool(block(x))
        x = self.average(self.bottleneck(x))
        logits: Tensor = self.dense(self.dropout(self.flatten(x)))
        return logits
