"""Residual networks (He, Zhang, Ren and Sun, 2016), and the same without skip connections."""

from __future__ import annotations

from torch import Tensor, nn

from napari_microcnn.config import ClassifierConfig
from napari_microcnn.nets.inputs import check_images

STAGES = {
    "resnet18": (2, 2, 2, 2),
    "resnet34": (3, 4, 6, 3),
    "resnet50": (3, 4, 6, 3),
    "resnet101": (3, 4, 23, 3),
    "resnet152": (3, 8, 36, 3),
    "resnet56": (9, 9, 9),
}
"""Blocks in every stage (He et al., 2016, table 1; 56 layers: section 4.2)."""

BOTTLENECKS = ("resnet50", "resnet101", "resnet152")


class Block(nn.Module):
    """Convolutions whose result is added to what came in: y = relu(f(x) + x).

    The gradient of y reaches x through the sum undiminished, however deep the network is. Two
    3 x 3 convolutions, or a bottleneck of 1 x 1, 3 x 3 and 1 x 1 with four times the filters at
    the end. Where height, width or filters change, a 1 x 1 convolution fits x to the sum.

    Parameters
    ----------
    channels, filters : int
        Channels in; filters of the 3 x 3 convolutions.
    stride : int
        Step of the first 3 x 3 convolution.
    bottleneck, skips : bool
        Without skips there is no sum: y = relu(f(x)).
    """

    def __init__(self, channels: int, filters: int, stride: int, *, bottleneck: bool, skips: bool) -> None:
        super().__init__()
        out = 4 * filters if bottleneck else filters
        self.conv1 = nn.Conv2d(channels, filters, 1, bias=False) if bottleneck else three(channels, filters, stride)
        self.bn1 = nn.BatchNorm2d(filters)
        self.relu1 = nn.ReLU()
        self.conv2 = three(filters, filters, stride if bottleneck else 1)
        self.bn2 = nn.BatchNorm2d(filters)
        self.relu2 = nn.ReLU()
        if bottleneck:
            self.conv3 = nn.Conv2d(filters, out, 1, bias=False)
            self.bn3 = nn.BatchNorm2d(out)
            self.relu3 = nn.ReLU()
        self.bottleneck, self.skips = bottleneck, skips
        self.downsample = None
        if skips and (stride > 1 or channels != out):
            self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (N, F, H / stride, W / stride) of maps (N, C, H, W)."""
        y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        last = self.relu2
        if self.bottleneck:
            y, last = self.bn3(self.conv3(self.relu2(y))), self.relu3
        if self.skips:
            y = y + (x if self.downsample is None else self.downsample(x))
        result: Tensor = last(y)
        return result


class ResNet(nn.Module):
    """A stem, stages of residual blocks, global average pooling and one dense layer.

    Layers are named and sized as torchvision's and timm's, so that their weights fit (stride in
    the 3 x 3 convolution of bottlenecks). ``resnet56`` is the one for small images (section 4.2 of
    the paper): a stem that keeps the size and three stages of 16, 32 and 64 filters.

    Parameters
    ----------
    config : ClassifierConfig
        Architecture, channels, classes, dropout (before the dense layer) and skips are used.

    Examples
    --------
    >>> net = ResNet(ClassifierConfig(architecture="resnet18", classes=4))
    >>> tuple(net(torch.zeros(2, 1, 64, 96)).shape)
    (2, 4)
    """

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        small = config.architecture == "resnet56"
        channels = width = 16 if small else 64
        if small:
            self.conv1 = three(config.channels, width, 1)
        else:
            self.conv1 = nn.Conv2d(config.channels, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, stride=2, padding=1)
        bottleneck = config.architecture in BOTTLENECKS
        self.stages = [f"layer{number}" for number in range(1, len(STAGES[config.architecture]) + 1)]
        for stage, (name, count) in enumerate(zip(self.stages, STAGES[config.architecture], strict=True)):
            blocks = []
            for index in range(count):
                stride = 2 if stage and not index else 1
                blocks.append(Block(channels, width, stride, bottleneck=bottleneck, skips=config.skips))
                channels = 4 * width if bottleneck else width
            self.add_module(name, nn.Sequential(*blocks))
            width *= 2
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(config.dropout)
        self.fc = nn.Linear(channels, config.classes)
        self._initialise()

    def _initialise(self) -> None:
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):  # He et al., 2015: keeps the spread of gradients from layer to layer
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, (N, K), of images (N, C, H, W) of any size; ValueError if channels do not fit."""
        check_images(x.shape, self.config)
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for name in self.stages:
            x = self.get_submodule(name)(x)
        logits: Tensor = self.fc(self.dropout(self.flatten(self.avgpool(x))))
        return logits


def three(channels: int, filters: int, stride: int) -> nn.Conv2d:
    """Return a padded 3 x 3 convolution; its bias is left to the batch normalisation that follows."""
    return nn.Conv2d(channels, filters, 3, stride=stride, padding=1, bias=False)
