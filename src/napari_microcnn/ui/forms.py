"""Forms derived from settings: label, bounds, default and tooltip come from `config`."""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Sequence
from typing import Any, Generic, Literal, TypeVar, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt import QLabeledDoubleSlider, QLabeledSlider

from napari_microcnn.config import Settings

S = TypeVar("S", bound=Settings)

_UNSET_TEXT = {"minutes": "no limit", "epochs": "no limit"}
_FLAT = "QPushButton { background: transparent; font-weight: bold; text-align: left; padding: 3px 0; }"
_LARGEST = 2**31 - 1
_FINE = 10.0
"""Fractions up to here are set in small steps."""
_WIDEST_SLIDER = 1000
"""Whole numbers with a wider range get a spin box."""


class SettingsForm(QWidget, Generic[S]):
    """Widgets for some settings of one model of settings.

    Parameters
    ----------
    kind : type of Settings
    fields : sequence of str
        What to show, in this order.
    start : Settings, optional
        Values at the start, also of the settings that are not shown.
    sliders : bool
        Whether numbers with two bounds get a slider.

    Attributes
    ----------
    changed : Signal()
        Emitted when the user changed a value.
    """

    changed = Signal()

    def __init__(self, kind: type[S], fields: Sequence[str], *, start: S | None = None, sliders: bool = False) -> None:
        super().__init__()
        self._start = start or kind()
        self._widgets: dict[str, QWidget] = {}
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        layout.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        for name in fields:
            field = kind.model_fields[name]
            widget = _widget_for(name, field, sliders)
            widget.setToolTip(f"{field.description}.")
            widget.setObjectName(name)
            layout.addRow(name.replace("_", " ").capitalize(), widget)
            layout.labelForField(widget).setToolTip(widget.toolTip())
            self._widgets[name] = widget
        self.set_value(self._start)
        for widget in self._widgets.values():
            _change_signal(widget).connect(lambda *_: self.changed.emit())

    def value(self) -> S:
        """Return the settings as shown.

        Raises
        ------
        ValueError
            If a text is not allowed (numbers cannot leave their bounds), or settings do not fit each other.
        """
        shown = {name: _read(widget) for name, widget in self._widgets.items()}
        try:
            return type(self._start).model_validate({**self._start.model_dump(), **shown})
        except ValidationError as error:
            first = error.errors()[0]
            names = "".join(f"{name}: ".replace("_", " ").capitalize() for name in first["loc"])
            raise ValueError(f"{names}{first['msg'].removeprefix('Value error, ')}") from None

    def set_value(self, value: S) -> None:
        """Show these settings; those that have no widget are remembered."""
        self._start = value
        for name, widget in self._widgets.items():
            widget.blockSignals(True)
            _write(widget, getattr(value, name))
            widget.blockSignals(False)

    def widget(self, name: str) -> QWidget:
        """Return the widget of one setting."""
        return self._widgets[name]


class Folded(QWidget):
    """A section that is closed until its title is clicked.

    Parameters
    ----------
    title : str
    *contents : QWidget
    opened : bool
    """

    def __init__(self, title: str, *contents: QWidget, opened: bool = False) -> None:
        super().__init__()
        self._title = title
        self._button = QPushButton()
        self._button.setStyleSheet(_FLAT)
        self._inside = QWidget()
        inside = QVBoxLayout(self._inside)
        inside.setContentsMargins(10, 0, 0, 4)
        for widget in contents:
            inside.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self._button)
        layout.addWidget(self._inside)
        self._button.clicked.connect(lambda: self.set_open(self._inside.isHidden()))
        self.set_open(opened)

    def set_open(self, opened: bool) -> None:
        """Show or hide the contents."""
        self._inside.setVisible(opened)
        self._button.setText(f"{'▾' if opened else '▸'}  {self._title}")


class _OptionalSpin(QDoubleSpinBox):
    """A number, or at its lower end a word for "not set"."""

    def __init__(self, low: float, high: float, whole: bool, word: str) -> None:
        super().__init__()
        self._whole = whole
        step = 1.0 if whole else 0.05 if high <= _FINE else 0.5
        self.setDecimals(0 if whole else 2)
        self.setSingleStep(step)
        self.setRange(low - step if whole or low >= step else 0.0, high)
        self.setSpecialValueText(word)

    @property
    def optional_value(self) -> float | int | None:
        if self.value() <= self.minimum():
            return None
        return int(self.value()) if self._whole else self.value()

    @optional_value.setter
    def optional_value(self, value: float | None) -> None:
        self.setValue(self.minimum() if value is None else value)


def _widget_for(name: str, field: FieldInfo, sliders: bool) -> QWidget:
    kind, optional = _without_none(field.annotation)
    if get_origin(kind) is Literal:
        combo = QComboBox()
        combo.addItems([str(choice) for choice in get_args(kind)])
        return combo
    if kind is bool:
        return QCheckBox()
    if kind in (int, float):
        low, high = _bounds(field)
        if optional:
            return _OptionalSpin(low, high, kind is int, _UNSET_TEXT.get(name, "auto"))
        if sliders and (kind is float or high - low <= _WIDEST_SLIDER):
            return _slider(kind, low, high)
        return _spin(kind, low, high)
    return QLineEdit()


def _slider(kind: type, low: float, high: float) -> QWidget:
    slider = (QLabeledSlider if kind is int else QLabeledDoubleSlider)(Qt.Orientation.Horizontal)
    slider.setRange(kind(low), kind(high))
    if kind is float:
        slider.setDecimals(2)
        slider.setSingleStep((high - low) / 100)
    return slider


def _spin(kind: type, low: float, high: float) -> QWidget:
    if kind is int:
        spin: QSpinBox | QDoubleSpinBox = QSpinBox()
        spin.setRange(int(low), int(min(high, _LARGEST)))
        return spin
    spin = QDoubleSpinBox()
    spin.setDecimals(4)
    spin.setSingleStep(10.0 ** math.floor(math.log10(high)) / 10)
    spin.setRange(low, high)
    return spin


def _bounds(field: FieldInfo) -> tuple[float, float]:
    """Return the smallest and the largest allowed value."""
    low, high = 0.0, float(_LARGEST)
    for rule in field.metadata:
        low = getattr(rule, "ge", low)
        low = rule.gt + 1e-4 if hasattr(rule, "gt") else low
        high = getattr(rule, "le", high)
    return low, high


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) in (types.UnionType, Union):
        kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
        return kinds[0], len(kinds) < len(get_args(annotation))
    return annotation, False


def _change_signal(widget: QWidget) -> Any:
    for name in ("valueChanged", "currentTextChanged", "toggled", "textChanged"):
        if hasattr(widget, name):
            return getattr(widget, name)
    raise TypeError(f"A form has no use for {type(widget).__name__}.")


def _read(widget: QWidget) -> Any:
    if isinstance(widget, _OptionalSpin):
        return widget.optional_value
    if isinstance(widget, QComboBox):
        return widget.currentText()
    if isinstance(widget, QCheckBox):
        return widget.isChecked()
    return widget.text() if isinstance(widget, QLineEdit) else widget.value()


def _write(widget: QWidget, value: Any) -> None:
    writers: dict[type, Callable[[Any, Any], None]] = {
        _OptionalSpin: lambda w, v: setattr(w, "optional_value", v),
        QComboBox: lambda w, v: w.setCurrentText(str(v)),
        QCheckBox: lambda w, v: w.setChecked(v),
        QLineEdit: lambda w, v: w.setText("" if v is None else str(v)),
    }
    for kind, write in writers.items():
        if isinstance(widget, kind):
            write(widget, value)
            return
    widget.setValue(value)
