"""Multilayer perceptron: every pixel is wired to every neuron of one hidden layer."""

from __future__ import annotations

from torch import Tensor, nn

from napari_microcnn.config import ClassifierConfig
from napari_microcnn.nets.inputs import check_images


class MLP(nn.Module):
    """The baseline that explodes: the first layer has a weight for every pixel and hidden neuron.

    On 64 x 64 pixels and 512 neurons these are 2,097,152 weights, on 1024 x 1024 they are 536,870,912.

    Parameters
    ----------
    config : ClassifierConfig
        Channels, classes, side, hidden and dropout are used.

    Examples
    --------
    >>> net = MLP(ClassifierConfig(architecture="mlp", side=8, classes=3))
    >>> tuple(net(torch.zeros(5, 1, 8, 8)).shape)
    (5, 3)
    """

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        self.flatten = nn.Flatten()
        self.hidden = nn.Linear(config.channels * config.side**2, config.hidden)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.hidden, config.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, (N, K), of images (N, C, side, side); ValueError for any other shape."""
        check_images(x.shape, self.config)
        x = self.relu(self.hidden(self.flatten(x)))  # (N, hidden)
        logits: Tensor = self.head(self.dropout(x))
        return logits
