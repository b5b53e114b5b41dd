"""Statistics of the synthetic pictures that a model learned from, for telling strange micrographs."""

from __future__ import annotations

from dataclasses import replace

from napari_microcnn.events import Finished, Job, Progress
from napari_microcnn.models import Model
from napari_microcnn.models.reference import describe, reference_of
from napari_microcnn.train.synthetic import synthetic_patch

_SIDE = 256
_FIRST_SEED = 20_000_000
"""Seeds that no training uses."""


def remember_synthetic(model: Model, pictures: int = 160) -> Job[Model]:
    """Give a model of grain boundaries the statistics of random synthetic polycrystals, which it learned from.

    Parameters
    ----------
    model : Model
        Trained by `train_on_synthetic`; its weights stay as they are.
    pictures : int
        How many are made.

    Yields
    ------
    Event
        `Progress` per picture, in the end ``Finished[Model]``.

    Raises
    ------
    ValueError
        If the model finds no grain boundaries in grey images.
    """
    if model.objects is None or model.objects.kind != "grains" or model.config.channels != 1:
        raise ValueError(f"{model.name!r} finds no grain boundaries in grey images; name images that it learned from.")
    channel, net = model.channel(model.objects.class_id), model.snapshot().net
    described = []
    for index in range(pictures):
        picture, _ = synthetic_patch(_FIRST_SEED + index, _SIDE)
        described.append(describe(net, [picture], channel))
        yield Progress(index + 1, pictures, "describing pictures")
    yield Finished(replace(model, reference=reference_of(described)))
