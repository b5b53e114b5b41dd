"""A model in one file: safetensors weights with a JSON card inside their metadata."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from napari_microcnn.config import ClassifierConfig, ClassInfo, ObjectRule, Settings, UNetConfig
from napari_microcnn.data import IntensityLimits, normalisation
from napari_microcnn.device import resolve_device
from napari_microcnn.micrograph import Calibration
from napari_microcnn.models.classifier import Classifier
from napari_microcnn.models.model import Model, ModelError
from napari_microcnn.models.reference import Reference
from napari_microcnn.models.storage import (
    FORMAT_VERSION,
    PixelSize,
    filled,
    find_model,
    kind_of,
    read_model,
    validated,
    write_model,
)
from napari_microcnn.nets import UNet
from napari_microcnn.nets.classifiers import build_classifier


class _Architecture(UNetConfig):
    name: Literal["unet"] = "unet"


class _Card(Settings):
    """What a model file says about its weights."""

    format_version: int = Field(FORMAT_VERSION, ge=1)
    name: str
    architecture: _Architecture
    classes: tuple[ClassInfo, ...]
    objects: ObjectRule | None
    normalisation: str
    pixel_size: PixelSize | None
    typical_intercept: float | None
    orientations: int = Field(1, ge=1, le=8)
    overview: bool = False
    reference: Reference | None = None
    provenance: dict[str, Any]


class _Limits(Settings):
    centre: tuple[float, ...]
    scale: tuple[float, ...]


class _ClassifierCard(Settings):
    """What the file of a classifier says about its weights."""

    format_version: int = Field(FORMAT_VERSION, ge=1)
    kind: Literal["classifier"]
    name: str
    architecture: ClassifierConfig
    classes: tuple[ClassInfo, ...]
    normalisation: str
    limits: _Limits | None
    side: int = Field(ge=1, le=4096)
    magnification: float = Field(gt=0, le=20)
    flips: bool
    turns: bool
    temperature: float = Field(gt=0)
    tile_temperature: float = Field(gt=0)
    pixel_size: PixelSize | None
    provenance: dict[str, Any]


def save_model(model: Model, path: str | Path) -> Path:
    """Write a model to one ``.safetensors`` file, which appears complete or not at all.

    Parameters
    ----------
    model : Model
        May be on any device.
    path : str or Path
        The suffix ``.safetensors`` is added when the name has none.

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    ValueError
        If the file cannot be written there.
    """
    return write_model(path, _card(model), model.net)


def card_text(model: Model) -> str:
    """Return all that a model says about itself, as JSON, for files of other formats."""
    return _card(model).model_dump_json()


def model_from_card(path: Path, text: str, tensors: dict[str, Tensor]) -> Model:
    """Return the model that `card_text` described, with these weights; `path` is named when they do not fit.

    Raises
    ------
    ModelError
        If the description is damaged or the weights do not fit it.
    """
    return _model(path, validated(path, text, _Card), tensors, torch.device("cpu"))


def _card(model: Model) -> _Card:
    fields = {key: value for key, value in model.info().items() if key in _Card.model_fields}
    return _Card.model_validate({**fields, "reference": model.reference})


def save_classifier(classifier: Classifier, path: str | Path) -> Path:
    """Write a classifier to one ``.safetensors`` file; see `save_model`."""
    fields = {key: value for key, value in classifier.info().items() if key in _ClassifierCard.model_fields}
    return write_model(path, _ClassifierCard.model_validate(fields), classifier.net)


def load_model(name_or_path: str | Path, device: str | torch.device = "cpu") -> Model:
    """Open a shipped model by its name, or a saved one by its path.

    Only numbers and JSON are read: opening a model never runs code from it.

    Parameters
    ----------
    name_or_path : str or Path
        For example ``"grain-boundaries"`` or ``"steel.safetensors"``.
    device : str or torch.device
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``; need not be the one the model was trained on.

    Raises
    ------
    ModelError
        If there is no such model, the file is damaged or not one of this package's models, or it
        is a classifier.
    """
    path = find_model(name_or_path)
    if kind_of(path) == "classifier":
        raise ModelError(f"{path} is a classifier, which gives an image a class; use it with classify.")
    card, tensors = read_model(path, _Card)
    return _model(path, card, tensors, _device(device))


def _model(path: Path, card: _Card, tensors: dict[str, Tensor], device: torch.device) -> Model:
    _check_normalisation(path, card.normalisation)
    config = UNetConfig.model_validate(card.architecture.model_dump(exclude={"name"}))
    net = filled(path, lambda: UNet(config), tensors)
    return Model(
        net=net.to(device),
        classes=card.classes,
        objects=card.objects,
        pixel_size=_calibration(path, card.pixel_size),
        typical_intercept=card.typical_intercept,
        orientations=card.orientations,
        overview=card.overview,
        reference=card.reference,
        provenance=card.provenance,
        name=card.name,
    )


def load_classifier(path: str | Path, device: str | torch.device = "cpu") -> Classifier:
    """Open a saved classifier; see `load_model`.

    Raises
    ------
    ModelError
        If there is no such file, it is damaged, or holds a segmenter.
    """
    path = find_model(path)
    if kind_of(path) != "classifier":
        raise ModelError(f"{path} is a segmenter, which gives every pixel a class; use it with segment.")
    card, tensors = read_model(path, _ClassifierCard)
    _check_normalisation(path, card.normalisation)
    known = card.limits
    net = filled(path, lambda: build_classifier(card.architecture), tensors)
    return Classifier(
        net=net.to(_device(device)),
        classes=card.classes,
        side=card.side,
        magnification=card.magnification,
        limits=IntensityLimits(np.array(known.centre), np.array(known.scale)) if known else None,
        flips=card.flips,
        turns=card.turns,
        temperature=card.temperature,
        tile_temperature=card.tile_temperature,
        pixel_size=_calibration(path, card.pixel_size),
        provenance=card.provenance,
        name=card.name,
    )


def open_model(name_or_path: str | Path, device: str | torch.device = "cpu") -> Model | Classifier:
    """Open a segmenter or a classifier, whatever the file holds.

    Raises
    ------
    ModelError
        If there is no such model, or the file is damaged or not one of this package's models.
    """
    path = find_model(name_or_path)
    return load_classifier(path, device) if kind_of(path) == "classifier" else load_model(path, device)


def _device(device: str | torch.device) -> torch.device:
    return resolve_device(device) if isinstance(device, str) else device


def _calibration(path: Path, size: PixelSize | None) -> Calibration | None:
    try:
        return Calibration((size.y, size.x), size.unit, size.source) if size else None
    except ValueError as error:
        raise ModelError(f"The pixel size inside the model {path} makes no sense: {error}") from error


def _check_normalisation(path: Path, scheme: str) -> None:
    if scheme not in (normalisation.SCHEME, normalisation.COMMON):
        raise ModelError(f"The model {path} needs another normalisation of grey values: {scheme}.")
