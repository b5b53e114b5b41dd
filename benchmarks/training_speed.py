"""Training steps per second against the bare loop: forward, backward and step on tensors that are ready.

Steps of both are taken in turns, so that whatever else the machine does falls on both.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.common import Table
from napari_microcnn.config import ClassInfo, TrainConfig, UNetConfig
from napari_microcnn.data import Annotated
from napari_microcnn.device import fast_bfloat16
from napari_microcnn.events import BatchDone
from napari_microcnn.nets import UNet
from napari_microcnn.synth import LOOKS, polycrystal
from napari_microcnn.train.lessons import EDGES, annotation_loss
from napari_microcnn.train.segmenter import STEPS_PER_EPOCH, train_segmenter

Loss = Callable[[Tensor, Tensor], Tensor]
EPOCHS, SIDE = 8, 1024
CLASSES = tuple(
    ClassInfo(id=number, name=name, colour=colour)
    for number, name, colour in ((1, "grain", "#0072b2"), (2, "boundary", "#e69f00"))
)


def run() -> Table:
    """Train from masks and from strokes, with and without augmentation."""
    table = Table(
        "Training steps against the bare loop",
        (
            "what is learnt from",
            "step (ms)",
            "bare step (ms)",
            "share of the bare speed",
            "with the same loss",
            "with validation",
        ),
        note=f"Batches of 8 patches of 128 pixels, usual network, medians of {(EPOCHS - 1) * STEPS_PER_EPOCH} steps. "
        "A step of ours cuts patches out of the images, moves and blurs them, balances the classes, clips gradients "
        "and averages weights. The bare step has the cross-entropy of torch, or the same loss as ours: strokes are "
        "learnt with losses on what they have grown to and on edges too. The last column includes judging and keeping "
        "the best weights. Bar: 0.92 of the bare loop with the same loss.",
    )
    for name, dense, augment in (
        ("masks", True, True), ("strokes", False, True), ("masks, not augmented", True, False),
    ):  # fmt: skip
        found = _compared(TrainConfig(dense=dense, augment=augment, minutes=None, epochs=EPOCHS, init=None))
        table.add(name, *found)
        table.at_least(f"share of the bare loop with the same loss: {name}", found[3], 0.92)
    return table


def _compared(config: TrainConfig) -> tuple[str, str, float, float, float]:
    steps = [_bare_step(config, loss) for loss in (functional.cross_entropy, _loss_of(config))]
    ours: list[float] = []
    theirs: tuple[list[float], list[float]] = ([], [])
    whole = 0.0
    job = train_segmenter([annotated(config.dense)], CLASSES, config)
    start = time.perf_counter()
    for event in job:
        if not isinstance(event, BatchDone):
            continue
        took = time.perf_counter() - start
        whole += took if event.epoch > 1 else 0.0
        first = event.batch == 1  # with the validation before it
        for bare, times in zip(steps, theirs, strict=True):
            start = time.perf_counter()
            bare()
            if event.epoch > 1:
                times.append(time.perf_counter() - start)
        ours += [] if first or event.epoch == 1 else [took]
        start = time.perf_counter()
    step, usual, same = (median(times) for times in (ours, *theirs))
    return f"{step * 1e3:.0f}", f"{usual * 1e3:.0f}", usual / step, same / step, sum(theirs[0]) / whole


def _loss_of(config: TrainConfig) -> Loss:
    """Return the loss that such a training has, on random images."""
    images = torch.rand(config.batch, 1, config.patch, config.patch)
    edges, alike = (0.0 if config.dense else EDGES), torch.ones(2)

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        return annotation_loss(logits, (targets, images), alike, edges, grown=None if config.dense else alike)

    return loss


def _bare_step(config: TrainConfig, loss: Loss) -> Callable[[], object]:
    """Return the training step of a textbook."""
    torch.manual_seed(0)
    net = UNet(UNetConfig(width=config.width, depth=config.depth)).train()
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True)
    images = torch.rand(config.batch, 1, config.patch, config.patch).contiguous(memory_format=torch.channels_last)
    targets = torch.randint(0, 2, (config.batch, config.patch, config.patch))
    bfloat16 = fast_bfloat16(torch.device("cpu"))

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            logits = net(images)
        value = loss(logits.float(), targets)
        optimiser.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    return step


def annotated(dense: bool) -> Annotated:
    """Return a synthetic image of grains with its mask, or with strokes."""
    structure, imaging = LOOKS["etched"]
    made = polycrystal(structure.model_copy(update={"height": SIDE, "width": SIDE, "grains": 960}), imaging, 0)
    masks = made.structure.boundaries.astype(np.uint8) + 1
    if not dense:
        strokes = np.zeros_like(masks)
        strokes[::97] = masks[::97]
        masks = strokes
    return Annotated(made.image, masks)
