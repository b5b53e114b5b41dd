"""The network that a classifier starts from, and which of its layers were learnt before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from napari_microcnn.config import ClassifierConfig, ClassifierTrainConfig
from napari_microcnn.models import Model, ModelError, open_model, shipped_models
from napari_microcnn.nets.classifiers import build_classifier

DEFAULT_INIT = ClassifierTrainConfig.model_fields["init"].default


@dataclass(frozen=True, eq=False)
class Start:
    """A network to train, the names of its parameters that were learnt before, and what to tell the user."""

    net: nn.Module
    transferred: frozenset[str]
    notice: str = ""


def started(config: ClassifierTrainConfig, channels: int, classes: int, side: int) -> Start:
    """Return a new network, with the weights of ``config.init`` where they fit.

    A segmenter lends its encoder to the architecture ``unet-encoder``, whose size follows it; a
    classifier, or a file of weights, all but the last layer to the same architecture. Where the
    number of channels differs, the weights of the first layer are summed, or shared out.

    Raises
    ------
    ModelError
        If what to start from does not exist or cannot be read.
    """
    wanted = ClassifierConfig(
        architecture=config.architecture,
        channels=channels,
        classes=classes,
        side=side,
        dropout=config.dropout,
        filters=config.filters,
        blocks=config.blocks,
    )
    if config.init is None or (config.init == DEFAULT_INIT and _no_default(config)):
        return Start(_new(wanted, config.seed), frozenset())
    weights, wanted = _weights(config.init, wanted)
    net = _new(wanted, config.seed)
    return _filled(net, weights, config.init)


def _no_default(config: ClassifierTrainConfig) -> bool:
    return config.architecture != "unet-encoder" or DEFAULT_INIT not in shipped_models()


def _new(config: ClassifierConfig, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_classifier(config)


def _weights(init: str, wanted: ClassifierConfig) -> tuple[Mapping[str, Tensor], ClassifierConfig]:
    """Return the weights to start from, and the settings of a network that they fit."""
    try:
        before = open_model(init)
    except ModelError:
        path = Path(init)
        if not path.is_file():
            raise
        from napari_microcnn.models.foreign import read_weights

        return read_weights(path, wanted), wanted
    state = before.net.state_dict()
    if isinstance(before, Model):
        return state, wanted.model_copy(update={"filters": before.config.width, "blocks": before.config.depth})
    if before.config.architecture != wanted.architecture:
        return state, wanted
    kept = {"channels", "classes", "side", "dropout"}
    return state, before.config.model_copy(update=wanted.model_dump(include=kept))


def _filled(net: nn.Module, weights: Mapping[str, Tensor], init: str) -> Start:
    """Copy the weights that fit by name and shape, but never those of the last layer, which knows other classes."""
    own = net.state_dict()
    last = [name for name, module in net.named_modules() if isinstance(module, nn.Linear)][-1]
    fitting = {}
    for name, value in weights.items():
        if name not in own or name.startswith(f"{last}."):
            continue
        adapted = _for_channels(value, own[name])
        if adapted is not None:
            fitting[name] = adapted
    learnt = frozenset(name for name, _ in net.named_parameters() if name in fitting)
    if not learnt:
        return Start(net, learnt, f"Nothing of {init!r} fits this network; the training starts from scratch.")
    net.load_state_dict(fitting, strict=False)
    return Start(net, learnt)


def _for_channels(value: Tensor, own: Tensor) -> Tensor | None:
    """Return weights in the shape of a layer, shared out over other channels if that is all that differs."""
    if value.shape == own.shape:
        return value
    if value.ndim != 4 or own.ndim != 4 or value.shape[0] != own.shape[0] or value.shape[2:] != own.shape[2:]:
        return None
    if min(value.shape[1], own.shape[1]) > 3 or own.shape[1] == value.shape[1]:
        return None
    return value.sum(dim=1, keepdim=True).expand_as(own) / own.shape[1]
