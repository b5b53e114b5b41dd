"""The network that a training starts from."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from napari_microcnn.config import ClassInfo, TrainConfig, UNetConfig
from napari_microcnn.models import Model, ModelError, load_model, shipped_models
from napari_microcnn.nets import UNet
from napari_microcnn.train.heads import change_outputs, kept_outputs
from napari_microcnn.train.prevalence import FACTORS, as_learnt

DEFAULT_INIT = TrainConfig.model_fields["init"].default


def resumed(model: Model, channels: int, classes: Sequence[ClassInfo]) -> UNet:
    """Return a copy of a model's network to train on, as it was before its scores were set right for prevalence.

    Classes that the model does not know start anew.

    Raises
    ------
    ModelError
        If the model has other channels, or none of the classes.
    """
    model.check_channels(channels)
    had, wanted = [entry.id for entry in model.classes], [entry.id for entry in classes]
    net = UNet(model.config)
    net.load_state_dict(model.net.state_dict())
    as_learnt(net, model.provenance.get(FACTORS, [1.0]))
    if had != wanted:
        outputs = kept_outputs(had, wanted)
        if all(output is None for output in outputs):
            raise ModelError(f"The training cannot go on: the model has the classes {had}, the annotation {wanted}.")
        change_outputs(net, outputs, seed=len(wanted))
    return net


def initialised(config: TrainConfig, channels: int, classes: Sequence[ClassInfo]) -> tuple[UNet, list[str]]:
    """Return a new network, with the weights of the model ``config.init`` where they fit, and notices.

    Raises
    ------
    ModelError
        If the model to start from does not exist or cannot be read.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        net = UNet(UNetConfig(channels=channels, classes=len(classes), width=config.width, depth=config.depth))
    if config.init is None:
        return net, []
    if config.init == DEFAULT_INIT and DEFAULT_INIT not in shipped_models():
        return net, [f"The model {DEFAULT_INIT!r} is not part of this installation; training starts from scratch."]
    model = load_model(config.init)
    needed = (channels, config.width, config.depth)
    if (model.config.channels, model.config.width, model.config.depth) != needed:
        message = (
            f"The model {config.init!r} does not fit (channels, width and depth are {model.config.channels}, "
            f"{model.config.width}, {model.config.depth} instead of {needed[0]}, {needed[1]}, {needed[2]}); "
            f"training starts from scratch."
        )
        return net, [message]
    weights = {name: value for name, value in model.net.state_dict().items() if not name.startswith("head.")}
    net.load_state_dict(weights, strict=False)  # the head knows other classes: it starts anew
    return net, []
