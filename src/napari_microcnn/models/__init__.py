"""A network with all that is needed to use it again."""

from __future__ import annotations

from napari_microcnn.models.classifier import Classifier
from napari_microcnn.models.files import load_classifier, load_model, open_model, save_classifier, save_model
from napari_microcnn.models.model import Model, ModelError
from napari_microcnn.models.shipped import shipped_models

__all__ = [
    "Classifier",
    "Model",
    "ModelError",
    "load_classifier",
    "load_model",
    "open_model",
    "save_classifier",
    "save_model",
    "shipped_models",
]
