"""A model of grain boundaries adapted to the look of one micrograph, without any annotation."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from napari_microcnn.config import ImagingConfig, VoronoiConfig
from napari_microcnn.config.adapting import AdaptConfig
from napari_microcnn.data import intensity_limits, normalise
from napari_microcnn.data.resemblance import alike
from napari_microcnn.device import resolve_device
from napari_microcnn.events import Alive, EpochDone, Finished, Job, Notice
from napari_microcnn.models import Model
from napari_microcnn.nets import UNet
from napari_microcnn.synth import polycrystal, random_look
from napari_microcnn.train.generated import off_centre
from napari_microcnn.train.loop import Lesson, LoopSettings, train_loop
from napari_microcnn.train.losses import segmentation_loss

BOUNDARY_REACH = 1.5
"""Pixels nearer than this to a boundary are taught as boundary, as the shipped model was."""
TOLERANCE = 2.0
"""Pixels by which a boundary may be displaced and counts as found."""
LEAST_GAIN = 0.01
"""So much better, in boundary F1 on synthetic pictures of the look, must an adapted model be."""
LEAST_AGREEMENT = 0.85
"""Boundary F1 between the answers of both models on the micrograph: a small step is likely to be a right one."""

_HELD_OUT = 12
_VALIDATED = 8
_STEPS_PER_EPOCH = 20

Pair = tuple[NDArray[np.float32], NDArray[np.bool_]]


@dataclass(frozen=True)
class Check:
    """What the self-check found, before and after; all are shares between 0 and 1.

    Attributes
    ----------
    synthetic_before, synthetic_after : float
        Boundary F1 on synthetic pictures of the look that were not learned from.
    steady_before, steady_after : float
        Boundary F1 between the answers for the micrograph, and those for it mirrored, turned or
        brightened otherwise.
    agreement : float
        Boundary F1 between the answers of both models for the micrograph.
    """

    synthetic_before: float
    synthetic_after: float
    steady_before: float
    steady_after: float
    agreement: float

    @property
    def better(self) -> bool:
        """Whether the adapted model is to be kept: better where truth is known, and as steady where it is not."""
        return (
            self.synthetic_after >= self.synthetic_before + LEAST_GAIN
            and self.steady_after >= self.steady_before - 0.005
            and self.agreement >= LEAST_AGREEMENT
        )

    @property
    def sentence(self) -> str:
        """One sentence for people."""
        shown = (
            f"boundary F1 on pictures like yours {self.synthetic_before:.3f} before and {self.synthetic_after:.3f} "
            f"after, steadiness on your image {self.steady_before:.3f} and {self.steady_after:.3f}, "
            f"agreement {self.agreement:.3f}"
        )
        verdict = "The adapted model is kept" if self.better else "The model stays as it was"
        return f"{verdict}: {shown}."


@dataclass(frozen=True, eq=False)
class Adapted:
    """The model to use from now on: the adapted one if the self-check says better, otherwise the one from before."""

    model: Model
    check: Check
    tried: Model


def adapt(
    model: Model,
    look: tuple[VoronoiConfig, ImagingConfig],
    windows: Sequence[NDArray[Any]],
    config: AdaptConfig | None = None,
) -> Job[Adapted]:
    """Go on training a model on synthetic pictures that look like a micrograph, and keep it only if it is better.

    The weights are the mean of those before and after, which keeps what the model knew about other
    micrographs (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022).

    Parameters
    ----------
    model : Model
        Of grain boundaries in grey images.
    look : tuple of VoronoiConfig and ImagingConfig
        What the micrograph looks like, at the magnification at which the model sees it.
    windows : sequence of numpy.ndarray, (Y, X)
        Parts of the micrograph at that magnification, for the self-check only.
    config : AdaptConfig, optional

    Yields
    ------
    Event
        `BatchDone` and `EpochDone`; `Notice` with the outcome; in the end ``Finished[Adapted]``.

    Raises
    ------
    ValueError
        If the model finds no grain boundaries in grey images.
    """
    config = config or AdaptConfig()
    if model.objects is None or model.objects.kind != "grains" or model.config.channels != 1:
        raise ValueError(f"{model.name!r} finds no grain boundaries in grey images; choose a model that does.")
    channel = model.channel(model.objects.class_id)
    device = resolve_device(config.device)
    torch.manual_seed(config.seed)
    net = copy.deepcopy(model.net).requires_grad_(True).to(device)
    held_out: list[Pair] = []
    for index in range(_HELD_OUT + _VALIDATED):
        held_out.append(_picture(look, 700_000_000 + config.seed * 1000 + index, config.patch))
        yield Alive()

    def validate(net: UNet) -> tuple[float, float]:
        score = _synthetic_score(net, held_out[_HELD_OUT:], channel)
        return 1 - score, score

    def snapshot(net: UNet) -> Model:
        return model.snapshot(_between(model.net, net))

    steps = max(1, config.pictures // config.batch)
    per_epoch = min(_STEPS_PER_EPOCH, steps)
    settings = LoopSettings(
        epochs=max(1, steps // per_epoch), steps_per_epoch=per_epoch, learning_rate=config.learning_rate,
        patience=float("inf"), averaging=0.95,
    )  # fmt: skip
    lesson = Lesson(_batches(look, config, channel, device), segmentation_loss, validate, snapshot)
    job = train_loop(net, lesson, settings)
    tried = yield from _told(job)
    images = [normalise(window, intensity_limits(window)) for window in windows]
    check = _check(model.snapshot().net, tried.net, held_out[:_HELD_OUT], images, channel)
    tried = replace(tried, provenance=_provenance(model, look, config, check))
    yield Notice(check.sentence)
    yield Finished(Adapted(tried if check.better else model, check, tried))


def _told(job: Any) -> Any:
    """Pass the events of the loop on without their models: nothing is known of these before the self-check."""
    while True:
        try:
            event = next(job)
        except StopIteration as end:
            return end.value
        yield replace(event, model=None) if isinstance(event, EpochDone) else event


def _provenance(
    model: Model, look: tuple[VoronoiConfig, ImagingConfig], config: AdaptConfig, check: Check
) -> dict[str, Any]:
    return {
        "adapted_from": {"name": model.name, "sha256": model.sha256},
        "trained_on": "synthetic polycrystals that look like one micrograph",
        "settings": config.model_dump(),
        "look": {"structure": look[0].model_dump(), "imaging": look[1].model_dump()},
        "self_check": {name: getattr(check, name) for name in Check.__dataclass_fields__},
    }


def _picture(look: tuple[VoronoiConfig, ImagingConfig] | None, seed: int, side: int) -> Pair:
    """Return a normalised picture (1, Y, X) and its boundaries (Y, X); without a look one of any."""
    settings = random_look(seed, side, side) if look is None else alike(look, seed, side, side)
    made = polycrystal(*settings, seed=seed)
    picture = normalise(made.image, intensity_limits(made.image))
    return picture, np.asarray(made.structure.distance <= BOUNDARY_REACH)


def _batches(
    look: tuple[VoronoiConfig, ImagingConfig], config: AdaptConfig, channel: int, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    rng = np.random.default_rng([config.seed, 6])
    seed = (config.seed + 3) * 50_000_000
    while True:
        pairs = []
        for _ in range(config.batch):
            pairs.append(_picture(look if rng.random() < config.like_mine else None, seed, config.patch))
            seed += 1
        shown = [off_centre(picture, rng) for picture, _ in pairs]
        truth = np.stack([lines for _, lines in pairs])
        targets = torch.from_numpy(np.where(truth, channel, 1 - channel).astype(np.int64))
        yield torch.from_numpy(np.stack(shown)).to(device), targets.to(device)


def _between(before: UNet, after: UNet) -> UNet:
    """Return a network with the mean of the weights of two."""
    mixed = copy.deepcopy(before).to("cpu")
    other = after.state_dict()
    with torch.no_grad():
        for name, value in mixed.state_dict().items():
            if value.is_floating_point():
                value.lerp_(other[name].to("cpu"), 0.5)
    return mixed


def _check(
    before: UNet, after: UNet, held_out: Sequence[Pair], images: Sequence[NDArray[np.float32]], channel: int
) -> Check:
    """Compare two networks on synthetic pictures with known truth and on the micrograph itself."""
    answers = [[_boundary(net, image, channel) for image in images] for net in (before, after)]
    agreement = np.mean([_agreement(one, other) for one, other in zip(*answers, strict=True)])
    return Check(
        _synthetic_score(before, held_out, channel),
        _synthetic_score(after, held_out, channel),
        _steadiness(before, images, answers[0], channel),
        _steadiness(after, images, answers[1], channel),
        float(agreement),
    )


def _synthetic_score(net: UNet, pairs: Sequence[Pair], channel: int) -> float:
    return float(np.mean([_agreement(_boundary(net, picture, channel), truth) for picture, truth in pairs]))


def _steadiness(
    net: UNet, images: Sequence[NDArray[np.float32]], seen: Sequence[NDArray[np.bool_]], channel: int
) -> float:
    """Return how much the answer stays the same when the micrograph is mirrored, turned, or brighter and paler."""
    scores = []
    for image, answer in zip(images, seen, strict=True):
        mirrored = _boundary(net, np.ascontiguousarray(image[:, :, ::-1]), channel)[:, ::-1]
        turned = _boundary(net, np.ascontiguousarray(image[:, ::-1, ::-1]), channel)[::-1, ::-1]
        paler = _boundary(net, image * np.float32(0.8) + np.float32(0.2), channel)
        scores += [_agreement(answer, other) for other in (mirrored, turned, paler)]
    return float(np.mean(scores))


@torch.inference_mode()
def _boundary(net: UNet, image: NDArray[np.float32], channel: int) -> NDArray[np.bool_]:
    """Return where a network sees boundaries in a normalised image (1, Y, X)."""
    step = 2**net.config.depth
    height, width = image.shape[1:]
    padding = (0, -width % step, 0, -height % step)
    batch = functional.pad(torch.from_numpy(image)[None], padding, mode="replicate")
    device = next(net.parameters()).device
    was_training = net.training
    logits = net.eval()(batch.to(device))[0, :, :height, :width].cpu()
    net.train(was_training)
    return np.asarray(logits.softmax(0)[channel].numpy() > 0.5)


def _agreement(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Return the F1 of two boundary maps, thinned, within `TOLERANCE`; 1 where neither has any."""
    from skimage.morphology import skeletonize

    one, other = (np.asarray(skeletonize(lines)) for lines in (one, other))  # type: ignore[no-untyped-call]
    if not one.any() or not other.any():
        return float(one.any() == other.any())
    precision, recall = _within(one, other), _within(other, one)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _within(points: NDArray[np.bool_], target: NDArray[np.bool_]) -> float:
    return float((ndimage.distance_transform_edt(~target)[points] <= TOLERANCE).mean())
