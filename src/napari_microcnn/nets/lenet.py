"""LeNet-5 (LeCun, Bottou, Bengio and Haffner, 1998)."""

from __future__ import annotations

from torch import Tensor, nn

from napari_microcnn.config import ClassifierConfig
from napari_microcnn.nets.inputs import check_images


class LeNet(nn.Module):
    """Two convolutions with average pooling and three dense layers, with tanh throughout.

    As it is taught today: every map of the second convolution sees all six maps of the first, the
    pooling has no weights, and the last layer is dense. On 32 x 32 pixels, one channel and ten
    classes it has 61,706 parameters.

    Parameters
    ----------
    config : ClassifierConfig
        Channels, classes, side and dropout are used; 32 is the side of the paper.

    Examples
    --------
    >>> net = LeNet(ClassifierConfig(architecture="lenet", side=32, classes=10))
    >>> tuple(net(torch.zeros(5, 1, 32, 32)).shape)
    (5, 10)
    """

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        left = ((config.side - 4) // 2 - 4) // 2  # after both convolutions and poolings; 5 of 32
        self.features = nn.Sequential(
            nn.Conv2d(config.channels, 6, 5),
            nn.Tanh(),
            nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.Tanh(),
            nn.AvgPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(16 * left * left, 120),
            nn.Tanh(),
            nn.Linear(120, 84),
            nn.Tanh(),
            nn.Dropout(config.dropout),
            nn.Linear(84, config.classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, (N, K), of images (N, C, side, side); ValueError for any other shape."""
        check_images(x.shape, self.config)
        logits: Tensor = self.classifier(self.features(x))
        return logits
