"""AlexNet (Krizhevsky, Sutskever and Hinton, 2012), in the one-column form of Krizhevsky, 2014."""

from __future__ import annotations

from torch import Tensor, nn

from napari_microcnn.config import ClassifierConfig
from napari_microcnn.nets.inputs import check_images


class AlexNet(nn.Module):
    """Five convolutions and three dense layers, with ReLU, overlapping max pooling and dropout.

    Layers are named and sized as torchvision's, so that its weights fit. The adaptive pooling
    before the dense layers lets images of any size from 63 x 63 pixels in. With three channels
    and 1,000 classes it has 61,100,840 parameters.

    Parameters
    ----------
    config : ClassifierConfig
        Channels, classes and dropout are used.

    Examples
    --------
    >>> net = AlexNet(ClassifierConfig(architecture="alexnet", channels=3, classes=10)).eval()
    >>> tuple(net(torch.zeros(1, 3, 224, 224)).shape)
    (1, 10)
    """

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        self.features = nn.Sequential(
            nn.Conv2d(config.channels, 64, 11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.flatten = nn.Flatten()
        self.classifier = nn.Sequential(
            nn.Dropout(config.dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Linear(4096, config.classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, (N, K), of images (N, C, H, W); ValueError if channels or size do not fit."""
        check_images(x.shape, self.config)
        x = self.avgpool(self.features(x))  # (N, 256, 6, 6)
        logits: Tensor = self.classifier(self.flatten(x))
        return logits
