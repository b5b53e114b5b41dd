"""56 layers with and without skip connections, the same budget: loss, and gradient of the first layer."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from benchmarks.common import Table
from napari_microcnn.config import ClassifierConfig, ImagingConfig, VoronoiConfig
from napari_microcnn.io.charts import Curve, draw_curves
from napari_microcnn.nets import build_classifier
from napari_microcnn.synth import polycrystal

DIRECTIONS = (0, 45, 90, 135)
PICTURES, SIDE, BATCH, STEPS, LAST = 24, 32, 32, 192, 20
PICTURE = Path(__file__).parent / "results" / "skips.png"


def run() -> Table:
    """Train both on the direction of rolled grains, and draw both curves."""
    images, classes = _patches()
    found = {name: _train(images, classes, skips=skips) for name, skips in (("residual", True), ("plain", False))}
    table = Table(
        f"56 layers with and without skip connections, {STEPS} steps of {BATCH} images each",
        (
            "network",
            "loss at the end",
            "gradient norm of the first layer: step 1",
            "median from step 11",
            "share of the last",
        ),
        note=f"Four classes: guessing has a loss of {math.log(len(DIRECTIONS)):.3g}. Bar: the plain network visibly "
        "fails. Its first gradient explodes; afterwards a fraction of the residual network's reaches its first layer. "
        f"Picture: `results/{PICTURE.name}`.",
    )
    for name, (losses, first, last) in found.items():
        end, middle = float(np.mean(losses[-LAST:])), float(np.median(first[10:]))
        table.add(name, end, first[0], middle, float(np.median(np.divide(first[10:], last[10:]))))
    epochs = np.arange(STEPS) * BATCH / len(images)
    panels: dict[str, dict[str, Curve]] = {
        "training loss": {name: (epochs.tolist(), losses) for name, (losses, _, _) in found.items()},
        "gradient norm of the first layer, log10": {
            name: (epochs.tolist(), np.log10(first).tolist()) for name, (_, first, _) in found.items()
        },
    }
    PICTURE.parent.mkdir(exist_ok=True)
    Image.fromarray(draw_curves(panels)).save(PICTURE, optimize=True)
    return table


def _patches() -> tuple[Tensor, Tensor]:
    """Return patches (N, 1, SIDE, SIDE) of polycrystals rolled in four directions, and which it was."""
    cut = []
    for seed in range(PICTURES * len(DIRECTIONS)):
        direction = DIRECTIONS[seed % len(DIRECTIONS)]
        structure = VoronoiConfig(grains=500, elongation=4, direction=direction)
        pixels = polycrystal(structure, ImagingConfig(), seed=seed).image.astype(np.float32)
        pixels = (pixels - pixels.mean()) / pixels.std()
        rows, columns = (length // SIDE for length in pixels.shape)
        cut.append(pixels.reshape(rows, SIDE, columns, SIDE).swapaxes(1, 2).reshape(-1, 1, SIDE, SIDE))
    classes = torch.arange(len(cut)).remainder(len(DIRECTIONS)).repeat_interleave(len(cut[0]))
    return torch.from_numpy(np.concatenate(cut)), classes


def _train(images: Tensor, classes: Tensor, *, skips: bool) -> tuple[list[float], list[float], list[float]]:
    """Return loss and gradient norms of the first and the last convolution at every step.

    Optimiser and its settings are those of He et al. (2016), section 4.2, which were chosen for both networks.
    """
    torch.manual_seed(0)
    config = ClassifierConfig(architecture="resnet56", classes=len(DIRECTIONS), dropout=0, skips=skips)
    net = build_classifier(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    convolutions = [weights for _, weights in net.named_parameters() if weights.ndim == 4]
    drawn = torch.Generator().manual_seed(1)  # the same batches for both
    losses, first, last = [], [], []
    for _ in range(STEPS):
        chosen = torch.randint(len(images), (BATCH,), generator=drawn)
        loss = functional.cross_entropy(net(images[chosen]), classes[chosen])
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        norms = [float(torch.linalg.vector_norm(weights.grad)) for weights in convolutions if weights.grad is not None]
        optimiser.step()
        losses.append(float(loss.detach()))
        first.append(norms[0])
        last.append(norms[-1])
    return losses, first, last
