"""Small grey pictures in lists and menus."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import QListView, QListWidget, QListWidgetItem, QSizePolicy

SIDE = 56


def icon(picture: np.ndarray, side: int = SIDE) -> QIcon:
    """Return a picture, (h, w) or (h, w, 3) uint8, as an icon of at most so many pixels; single pixels stay sharp."""
    small = np.ascontiguousarray(picture)
    kind = QImage.Format.Format_Grayscale8 if small.ndim == 2 else QImage.Format.Format_RGB888
    image = QImage(small.data, small.shape[1], small.shape[0], small.strides[0], kind).copy()
    return QIcon(QPixmap.fromImage(image).scaled(side, side, Qt.AspectRatioMode.KeepAspectRatio))


class Gallery(QListWidget):
    """Pictures in rows that scroll.

    Attributes
    ----------
    picked : Signal(int)
        Emitted with the index of the picture that was clicked.
    """

    picked = Signal(int)

    def __init__(self, height: int) -> None:
        super().__init__()
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setIconSize(QSize(SIDE, SIDE))
        self.setGridSize(QSize(SIDE + 6, SIDE + 20))
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setFixedHeight(height)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.itemClicked.connect(lambda item: self.picked.emit(self.row(item)))

    def show_pictures(self, pictures: np.ndarray | Sequence[np.ndarray]) -> None:
        """Show other pictures, numbered from 0."""
        self.clear()
        for number, picture in enumerate(pictures):
            self.addItem(QListWidgetItem(icon(picture), str(number)))
