"""From settings to a network that classifies."""

from __future__ import annotations

from torch import nn

from napari_microcnn.config import ClassifierConfig
from napari_microcnn.nets.alexnet import AlexNet
from napari_microcnn.nets.convpool import ConvPool
from napari_microcnn.nets.encoder import EncoderClassifier
from napari_microcnn.nets.lenet import LeNet
from napari_microcnn.nets.mlp import MLP
from napari_microcnn.nets.resnet import ResNet


def build_classifier(config: ClassifierConfig) -> nn.Module:
    """Return a new network, (N, C, H, W) to logits (N, K), with random weights and its settings as `config`.

    Under ``torch.device("meta")`` it has shapes but no weights, which is all that counting needs.

    Examples
    --------
    >>> net = build_classifier(ClassifierConfig(architecture="lenet", side=32, classes=10))
    >>> sum(weights.numel() for weights in net.parameters())
    61706
    """
    match config.architecture:
        case "mlp":
            return MLP(config)
        case "lenet":
            return LeNet(config)
        case "alexnet":
            return AlexNet(config)
        case "conv-pool":
            return ConvPool(config)
        case "unet-encoder":
            return EncoderClassifier(config)
        case _:
            return ResNet(config)
