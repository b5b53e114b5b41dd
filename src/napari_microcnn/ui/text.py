"""Texts in the docks: headings, explanations, remaining times."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QLabel, QSizePolicy

QUIET_COLOUR = "#767d85"
"""Grey that is readable, but in the background, on both themes."""


def heading(text: str) -> QLabel:
    """Return a section title."""
    label = QLabel(text)
    label.setStyleSheet("font-weight: bold; margin-top: 4px;")
    return label


class Sentence(QLabel):
    """Text that wraps, and that a layout never cuts off."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def setText(self, text: str) -> None:  # noqa: N802 - Qt's name
        """Show another text; without text it takes no room."""
        super().setText(text)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Take the height that the text needs at this width."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        self.setMinimumHeight(self.heightForWidth(self.width()) if self.text() else 0)


def quiet(text: str = "") -> Sentence:
    """Return a line of explanation that stays in the background."""
    label = Sentence(text)
    label.setStyleSheet(f"color: {QUIET_COLOUR};")
    return label


def duration(seconds: float) -> str:
    """Return a remaining time for people.

    Examples
    --------
    >>> duration(8.2), duration(130)
    ('8 s left', '2 min 10 s left')
    """
    whole = max(0, round(seconds))
    return f"{whole} s left" if whole < 60 else f"{whole // 60} min {whole % 60} s left"
