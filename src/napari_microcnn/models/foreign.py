"""Weights that other programs have saved: state dicts of torchvision, timm, MicroNet and the like."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from napari_microcnn.config import ClassifierConfig
from napari_microcnn.io.errors import DAMAGED
from napari_microcnn.models.model import ModelError
from napari_microcnn.nets.classifiers import build_classifier

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "weights")
"""Under which names checkpoints keep their state dict beside the epoch and the optimiser."""


def read_weights(path: str | Path, config: ClassifierConfig) -> dict[str, Tensor]:
    """Return the weights in a file under the names that they have in our network.

    Residual networks and AlexNet have torchvision's names (timm's are the same), so what has to be
    found is where they begin: ``module.`` after training on several GPUs, ``encoder.`` within a
    segmenter, ``backbone.`` and so on, in a checkpoint with more than weights in it or alone.

    Parameters
    ----------
    path : str or pathlib.Path
        ``.safetensors``, or a file of ``torch.save``, of which nothing but weights is read.
    config : ClassifierConfig
        The network that the weights are for.

    Returns
    -------
    dict
        Names of our network to tensors. The number of channels of the first layer and the classes of
        the last layer may be other than ours; everything else is there and fits.

    Raises
    ------
    ModelError
        If the file cannot be read, or holds the weights of another network.
    """
    path = Path(path)
    state = _state(path)
    with torch.device("meta"):
        net = build_classifier(config)
    own = net.state_dict()
    prefix = _prefix(state, next(iter(own)), own)
    if prefix is None:
        raise ModelError(_other(path, config, f"its first weights are {', '.join(map(repr, list(state)[:3]))}"))
    found = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    _check(path, config, net, found)
    return {name: tensor for name, tensor in found.items() if name in own}


def _state(path: Path) -> dict[str, Tensor]:
    """Return all tensors of a file by name."""
    if not path.is_file():
        raise ModelError(f"There is no file {path}.")
    content: Any
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickles that are refused anyway
            content = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # a pickle could run any code; PyTorch's text tells how to run it
        raise ModelError(_unreadable(path, "it holds more than weights, or something else")) from error
    except (safetensors.SafetensorError, *DAMAGED, MemoryError, OSError) as error:
        raise ModelError(_unreadable(path, str(error).strip().partition("\n")[0] or "it ends early")) from error
    if not isinstance(content, Mapping):
        raise ModelError(_unreadable(path, f"it holds a {type(content).__name__}"))
    for name in WRAPPERS:
        if isinstance(content.get(name), Mapping):
            content = content[name]
    state = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    if not state:
        raise ModelError(_unreadable(path, "it holds no weights"))
    return state


def _unreadable(path: Path, reason: str) -> str:
    return (
        f"{path} cannot be read as weights: {reason}. Expected is a state dict, as written by "
        "torch.save(net.state_dict(), path) or as .safetensors."
    )


def _prefix(state: Mapping[str, Tensor], first: str, own: Mapping[str, Tensor]) -> str | None:
    """Return what stands before our names, where most of them are found."""
    candidates = [name.removesuffix(first) for name in state if name == first or name.endswith(f".{first}")]
    counts = {prefix: sum(prefix + name in state for name in own) for prefix in candidates}
    return max(counts, key=lambda prefix: (counts[prefix], -len(prefix)), default=None)


def _check(path: Path, config: ClassifierConfig, net: nn.Module, found: Mapping[str, Tensor]) -> None:
    """Raise ModelError unless the weights are those of this network but for channels and classes."""
    own = net.state_dict()
    last = f"{[name for name, layer in net.named_modules() if isinstance(layer, nn.Linear)][-1]}."
    stems = {name.split(".")[0] for name in own}
    for name in found:
        known = name in own or name.startswith(last) or name.endswith("num_batches_tracked")
        if not known and name.split(".")[0] in stems:
            raise ModelError(_other(path, config, f"it has {name!r} as well"))
    first = next(iter(own))
    for name, tensor in own.items():
        if name.startswith(last) or name.endswith("num_batches_tracked"):
            continue  # counts of batches were not saved before PyTorch 0.4.1, and nothing needs them
        if name not in found:
            raise ModelError(_other(path, config, f"it has no {name!r}"))
        shapes = [tuple(one.shape) for one in (tensor, found[name])]
        if name == first and tensor.ndim == 4:
            shapes = [(shape[0], *shape[2:]) for shape in shapes]
        if shapes[0] != shapes[1]:
            raise ModelError(_other(path, config, f"{name!r} has the shape {shapes[1]}, not {shapes[0]}"))


def _other(path: Path, config: ClassifierConfig, reason: str) -> str:
    return (
        f"{path} does not hold the weights of a network {config.architecture!r}: {reason}. "
        "Choose the architecture that the weights were made with, or other weights."
    )
