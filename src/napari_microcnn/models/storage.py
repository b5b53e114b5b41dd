"""Weights and a JSON card in one safetensors file: what all kinds of models share on disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import safetensors
import torch
from pydantic import ValidationError
from safetensors.torch import save
from torch import Tensor, nn

from napari_microcnn.config import Settings
from napari_microcnn.models.model import ModelError
from napari_microcnn.models.shipped import shipped_models

FORMAT_VERSION = 1
_KEY = "napari-microcnn"

Card = TypeVar("Card", bound=Settings)
Net = TypeVar("Net", bound=nn.Module)


class PixelSize(Settings):
    """Size of a pixel in the training images."""

    y: float
    x: float
    unit: str
    source: str


def write_model(path: str | Path, card: Settings, net: nn.Module) -> Path:
    """Write a card and the weights of a network; returns the file, which appears complete or not at all."""
    from napari_microcnn.io.atomic import replacing  # the one import from io: tifffile is slow to import

    path = Path(path)
    path = path if path.suffix else path.with_suffix(".safetensors")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    content = save(tensors, metadata={_KEY: card.model_dump_json()})
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return path


def find_model(name_or_path: str | Path) -> Path:
    """Return the file of a shipped model or of a saved one.

    Raises
    ------
    ModelError
        If there is none.
    """
    shipped = shipped_models()
    if str(name_or_path) in shipped:
        return shipped[str(name_or_path)]
    path = Path(name_or_path)
    if path.is_dir():
        raise ModelError(f"{path} is a folder; give the .safetensors file of a model.")
    if not path.is_file():
        names = ", ".join(shipped) or "none"
        raise ModelError(f"There is no model {str(name_or_path)!r}: no such file, and the shipped models are: {names}.")
    return path


def kind_of(path: Path) -> str:
    """Return what a model file is: ``"segmenter"`` or ``"classifier"``.

    Raises
    ------
    ModelError
        If the file is damaged or not a model of this package.
    """
    content, _ = _read(path, weights=False)
    return "classifier" if content.get("kind") == "classifier" else "segmenter"


def read_model(path: Path, card: type[Card]) -> tuple[Card, dict[str, Tensor]]:
    """Return what a model file says about its weights, and the weights.

    Raises
    ------
    ModelError
        If the file is damaged or not a model of this package.
    """
    content, tensors = _read(path, weights=True)
    return _validated(path, content, card), tensors


def validated(path: Path, text: str, card: type[Card]) -> Card:
    """Return a card from its JSON, wherever in the file `path` that was.

    Raises
    ------
    ModelError
        If it is damaged.
    """
    return _validated(path, _parse(path, text), card)


def _validated(path: Path, content: dict[str, Any], card: type[Card]) -> Card:
    try:
        return card.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "all of it"
        raise ModelError(f"The description inside the model {path} is damaged at {where}: {first['msg']}.") from error


def filled(path: Path, build: Callable[[], Net], tensors: dict[str, Tensor]) -> Net:
    """Return a network with these weights, ready to predict.

    Raises
    ------
    ModelError
        If they do not fit it.
    """
    with torch.device("meta"):  # shapes only: a damaged card must not make us allocate gigabytes
        net = build()
    expected = {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in net.state_dict().items()}
    found = {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()}
    wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if wrong:
        raise ModelError(
            f"The weights in {path} do not fit its description: {wrong[0]} is missing, unknown or misshapen."
        )
    net.load_state_dict(tensors, assign=True)
    return net.eval().requires_grad_(False)


def _read(path: Path, *, weights: bool) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if _KEY not in metadata:
                raise ModelError(f"{path} holds weights, but not those of a model of this package.")
            content = _parse(path, metadata[_KEY])
            names = list(file.keys()) if weights else []
            return content, {name: file.get_tensor(name).clone() for name in names}
    except (safetensors.SafetensorError, OSError) as error:
        raise ModelError(f"{path} is not a model file, or is damaged ({error}).") from error


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"The description inside the model {path} is damaged ({error}).") from error
    if not isinstance(content, dict):
        raise ModelError(f"The description inside the model {path} is damaged: it is no JSON object.")
    version = content.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise ModelError(f"The model {path} was saved by a newer version of napari-microcnn; update the package.")
    return content
