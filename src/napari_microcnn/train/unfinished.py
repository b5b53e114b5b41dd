"""Trainings that were interrupted, even killed: their best model waits in a file of its own, and they go on from it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

import napari_microcnn
from napari_microcnn.data import Annotated
from napari_microcnn.data.collections import ClassifiedImage
from napari_microcnn.events import Reached
from napari_microcnn.models import Classifier, Model, ModelError, open_model, save_classifier, save_model

AnyModel = TypeVar("AnyModel", Model, Classifier)

_KEY, _MARK, _ROWS = "unfinished", "interrupted_after_epochs", 1024


@dataclass(frozen=True, eq=False)
class Interrupted(Generic[AnyModel]):
    """An interrupted training.

    Attributes
    ----------
    model : Model or Classifier
        The best one.
    reached : Reached
        Where the training had it.
    score : str
        Its score, in words.
    """

    model: AnyModel
    reached: Reached
    score: str


class Unfinished:
    """The best model of a training that is not over, in a file of its own beside the one that it will be.

    Parameters
    ----------
    output : Path
        Where the finished model shall be.
    training : str
        What is trained, see `training_id`: only the same training goes on.

    Attributes
    ----------
    path : Path
        A model like any other that can be used as it is.
    interrupted : Interrupted or None
        The same training, if one was interrupted.
    notice : str
        What was found, for the user; empty if there was nothing.
    """

    def __init__(self, output: Path, training: str) -> None:
        self.path = output.with_name(f"{output.stem}.unfinished.safetensors")
        self.interrupted: Interrupted[Any] | None = None
        self.notice = ""
        self._training, self._epochs = training, list[int]()
        if self.path.is_file():
            self._open()

    def _open(self) -> None:
        try:
            model = open_model(self.path)
            told = model.provenance.get(_KEY, {})
            reached = TypeAdapter(Reached).validate_python(told.get("reached"))
        except (ModelError, ValidationError, AttributeError):
            told = {}
        if told.get("training") != self._training:
            self.notice = f"{self.path} is of another training and will be replaced by the first model of this one."
            return
        about = {key: value for key, value in model.provenance.items() if key != _KEY}
        self.interrupted = Interrupted(replace(model, provenance=about), reached, str(told.get("score")))
        self._epochs = [*told.get(_MARK, []), reached.epoch]
        self.notice = (
            f"Going on from epoch {reached.epoch} of an interrupted training; delete {self.path} to begin anew."
        )

    @property
    def epoch(self) -> int:
        """From which epoch the training goes on; 0 if it begins."""
        return self._epochs[-1] if self._epochs else 0

    def save(self, model: Model | Classifier, reached: Reached, score: str) -> None:
        """Write the best model so far.

        Raises
        ------
        ValueError
            If it cannot be written.
        """
        told = {"training": self._training, "reached": asdict(reached), "score": score, _MARK: self._epochs}
        about = {**model.provenance, _KEY: told}
        save_any(replace(model, provenance=about), self.path)

    def marked(self, model: Model | Classifier) -> Model | Classifier:
        """Return a model that says after which epochs its training was interrupted: it cannot be repeated exactly."""
        if not self._epochs:
            return model
        return replace(model, provenance={**model.provenance, _MARK: self._epochs})

    def remove(self) -> None:
        """Remove the file; the model is in its place."""
        self.path.unlink(missing_ok=True)


def save_any(model: Model | Classifier, path: Path) -> Path:
    """Write a segmenter or a classifier; see `save_model`."""
    return save_model(model, path) if isinstance(model, Model) else save_classifier(model, path)


def training_id(*about: object, data: Iterable[Annotated | ClassifiedImage] = ()) -> str:
    """Return a fingerprint of what is trained: the same for the same settings and inputs.

    Parameters
    ----------
    *about
        Settings and whatever else shapes the training; told apart by their `repr`.
    data : iterable of Annotated or ClassifiedImage
        What is learnt from; lazy pixels are read in strips.
    """
    digest = hashlib.sha256(repr((napari_microcnn.__version__, *about)).encode())
    for value in (value for entry in data for value in vars(entry).values()):
        if not hasattr(value, "shape"):
            digest.update(f"{value!r};".encode())
            continue
        digest.update(f"{value.shape} {value.dtype};".encode())
        for start in range(0, value.shape[0], _ROWS):
            digest.update(np.ascontiguousarray(value[start : start + _ROWS]).tobytes())
    return digest.hexdigest()
