"""Grain boundaries of the shipped model on fresh synthetic and on real micrographs, against classical methods.

The folders come from the environment variable MICROCNN_GRAINS (several: separated as in PATH). A
folder holds ``image.*`` with ``boundary.*``, or ``images/`` with ``boundaries/`` of the same names;
boundaries are white on black. Of the classical methods each has its best threshold for every image,
chosen by the answer; the model has its default settings.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import skeletonize

from benchmarks.common import Table
from benchmarks.peers import best_peers
from napari_microcnn.events import result_of
from napari_microcnn.io.read import read_micrograph
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import Model, load_model
from napari_microcnn.predict.segment import Segmentation, segment
from napari_microcnn.synth import LOOKS, polycrystal

TOLERANCE, TOLERANCE_SYNTHETIC = 3, 2
FRESH_SEEDS = range(901, 903)
_SMALLEST = 20
"""Pixels of the smallest grain that is asked for."""

Mask = NDArray[np.bool_]
Labels = NDArray[np.int32]


class _Picture(NamedTuple):
    """A micrograph with its answer; `grains` only where it is known."""

    micrograph: Micrograph
    boundary: Mask
    grains: Labels | None
    tolerance: int


def run() -> Table:
    """Score the model ``grain-boundaries`` with its default settings, and its peers."""
    table = Table(
        "Grain boundaries, default settings",
        (
            "micrographs", "pictures", "boundary F1", "precision", "recall", "mean intercept, predicted / true",
            "grains right (IoU 0.5)", "best peer's F1", "ahead of every peer on", "mean F1 of the peers",
        ),
        note=f"Tolerance {TOLERANCE_SYNTHETIC} px on synthetic and {TOLERANCE} px on real micrographs. "
        + ("" if os.environ.get("MICROCNN_GRAINS") else "MICROCNN_GRAINS names no folder with references."),
    )  # fmt: skip
    model = load_model("grain-boundaries")
    for look in LOOKS:
        _add(table, f"synthetic, {look}", model, (_synthetic(look, seed) for seed in FRESH_SEEDS))
    for folder in os.environ.get("MICROCNN_GRAINS", "").split(os.pathsep):
        if folder:
            _add(table, Path(folder).name, model, _real(Path(folder)))
    return table


def _add(table: Table, name: str, model: Model, pictures: Iterator[_Picture]) -> None:
    """Add the row of one set of micrographs."""
    scores, right, peers = [], [], []
    for picture in pictures:
        result: Segmentation = result_of(segment(picture.micrograph, model))
        scores.append(_scores(np.asarray(result.classes) == 1, picture.boundary, picture.tolerance))
        if picture.grains is not None and result.labels is not None:
            right.append(grains_right(result.labels, picture.grains))
        grey = np.asarray(picture.micrograph.pixels)
        grey = grey if grey.ndim == 2 else grey[..., 0]

        def judge(found: Mask, picture: _Picture = picture) -> float:
            return _scores(found, picture.boundary, picture.tolerance)[0]

        peers.append(best_peers(grey, judge))
    ahead = sum(score[0] > max(peer.values()) for score, peer in zip(scores, peers, strict=True))
    means = {peer: float(np.mean([one[peer] for one in peers])) for peer in peers[0]}
    table.add(
        name, len(scores), *(float(value) for value in np.mean(scores, axis=0)),
        float(np.mean(right)) if right else "", max(means.values()), f"{ahead} of {len(scores)}",
        ", ".join(f"{peer} {value:.2f}" for peer, value in means.items()),
    )  # fmt: skip


def _synthetic(look: str, seed: int) -> _Picture:
    """Make a picture whose seed no training has used."""
    structure, imaging = LOOKS[look]
    made = polycrystal(structure.model_copy(update={"height": 512, "width": 512, "grains": 200}), imaging, seed)
    return _Picture(Micrograph(made.image), made.structure.boundaries, made.structure.grains, TOLERANCE_SYNTHETIC)


def _real(folder: Path) -> Iterator[_Picture]:
    for image, reference in _pairs(folder):
        yield _Picture(read_micrograph(image), _mask(reference), None, TOLERANCE)


def grains_right(found: Labels, true: Labels) -> float:
    """Return the share of the true grains that a found one matches with an IoU of more than 1/2."""
    rows, cols = int(true.max()) + 1, int(found.max()) + 1
    pairs = true.astype(np.int64) * cols + found
    keys, overlap = np.unique(pairs, return_counts=True)
    sizes, own = np.bincount(true.ravel(), minlength=rows), np.bincount(found.ravel(), minlength=cols)
    match = overlap / (sizes[keys // cols] + own[keys % cols] - overlap) > 0.5
    asked = sizes >= _SMALLEST
    asked[0] = False
    return float((match & asked[keys // cols]).sum() / max(asked.sum(), 1))


def _pairs(folder: Path) -> list[tuple[Path, Path]]:
    if (folder / "images").is_dir():
        references = {path.stem: path for path in (folder / "boundaries").iterdir()}
        return [(path, references[path.stem]) for path in sorted((folder / "images").iterdir())]
    return [(next(folder.glob("image.*")), next(folder.glob("boundary.*")))]


def _mask(path: Path) -> Mask:
    pixels = np.asarray(read_micrograph(path).pixels)
    return np.asarray((pixels[..., 0] if pixels.ndim == 3 else pixels) > 0)


def _scores(found: Mask, true: Mask, tolerance: int) -> tuple[float, float, float, float]:
    """Return F1, precision, recall and the ratio of the mean intercepts of two boundary maps."""
    found, true = (skeletonize(lines) for lines in (found, true))  # type: ignore[no-untyped-call]
    precision, recall = _within(found, true, tolerance), _within(true, found, tolerance)
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return f1, precision, recall, _crossings(true) / max(_crossings(found), 1)


def _within(points: Mask, target: Mask, tolerance: int) -> float:
    if not points.any() or not target.any():
        return 0.0
    return float((ndimage.distance_transform_edt(~target)[points] <= tolerance).mean())


def _crossings(lines: Mask) -> int:
    """Return how often all rows and columns meet a line; the mean intercept is inverse to it."""
    return sum(int((way[:, 1:] & ~way[:, :-1]).sum()) for way in (lines, lines.T))
