"""Prediction and training on a GPU, against the most that the card makes of the same network."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from benchmarks.common import Table
from benchmarks.training_speed import CLASSES, annotated
from napari_microcnn.config import SegmentConfig, TrainConfig, UNetConfig
from napari_microcnn.data.normalisation import intensity_limits
from napari_microcnn.device import describe_device
from napari_microcnn.events import BatchDone
from napari_microcnn.models import Model, load_model
from napari_microcnn.nets import UNet, prepared
from napari_microcnn.predict.tiles import TilePredictor
from napari_microcnn.synth import LOOKS, polycrystal
from napari_microcnn.train.segmenter import train_segmenter

SIDE, WINDOW, REPEATS, EPOCHS, STEPS = 16384, 1024, 10, 6, 100
BATCHES = (1, 2, 4, 8, 16, 32, 64)
SETTINGS = SegmentConfig(device="cuda", precision="bfloat16", orientations=1)


def run() -> Table:
    """Compare with a bare loop, in bfloat16, on tensors that are on the card; skipped without one."""
    table = Table(
        "Prediction and training on a GPU",
        ("what", "ours", "the card's peak", "share", "bar"),
        note=f"Prediction: {SIDE} x {SIDE} bytes in memory to probabilities in memory, model grain-boundaries, seen in "
        f"one orientation; the peak is that of the best batch of {', '.join(map(str, BATCHES))} windows of {WINDOW} x "
        f"{WINDOW} that lie on the card, answers left there. Training: masks, usual network and batch, with "
        "augmentation, without validation; the peak is forward, backward and step on one batch that lies on the card.",
    )
    if not torch.cuda.is_available():
        return table
    table.note += f" {describe_device('cuda')}."
    model = load_model("grain-boundaries")
    for what, ours, peak, bar in (
        ("prediction (MP/s)", _predicted(model), _predicted_bare(model), "0.8"),
        ("training (steps/s)", _trained(), _trained_bare(), "0.7"),
    ):
        table.add(what, ours, peak, ours / peak, bar)
    return table


def _predicted(model: Model) -> float:
    structure, imaging = LOOKS["etched"]
    made = polycrystal(structure.model_copy(update={"height": 1024, "width": 1024, "grains": 960}), imaging, 0)
    plane = np.pad(made.image, (0, SIDE - 1024), mode="symmetric")
    predictor, limits = TilePredictor(model, SETTINGS), intensity_limits(plane)

    def predict() -> None:
        for _ in predictor.tiles(plane, limits):
            pass

    predict()  # the first calls choose how to compute
    return SIDE**2 / 1e6 / _seconds(predict)


def _predicted_bare(model: Model) -> float:
    card, best = torch.device("cuda"), 0.0
    net = prepared(model.net, card, torch.bfloat16)
    for count in BATCHES:
        images = torch.rand(count, 1, WINDOW, WINDOW, device=card, dtype=torch.bfloat16)
        images = images.contiguous(memory_format=torch.channels_last)
        try:
            with torch.inference_mode():
                net(images)
                took = _seconds(lambda images=images: [net(images) for _ in range(REPEATS)])  # type: ignore[misc]
        except torch.OutOfMemoryError:
            break
        best = max(best, REPEATS * count * WINDOW**2 / 1e6 / took)
    return best


def _trained() -> float:
    """Return the steps per second of a training, but for the first epoch and the validations."""
    config = TrainConfig(dense=True, minutes=None, epochs=EPOCHS, init=None, device="cuda")
    steps, took, start = 0, 0.0, 0.0
    for event in train_segmenter([annotated(dense=True)], CLASSES, config):
        now = time.perf_counter()
        if isinstance(event, BatchDone):
            if event.epoch > 1 and event.batch > 1:
                steps, took = steps + 1, took + now - start
            start = time.perf_counter()
    return steps / took


def _trained_bare() -> float:
    config, card = TrainConfig(), torch.device("cuda")
    net = UNet(UNetConfig(width=config.width, depth=config.depth)).to(card).train()
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True)
    images = torch.rand(config.batch, 1, config.patch, config.patch, device=card)
    images = images.contiguous(memory_format=torch.channels_last)
    targets = torch.randint(0, 2, (config.batch, config.patch, config.patch), device=card)

    def steps() -> None:
        for _ in range(STEPS):
            with torch.autocast("cuda", torch.bfloat16):
                logits = net(images)
            optimiser.zero_grad(set_to_none=True)
            functional.cross_entropy(logits.float(), targets).backward()  # type: ignore[no-untyped-call]
            optimiser.step()

    steps()
    return STEPS / _seconds(steps)


def _seconds(action: Callable[[], object]) -> float:
    """Return how long something takes until the card has finished it."""
    torch.cuda.synchronize()
    start = time.perf_counter()
    action()
    torch.cuda.synchronize()
    return time.perf_counter() - start
