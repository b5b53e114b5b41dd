"""What "make it look like mine" brings on real micrographs, with default settings and nothing annotated.

The folders come from MICROCNN_GRAINS, see `benchmarks.grains`; MICROCNN_MINE_EVERY takes only every so manieth picture.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from benchmarks.common import Table
from benchmarks.grains import _mask, _pairs, _scores
from napari_microcnn.events import result_of
from napari_microcnn.io.read import read_micrograph
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import Model, load_model
from napari_microcnn.predict.resemblance import measure_look, windows_of
from napari_microcnn.predict.segment import Segmentation, segment
from napari_microcnn.train.adapting import Adapted, adapt


def run() -> Table:
    """Adapt the model ``grain-boundaries`` to every micrograph, and score it before and after."""
    table = Table(
        "Make it look like mine",
        ("micrograph", "boundary F1 before", "kept", "tried", "self-check", "seconds"),
        note="" if os.environ.get("MICROCNN_GRAINS") else "MICROCNN_GRAINS names no folder with references.",
    )
    model, gains = load_model("grain-boundaries"), []
    for folder in filter(None, os.environ.get("MICROCNN_GRAINS", "").split(os.pathsep)):
        for image, reference in _pairs(Path(folder))[:: int(os.environ.get("MICROCNN_MINE_EVERY", "1"))]:
            micrograph, start = read_micrograph(image), time.monotonic()
            look = measure_look(micrograph, model)
            windows = windows_of(micrograph, model, look.magnification)
            done: Adapted = result_of(adapt(model, (look.structure, look.imaging), windows))
            took, truth = time.monotonic() - start, _mask(reference)
            before, tried = (_f1(micrograph, one, truth) for one in (model, done.tried))
            kept = tried if done.check.better else before
            gains.append(kept - before)
            table.add(f"{Path(folder).name} {image.stem}", before, kept, tried, done.check.sentence, took)
    if gains:
        table.note = f"Mean gain {np.mean(gains):+.4f}, worst {np.min(gains):+.4f}."
    return table


def _f1(micrograph: Micrograph, model: Model, truth: np.ndarray) -> float:
    found: Segmentation = result_of(segment(micrograph, model))
    return _scores(np.asarray(found.classes) == 1, truth, 3)[0]
