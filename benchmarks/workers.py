"""Two workers of a Dask cluster against one, each with one thread, on the same machine and image."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import Table
from napari_microcnn.config import SegmentConfig
from napari_microcnn.events import result_of
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import Model, load_model
from napari_microcnn.predict import Segmentation, segment
from napari_microcnn.synth import LOOKS, polycrystal

SIDE, ROUNDS, TURNS = 4096, 2, 2
KINDS = (("one orientation", 1, False), ("four orientations", 4, False), ("one, and grains are numbered", 1, True))
"""How the network sees the image, in how many orientations, and whether objects are numbered too."""
Times = dict[tuple[str, int], list[float]]


def run() -> Table:
    """Segment the same image in turns: the class map, which workers make, or all, with the grains numbered here."""
    import distributed

    table = Table(
        "Two workers against one",
        ("network sees", "workers", "seconds (best)", "times as fast", "bar"),
        note=f"{SIDE} x {SIDE}, network of grain-boundaries, one thread each; reading, sending and putting together "
        "included. Models that were taught with strokes see images in four orientations. The bar holds where two cores "
        "are free. Grains of one image are numbered by the one who asks, so that workers cannot make that faster, and "
        "there is no bar; of a folder of images they do all of it. The answers are equal bit for bit.",
    )
    image, model = _image(), load_model("grain-boundaries")
    took: Times = {(name, count): [] for name, *_ in KINDS for count in (1, 2)}
    answers: dict[str, list[NDArray[Any]]] = {name: [] for name, *_ in KINDS}
    for count in (1, 2) * ROUNDS:  # one cluster at a time: workers are not idle even when they have nothing to do
        with distributed.LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=":0") as cluster:  # type: ignore[no-untyped-call]
            for name, orientations, objects in KINDS:
                asked = model if objects else replace(model, objects=None)
                for turn in range(TURNS + 1):
                    seconds, answer = _timed(image, asked, orientations, cluster.scheduler_address)
                    answers[name].append(answer)
                    took[name, count] += [seconds] if turn else []  # in the first turn workers load the model
    if any(not np.array_equal(answer, some[0]) for some in answers.values() for answer in some):
        raise RuntimeError("The answers differ.")
    for name, _, objects in KINDS:
        for count in (1, 2):
            best = min(took[name, count])
            table.add(name, str(count), best, min(took[name, 1]) / best, "1.7" if count == 2 and not objects else "")
    for row in table.rows:
        if row[4]:
            table.at_least(f"two workers, times as fast: {row[0]}", float(row[3]), 1.7)
    return table


def _timed(image: Micrograph, model: Model, orientations: int, address: str) -> tuple[float, NDArray[Any]]:
    config = SegmentConfig(magnification=1.0, orientations=orientations, scheduler=address)
    start = time.perf_counter()
    result: Segmentation = result_of(segment(image, model, config))
    return time.perf_counter() - start, result.classes if result.labels is None else result.labels


def _image() -> Micrograph:
    structure, imaging = LOOKS["etched"]
    made = polycrystal(structure.model_copy(update={"height": 1024, "width": 1024, "grains": 960}), imaging, 0)
    return Micrograph(np.pad(made.image, (0, SIDE - 1024), mode="symmetric"), "YX")
