"""Whether heatmaps point at what makes the class: images whose class hangs on one object at a known place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch.nn import functional

from benchmarks.common import Table
from napari_microcnn.config import ClassifierConfig, ClassInfo, ExplainConfig, Method
from napari_microcnn.events import result_of
from napari_microcnn.explain.explanation import Explanation, explain_class
from napari_microcnn.explain.trust import heat_outside
from napari_microcnn.models import Classifier
from napari_microcnn.nets import build_classifier

SIDE, RADIUS, TRAINING, STEPS, BATCH, JUDGED, FEW = 64, 10, 1200, 300, 32, 200, 50
CLASSES = (
    ClassInfo(id=0, name="disc", colour="#e69f00"),
    ClassInfo(id=1, name="cross", colour="#56b4e9"),
)
METHODS: tuple[tuple[Method, int], ...] = (
    ("grad-cam", JUDGED),
    ("guided-grad-cam", JUDGED),
    ("integrated-gradients", FEW),
    ("occlusion", FEW),
)


@dataclass(frozen=True, eq=False)
class Example:
    """An image, (S, S) float32, the mask of its object, and which of the classes it is."""

    image: NDArray[np.float32]
    inside: NDArray[np.bool_]
    output: int


def run() -> Table:
    """Train a classifier, explain held-out images of other seeds, and count where the maximum lies."""
    classifier = _train([example(seed) for seed in range(TRAINING)])
    held_out = [example(seed) for seed in range(1_000_000, 1_000_000 + JUDGED)]
    right = np.mean([_predicted(classifier, one.image) == one.output for one in held_out])
    table = Table(
        f"Pointing test: a disc or a cross of {2 * RADIUS} px on a texture of {SIDE} x {SIDE} px",
        ("method", "images", "maximum in the object", "bar", "heat outside, mean", "random map: outside"),
        note=f"Accuracy of the classifier on the {JUDGED} images: {right:.3f}. A random map has as much heat outside "
        "as there are pixels outside. The bar is for Grad-CAM, the method that the docks start with.",
    )
    for method, count in METHODS:
        hits, outside = [], []
        for one in held_out[:count]:
            config = ExplainConfig(method=method, device="cpu")
            found: Explanation = result_of(explain_class(one.image, classifier, one.output, config))
            hits.append(bool(one.inside[found.peak]))
            outside.append(heat_outside(found.heat, one.inside))
        bar = "0.95" if method == "grad-cam" else ""
        chance = float(np.mean([1 - one.inside.mean() for one in held_out[:count]]))
        table.add(method, str(count), float(np.mean(hits)), bar, float(np.nanmean(outside)), chance)
        if bar:
            table.at_least(f"maximum in the object, {method}", float(np.mean(hits)), float(bar))
    return table


def example(seed: int) -> Example:
    """Make an image: correlated noise, shading, and one bright object of equal area in both classes."""
    rng = np.random.default_rng(seed)
    texture = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), rng.uniform(1, 3))
    texture = texture / texture.std() + ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), 12) * 12
    output = int(rng.integers(2))
    margin = RADIUS + 2
    rows, columns = np.indices((SIDE, SIDE)) - rng.uniform(margin, SIDE - margin, 2)[:, None, None]
    disc = rows**2 + columns**2 < (0.8 * RADIUS) ** 2
    cross = (np.minimum(abs(rows), abs(columns)) < 0.32 * RADIUS) & (np.maximum(abs(rows), abs(columns)) < RADIUS)
    shape = cross if output else disc
    image = texture + rng.uniform(4, 6) * ndimage.gaussian_filter(shape.astype(float), 0.7)
    return Example(image.astype(np.float32), ndimage.binary_dilation(shape, iterations=1), output)


def _train(examples: list[Example]) -> Classifier:
    torch.manual_seed(0)
    net = build_classifier(ClassifierConfig(filters=8, blocks=3, dropout=0.2))
    images = torch.from_numpy(np.stack([one.image for one in examples]))[:, None]
    images = (images - images.mean(dim=(1, 2, 3), keepdim=True)) / images.std(dim=(1, 2, 3), keepdim=True)
    outputs = torch.tensor([one.output for one in examples])
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 5e-3, total_steps=STEPS)
    generator = torch.Generator().manual_seed(0)
    for _ in range(STEPS):
        chosen = torch.randint(len(images), (BATCH,), generator=generator)
        loss = functional.cross_entropy(net(images[chosen]), outputs[chosen])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return Classifier(net.eval().requires_grad_(False), CLASSES, SIDE)


@torch.no_grad()
def _predicted(classifier: Classifier, image: NDArray[np.float32]) -> int:
    seen = torch.from_numpy(classifier.view.of(image).whole())[None]
    return int(classifier.net(seen).argmax())
