"""The part of a dock that scrolls."""

from __future__ import annotations

from qtpy.QtCore import QSize
from qtpy.QtWidgets import QScrollArea


class VerticalScroll(QScrollArea):
    """A scroll area that is never narrower than what it shows."""

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the width of the contents and of the scroll bar."""
        bar = self.verticalScrollBar().sizeHint().width()
        return QSize(self.widget().minimumSizeHint().width() + bar, super().minimumSizeHint().height())
