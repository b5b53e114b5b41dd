"""What runs on the workers of a Dask cluster; see `napari_microcnn.predict.cluster`."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.config import SegmentConfig
from napari_microcnn.data.normalisation import IntensityLimits
from napari_microcnn.data.windows import Box
from napari_microcnn.device import available_memory, inference_precision, resolve_device
from napari_microcnn.models import Model, load_model
from napari_microcnn.predict.tiles import TilePredictor

R = TypeVar("R")


def describe(settings: str, wanted: str) -> dict[str, Any]:
    """Return the version of this package, and if it is the wanted one, what settings mean here."""
    here = version("napari-microcnn")
    if here != wanted:  # which may have other settings
        return {"version": here}
    config = SegmentConfig(**json.loads(settings))
    device = resolve_device(config.device)
    precision = str(inference_precision(device, config.precision)).removeprefix("torch.")
    return {"version": here, "device": device.type, "precision": precision, "memory": available_memory(device)}


def kept(content: bytes) -> bytes:
    """Return a model's file: as the result of a task, the cluster hands it from worker to worker."""
    return content


def with_predictor(function: Callable[..., R], content: bytes, sha: str, settings: str, *arguments: Any) -> R:
    """Call a function with the predictor of a model, which is loaded once."""
    with _LOADING:
        known = _KNOWN.get((sha, settings))
        if known is None:
            _KNOWN.clear()  # one model at a time: it may fill the card
            known = _KNOWN[sha, settings] = TilePredictor(_model_in(content), SegmentConfig(**json.loads(settings)))
    return function(known, *arguments)


def idle(predictor: TilePredictor) -> None:
    """Do nothing, with a predictor that is ready then."""


def look(predictor: TilePredictor, pixels: NDArray[Any], box: Box, limits: IntensityLimits) -> NDArray[np.float32]:
    """Return the probabilities, (K, H, W), of a box of pixels."""
    return np.ascontiguousarray(predictor.look(pixels, box, limits).transpose(2, 0, 1))


_KNOWN: dict[tuple[str, str], TilePredictor] = {}
_LOADING = threading.Lock()


def _model_in(content: bytes) -> Model:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.safetensors"
        file.write_bytes(content)
        return load_model(file)
