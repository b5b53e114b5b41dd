"""Which machines compute: a part of the Segment dock."""

from __future__ import annotations

from qtpy.QtWidgets import QFormLayout, QLineEdit, QWidget

from napari_microcnn.ui.text import quiet

_HINT = "The workers of a Dask cluster compute, with the same result. Empty: this machine."


class ClusterSection(QWidget):
    """Address of a scheduler, and the resource that its workers must offer."""

    def __init__(self) -> None:
        super().__init__()
        self.scheduler, self.tag = QLineEdit(), QLineEdit()
        self.scheduler.setPlaceholderText("this machine")
        self.scheduler.setToolTip("Address of a Dask scheduler, as it prints it: tcp://192.168.1.5:8786")
        self.tag.setPlaceholderText("any worker")
        self.tag.setToolTip("Resource that workers must offer, such as GPU")
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow(quiet(_HINT))
        form.addRow("Scheduler", self.scheduler)
        form.addRow("Resource", self.tag)

    @property
    def settings(self) -> dict[str, str | None]:
        """Settings of `SegmentConfig`."""
        return {"scheduler": self.scheduler.text().strip() or None, "tag": self.tag.text().strip() or None}
