"""A model in one file: safetensors weights with a JSON card inside their metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import safetensors
import torch
from pydantic import Field, ValidationError
from safetensors.torch import save

from napari_microcnn.config import ClassInfo, ObjectRule, Settings, UNetConfig
from napari_microcnn.data import normalisation
from napari_microcnn.device import resolve_device
from napari_microcnn.micrograph import Calibration
from napari_microcnn.models.model import Model, ModelError
from napari_microcnn.models.shipped import shipped_models
from napari_microcnn.nets import UNet

FORMAT_VERSION = 1
_KEY = "napari-microcnn"


class _Architecture(UNetConfig):
    name: Literal["unet"] = "unet"


class _PixelSize(Settings):
    y: float
    x: float
    unit: str
    source: str


class _Card(Settings):
    """What a model file says about its weights."""

    format_version: int = Field(FORMAT_VERSION, ge=1)
    name: str
    architecture: _Architecture
    classes: tuple[ClassInfo, ...]
    objects: ObjectRule | None
    normalisation: str
    pixel_size: _PixelSize | None
    typical_intercept: float | None
    orientations: int = Field(1, ge=1, le=8)
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
    from napari_microcnn.io.atomic import replacing  # the one import from io: tifffile is slow to import

    path = Path(path)
    path = path if path.suffix else path.with_suffix(".safetensors")
    fields = {key: value for key, value in model.info().items() if key in _Card.model_fields}
    card = _Card.model_validate(fields)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.net.state_dict().items()}
    content = save(tensors, metadata={_KEY: card.model_dump_json()})
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return path


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
        If there is no such model, or the file is damaged or not one of this package's models.
    """
    path = _find(name_or_path)
    card, tensors = _read(path)
    net = _build(path, card, tensors)
    try:
        size = card.pixel_size
        calibration = Calibration((size.y, size.x), size.unit, size.source) if size else None
    except ValueError as error:
        raise ModelError(f"The pixel size inside the model {path} makes no sense: {error}") from error
    return Model(
        net=net.to(resolve_device(device) if isinstance(device, str) else device),
        classes=card.classes,
        objects=card.objects,
        pixel_size=calibration,
        typical_intercept=card.typical_intercept,
        orientations=card.orientations,
        provenance=card.provenance,
        name=card.name,
    )


def _find(name_or_path: str | Path) -> Path:
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


def _read(path: Path) -> tuple[_Card, dict[str, torch.Tensor]]:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if _KEY not in metadata:
                raise ModelError(f"{path} holds weights, but not those of a model of this package.")
            card = _parse_card(path, metadata[_KEY])
            return card, {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, OSError) as error:
        raise ModelError(f"{path} is not a model file, or is damaged ({error}).") from error


def _parse_card(path: Path, text: str) -> _Card:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ModelError(f"The description inside the model {path} is damaged ({error}).") from error
    version = content.get("format_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise ModelError(f"The model {path} was saved by a newer version of napari-microcnn; update the package.")
    try:
        card = _Card.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "all of it"
        raise ModelError(f"The description inside the model {path} is damaged at {where}: {first['msg']}.") from error
    if card.normalisation != normalisation.SCHEME:
        raise ModelError(f"The model {path} needs another normalisation of grey values: {card.normalisation}.")
    return card


def _build(path: Path, card: _Card, tensors: dict[str, torch.Tensor]) -> UNet:
    config = UNetConfig.model_validate(card.architecture.model_dump(exclude={"name"}))
    with torch.device("meta"):  # shapes only: a damaged card must not make us allocate gigabytes
        net = UNet(config)
    expected = {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in net.state_dict().items()}
    found = {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()}
    wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if wrong:
        raise ModelError(
            f"The weights in {path} do not fit its description: {wrong[0]} is missing, unknown or misshapen."
        )
    net.load_state_dict(tensors, assign=True)
    return net.eval().requires_grad_(False)
