"""A network with all that is needed to use it again."""

from __future__ import annotations

from napari_microcnn.models.files import load_model, save_model
from napari_microcnn.models.model import Model, ModelError
from napari_microcnn.models.shipped import shipped_models

__all__ = ["Model", "ModelError", "load_model", "save_model", "shipped_models"]
