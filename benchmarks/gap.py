"""Whether the domain-gap meter predicts failure: its rank correlation with 1 - F1 on real and alien images.

The real micrographs come from MICROCNN_GRAINS, see `benchmarks.grains`, and those without grain
boundaries from MICROCNN_PHASES, see `benchmarks.micrographs`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, stats

from benchmarks.common import Table
from benchmarks.grains import _mask, _pairs, _scores
from napari_microcnn.config import ImagingConfig, IsingConfig, SteelConfig, VoronoiConfig
from napari_microcnn.events import result_of
from napari_microcnn.io.read import read_micrograph
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import load_model
from napari_microcnn.predict.gap import domain_gap
from napari_microcnn.predict.segment import Segmentation, segment
from napari_microcnn.synth import LOOKS, ising, polycrystal, steel

SIDE = 256
SEED = 950

Mask = NDArray[np.bool_]


def run() -> Table:
    """Measure gap and F1 of every image; where no grain boundaries are, F1 is 0."""
    table = Table("Domain gap against failure", ("image", "gap", "light", "boundary F1 (3 px)", "reason"))
    model = load_model("grain-boundaries")
    gaps, errors = [], []
    for name, micrograph, truth in _images():
        found: Segmentation = result_of(segment(micrograph, model))
        f1 = 0.0 if truth is None else _scores(np.asarray(found.classes) == 1, truth, 3)[0]
        gap = domain_gap(micrograph, model, magnification=found.magnification[0])
        gaps.append(gap.disagreement)
        errors.append(1 - f1)
        table.add(name, gap.disagreement, gap.light, f1, gap.reason)
    table.note = f"Spearman's rank correlation of gap and 1 - F1: {stats.spearmanr(gaps, errors).statistic:.3f}"
    return table


def _images() -> Iterator[tuple[str, Micrograph, Mask | None]]:
    for folder in filter(None, os.environ.get("MICROCNN_GRAINS", "").split(os.pathsep)):
        for image, reference in _pairs(Path(folder)):
            yield f"{Path(folder).name} {image.stem}", read_micrograph(image), _mask(reference)
    for look, (structure, imaging) in LOOKS.items():
        made = polycrystal(structure, imaging, SEED)
        yield f"synthetic, {look}", Micrograph(made.image), made.structure.boundaries
    yield from _disturbed()
    yield from _aliens()
    for folder in filter(None, os.environ.get("MICROCNN_PHASES", "").split(os.pathsep)):
        for image in sorted((Path(folder) / "images").iterdir()):
            yield f"{Path(folder).name} {image.stem}", read_micrograph(image), None


def _disturbed() -> Iterator[tuple[str, Micrograph, Mask | None]]:
    """Yield polycrystals beyond what anything was trained on, with known truth."""
    rng = np.random.default_rng(SEED)
    made = polycrystal(*LOOKS["etched"], SEED)
    truth, image = made.structure.boundaries, made.image.astype(np.float32)
    changes = {
        "inverted": 255 - image,
        "noise 0.3": image + rng.normal(0, 76, image.shape),
        "noise 1": image + rng.normal(0, 255, image.shape),
        "blur 4 px": ndimage.gaussian_filter(image, 4),
        "blur 10 px": ndimage.gaussian_filter(image, 10),
    }
    for name, changed in changes.items():
        yield f"etched, {name}", Micrograph(np.clip(changed, 0, 255).astype(np.uint8)), truth
    fine = polycrystal(VoronoiConfig(grains=5000, thickness=1), ImagingConfig(), SEED)
    yield "3.6 px per grain", Micrograph(fine.image), fine.structure.boundaries


def _aliens() -> Iterator[tuple[str, Micrograph, Mask | None]]:
    """Yield images without any grain boundaries."""
    rng = np.random.default_rng(SEED)
    for temperature in (1.6, 2.27, 4.0):
        config = IsingConfig(side=SIDE, coldest=temperature, hottest=temperature, temperatures=1)
        yield f"Ising, T = {temperature}", Micrograph(ising(config, SEED).image), None
    for kind in ("martensite", "bainite", "pearlite"):
        yield kind, Micrograph(steel(SteelConfig(height=SIDE, width=SIDE), kind, SEED).image), None
    blobs = np.zeros((SIDE, SIDE))
    blobs[tuple(rng.integers(0, SIDE, (2, 60)))] = 1
    discs = ndimage.distance_transform_edt(blobs == 0) < 9
    yield "particles", Micrograph((60 + 130 * discs + rng.normal(0, 8, discs.shape)).astype(np.uint8)), None
    yield "noise", Micrograph(rng.integers(0, 255, (SIDE, SIDE)).astype(np.uint8)), None
    yield "ramp", Micrograph(np.tile(np.arange(SIDE, dtype=np.uint8), (SIDE, 1))), None
