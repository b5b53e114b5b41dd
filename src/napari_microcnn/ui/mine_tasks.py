"""What the Synthesize dock lets a worker do with models of grain boundaries; see `tasks`."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_microcnn.config import ImagingConfig, SegmentConfig, SyntheticTrainConfig, VoronoiConfig
from napari_microcnn.config.adapting import AdaptConfig
from napari_microcnn.events import Alive, EpochDone, Finished, Job
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.ui.models import ModelFile, read_model_file
from napari_microcnn.ui.pairing import OnDisk, opened
from napari_microcnn.ui.tasks import Array

_GAP = 8
"""Pixels between the real and the synthetic picture."""


@dataclass(frozen=True, eq=False)
class Mine:
    """What a micrograph looks like.

    Attributes
    ----------
    structure : VoronoiConfig
    imaging : ImagingConfig
    pair : numpy.ndarray
        (Y, X) uint8: the micrograph on the left, a synthetic picture on the right.
    magnification : float
        At which both are shown.
    """

    structure: VoronoiConfig
    imaging: ImagingConfig
    pair: Array
    magnification: float


@dataclass(frozen=True, eq=False)
class Learnt:
    """A model that was trained, or None where none was better, and a sentence on it."""

    model: ModelFile | None
    sentence: str


def measure_mine(source: Micrograph | OnDisk, model: Path, seed: int) -> Job[Mine]:
    """Measure the look of an image and make a picture like it."""
    from napari_microcnn.predict.resemblance import measure_look
    from napari_microcnn.synth import polycrystal

    look = measure_look(opened(source), str(model), SegmentConfig())
    yield Alive()
    made = polycrystal(look.structure, look.imaging, seed).image
    side = min(len(made), *look.window.shape)
    top, left = ((length - side) // 2 for length in look.window.shape)
    real = _in_bytes(look.window[top : top + side, left : left + side])
    pair = np.concatenate([real, np.full((side, _GAP), 255, np.uint8), made[:side, :side]], axis=1)
    yield Finished(Mine(look.structure, look.imaging, pair, look.magnification))


def adapt_to_mine(source: Micrograph | OnDisk, model: Path, config: AdaptConfig, target: Path) -> Job[Learnt]:
    """Adapt a model to an image; its file appears only if the self-check says that it is better."""
    from napari_microcnn.models import load_model, save_model
    from napari_microcnn.predict.resemblance import measure_look, windows_of
    from napari_microcnn.train.adapting import adapt

    micrograph, before = opened(source), load_model(model)
    look = measure_look(micrograph, before)
    windows = windows_of(micrograph, before, look.magnification)
    with closing(adapt(before, (look.structure, look.imaging), windows, config)) as job:
        for event in job:
            if not isinstance(event, Finished):
                yield event
                continue
            kept = None
            if event.result.check.better:
                path = save_model(replace(event.result.model, name=target.stem), target)
                kept = read_model_file(path, target.stem)
            yield Finished(Learnt(kept, event.result.check.sentence))


def train_own(config: SyntheticTrainConfig, target: Path) -> Job[Learnt]:
    """Train a model on synthetic polycrystals of all looks; the best weights so far are always in its file."""
    from napari_microcnn.models import save_model
    from napari_microcnn.train.familiarity import remember_synthetic
    from napari_microcnn.train.synthetic import train_on_synthetic

    score, trained = 0.0, None
    with closing(train_on_synthetic(config, checkpoint=target)) as job:
        for event in job:
            if isinstance(event, Finished):
                trained = event.result
            elif isinstance(event, EpochDone):
                score = max(score, event.iou)
                yield replace(event, model=None)
            else:
                yield event
    with closing(remember_synthetic(trained)) as job:
        for event in job:
            if not isinstance(event, Finished):
                yield event
                continue
            save_model(replace(event.result, name=target.stem), target)
            told = f"Trained with {config.steps} steps of {config.batch} pictures; mean IoU {score:.3f} on new ones."
            yield Finished(Learnt(read_model_file(target, target.stem), told))


def _in_bytes(picture: Array) -> Array:
    if picture.dtype == np.uint8:
        return picture
    low, high = np.quantile(picture, (0.001, 0.999))
    return (np.clip((picture - low) / max(high - low, 1e-12), 0, 1) * 255).astype(np.uint8)
