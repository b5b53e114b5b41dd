"""What a segmenter learns from: batches, loss and judgement, made of annotation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import napari_microcnn
from napari_microcnn.config import ClassInfo, ObjectRule, TrainConfig
from napari_microcnn.data import IGNORE, Annotated
from napari_microcnn.data.augmentation import MILD, SEVERE, Disturbance, change_intensities, move
from napari_microcnn.data.growth import GROWN, Growth, unmarked
from napari_microcnn.data.overview import overview_of, reduced_source, worth_an_overview
from napari_microcnn.data.patches import PatchSampler, Source
from napari_microcnn.micrograph import Calibration
from napari_microcnn.models import Model
from napari_microcnn.nets import UNet
from napari_microcnn.train.loop import Batches, Lesson, Loss
from napari_microcnn.train.losses import edge_loss, segmentation_loss
from napari_microcnn.train.preparation import TrainingData, class_shares, class_weights
from napari_microcnn.train.presets import Recipe, recipe_of
from napari_microcnn.train.prevalence import FACTORS, Prevalence
from napari_microcnn.train.processes import averaged
from napari_microcnn.train.validation import Validator

EDGES = 0.5
"""Weight of `edge_loss` for strokes."""

DOUBT, LEAST_DOUBT = 0.1, 0.02
"""Differences of IoU that say nothing: where the spread is not known, and where all held-out strokes were right."""

ORIENTATIONS = 4
"""Of trained models: turns cancel what pulls edges, which nobody painted, to one side, and noise."""

OVERVIEW_SHARE = 1 / 4
"""Part of the patches that come from the overview, as long as it is tried."""


class Teacher:
    """Makes lessons of annotation; `validator` is that of the last one.

    `join` is called when what was held out is learnt too from then on.
    """

    validator: Validator
    join: Callable[[], None] | None = None

    def __init__(
        self,
        data: Sequence[Annotated],
        config: TrainConfig,
        patch: int,
        side: int,
        rng: np.random.Generator,
        device: torch.device,
        objects: ObjectRule | None,
    ) -> None:
        self._data, self._config, self._objects = data, config, objects
        self._patch, self._side, self._rng, self._device = patch, side, rng, device
        self._focus: int | None = None
        self.origin = _held_out(data)
        self._overviews: list[tuple[NDArray[Any], NDArray[np.float32]]] = []
        self._growth = Growth()

    def __call__(self, prepared: TrainingData, classes: Sequence[ClassInfo], net: UNet) -> Lesson:
        """Return what is learnt from, with the loss and the judgement that belong to it."""
        config, device = self._config, self._device
        recipe = self._recipe(classes)
        tried = recipe.overview and all(
            worth_an_overview(source.targets.shape, self._patch) for source in prepared.everything
        )

        def overviews(sources: list[Source]) -> list[Source] | None:
            return [self._reduced(source) for source in sources] if tried else None

        self.validator = validator = Validator(
            prepared.validation, self._patch, self._rng, device, overviews(prepared.validation), decides=config.dense
        )
        known = self._objects if self._objects and self._objects.class_id in {info.id for info in classes} else None
        draft = Model(
            net,
            tuple(classes),
            recipe.objects or known,
            _common_calibration(self._data),
            orientations=ORIENTATIONS,
            provenance=_origin(self._data, config),
        )
        grows = recipe.grows and not config.dense and len(classes) <= GROWN

        def grown(sources: list[Source]) -> list[Source]:
            return self._growth(sources) if grows else sources

        train = grown(prepared.train)
        loss = self._loss(recipe, prepared.weights, _weights_of_grown(train, len(classes)) if grows else None)
        shares = recipe.shares
        if shares is None and config.dense:
            shares = class_shares(prepared.train, len(classes))

        def batches(sources: list[Source]) -> Batches:
            sampler = partial(
                PatchSampler, classes=len(classes), side=self._side, reach=self._patch * 3 // 8, rng=self._rng,
                shares=shares,
            )  # fmt: skip
            disturbance = SEVERE if config.dense or grows else MILD
            return _batches(config, self._patch, device, sampler, sources, overviews(sources), validator, disturbance)

        def snapshot(net: UNet) -> Model:
            return replace(draft, overview=validator.overview).snapshot(net)

        lesson = Lesson(
            batches(train),
            loss,
            self.validator,
            snapshot,
            doubt=self._doubt,
            everything=lambda: self._joined(lambda: batches(grown(prepared.everything))),
            overview=lambda: validator.overview,
        )
        if config.dense:
            return lesson
        prevalence = Prevalence(prepared.train, len(classes), self._patch, config.seed, device)
        return replace(
            lesson,
            snapshot=partial(_set_right, snapshot, prevalence),
            ready=prevalence.set_right,
        )

    def _loss(self, recipe: Recipe, weights: NDArray[np.float32], grown: NDArray[np.float32] | None) -> Loss:
        """Return the loss with these weights of the classes, for what is annotated and for what has grown of it."""
        return partial(
            annotation_loss,
            weights=torch.from_numpy(weights).to(self._device),
            edges=0.0 if self._config.dense else EDGES * recipe.edges,
            extra=recipe.extra,
            grown=None if grown is None else torch.from_numpy(grown).to(self._device),
        )

    def _recipe(self, classes: Sequence[ClassInfo]) -> Recipe:
        """Return the recipe; it stays about the same class while others come and go, as long as that is there."""
        config = self._config
        if self._focus is not None and config.focus not in {info.id for info in classes}:
            config = config.model_copy(update={"focus": None})
        recipe = recipe_of(config, classes, self._focus)
        self._focus = recipe.objects.class_id if recipe.objects else None
        return recipe

    def _reduced(self, source: Source) -> Source:
        """Return the overview of a source; its pixels are reduced once as long as they are the same."""
        for known, overview in self._overviews:
            if known is source.pixels:
                return reduced_source(source, overview)
        overview = overview_of(source.pixels)
        self._overviews = [*self._overviews[1 - len(self._data) :], (source.pixels, overview)]
        return reduced_source(source, overview)

    def _joined(self, batches: Callable[[], Batches]) -> Batches:
        if self.join is not None:
            self.join()
        return batches()

    def _doubt(self) -> float:
        """Return two standard errors of the IoU: with few strokes one is not enough to tell luck from learning."""
        spread = self.validator.spread
        return DOUBT if spread is None else max(2 * spread, LEAST_DOUBT)


def _set_right(snapshot: Callable[[UNet], Model], prevalence: Prevalence, net: UNet) -> Model:
    prevalence.follow(net)
    model = snapshot(prevalence.set_right(net))
    return replace(model, provenance={**model.provenance, FACTORS: prevalence.factors().tolist()})


def _weights_of_grown(sources: Sequence[Source], classes: int) -> NDArray[np.float32]:
    """Return the weight of every class in the loss over all that was painted and grown to."""
    return class_weights(
        [source.with_targets(unmarked(source.targets).astype(np.uint8)) for source in sources], classes, dense=False
    )


def annotation_loss(
    logits: Tensor,
    truth: tuple[Tensor, Tensor],
    weights: Tensor,
    edges: float,
    extra: Callable[[Tensor, Tensor], Tensor] | None = None,
    grown: Tensor | None = None,
) -> Tensor:
    """Return the loss over the annotated pixels, plus `edges` times that over all pairs of neighbours.

    Parameters
    ----------
    logits : Tensor, (N, K, H, W) float32
    truth : (Tensor, Tensor)
        Targets, (N, H, W) int64, and images, (N, C, H, W), as they were before their grey values were changed.
    weights : Tensor, (K,)
        Of the classes, for what is annotated.
    edges : float
    extra : callable, optional
        (logits, targets) -> scalar that is added.
    grown : Tensor, (K,), optional
        Weights of the classes for all that was painted and grown to, where strokes grow. The loss over that is half of
        the first part then: it is plenty and easy, and without the other half would drown the strokes.
    """
    targets, images = truth
    if grown is None:
        loss = segmentation_loss(logits, targets, weights)
    else:
        painted = targets.masked_fill(targets >= GROWN, IGNORE)
        loss = (segmentation_loss(logits, painted, weights) + segmentation_loss(logits, unmarked(targets), grown)) / 2
    loss = loss + extra(logits, targets) if extra is not None else loss
    return loss + edges * averaged(edge_loss(logits, images)) if edges else loss


def _batches(
    config: TrainConfig,
    patch: int,
    device: torch.device,
    sampler: Callable[[Sequence[Source]], PatchSampler],
    sources: list[Source],
    overviews: list[Source] | None,
    validator: Validator,
    disturbance: Disturbance,
) -> Batches:
    """Yield batches for ever: images (N, C, patch, patch), and their targets with the images as they were."""
    generator = torch.Generator(device).manual_seed(config.seed)
    near = sampler(sources)
    far = sampler(overviews) if overviews is not None else None
    while True:
        distant = int(config.batch * OVERVIEW_SHARE) if far is not None and validator.tries_overview else 0
        drawn = [near.draw(config.batch - distant)]
        if far is not None and distant:
            drawn.append(far.draw(distant))
        images, targets = (_sent(np.concatenate(parts), device) for parts in zip(*drawn, strict=True))
        if config.augment:
            images, targets = move(images, targets, patch, generator)
            yield change_intensities(images, generator, disturbance), (targets, images)
        else:
            yield images, (targets.long(), images)


def _sent(values: NDArray[Any], device: torch.device) -> Tensor:
    """Return values on a device; a card gets them from memory that stays in its place, so that nothing waits for it."""
    here = torch.from_numpy(values)
    return here.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else here.to(device)


def _common_calibration(data: Sequence[Annotated]) -> Calibration | None:
    """Return the size of a pixel if all images agree on it."""
    found = [one.calibration for one in data]
    first = found[0]
    if first is None or any(other is None for other in found):
        return None
    same = all(np.allclose(other.to(first.unit).pixel_size, first.pixel_size, rtol=0.01) for other in found if other)
    return first if same else None


def _held_out(data: Sequence[Annotated]) -> str:
    """Return what the network is judged on, in words."""
    marked = [one.name for one in data if one.validation]
    return f"images marked for validation: {', '.join(marked)}" if marked else "held-out annotation"


def _origin(data: Sequence[Annotated], config: TrainConfig) -> dict[str, Any]:
    return {
        "made_by": "napari-microcnn train",
        "version": napari_microcnn.__version__,
        "torch": torch.__version__,
        "images": [one.name for one in data],
        "settings": config.model_dump(),
    }
