"""Two workers of a Dask cluster against one, each with one thread, on the same machine and image."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import Table
from napari_microcnn.config import SegmentConfig
from napari_microcnn.events import result_of
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import Model, load_model
from napari_microcnn.predict import segment
from napari_microcnn.synth import LOOKS, polycrystal

SIDE, ROUNDS, TURNS = 4096, 2, 2
KINDS = (("one orientation", 1), ("four orientations", 4))
Times = dict[tuple[int, int], list[float]]


def run() -> Table:
    """Segment the same image in turns; only the class map is asked for, since objects are numbered on this machine."""
    import distributed

    table = Table(
        "Two workers against one",
        ("network sees", "workers", "seconds (best)", "times as fast"),
        note=f"{SIDE} x {SIDE}, network of grain-boundaries, one thread each; reading, sending and putting together "
        "included. Models that were taught with strokes see images in four orientations. Bar: 1.7 where two cores are "
        "free. The answers are equal bit for bit.",
    )
    image, model = _image(), replace(load_model("grain-boundaries"), objects=None)
    took: Times = {(orientations, count): [] for _, orientations in KINDS for count in (1, 2)}
    answers: dict[int, list[NDArray[np.uint8]]] = {orientations: [] for _, orientations in KINDS}
    for count in (1, 2) * ROUNDS:  # one cluster at a time: workers are not idle even when they have nothing to do
        with distributed.LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=":0") as cluster:  # type: ignore[no-untyped-call]
            for _, orientations in KINDS:
                for turn in range(TURNS + 1):
                    seconds, answer = _timed(image, model, orientations, cluster.scheduler_address)
                    answers[orientations].append(answer)
                    took[orientations, count] += [seconds] if turn else []  # in the first turn workers load the model
    if any(not np.array_equal(answer, some[0]) for some in answers.values() for answer in some):
        raise RuntimeError("The answers differ.")
    for name, orientations in KINDS:
        for count in (1, 2):
            best = min(took[orientations, count])
            table.add(name, str(count), best, min(took[orientations, 1]) / best)
    for row in table.rows[1::2]:
        table.at_least(f"two workers, times as fast: {row[0]}", float(row[3]), 1.7)
    return table


def _timed(image: Micrograph, model: Model, orientations: int, address: str) -> tuple[float, NDArray[np.uint8]]:
    config = SegmentConfig(magnification=1.0, orientations=orientations, scheduler=address)
    start = time.perf_counter()
    classes: NDArray[np.uint8] = result_of(segment(image, model, config)).classes
    return time.perf_counter() - start, classes


def _image() -> Micrograph:
    structure, imaging = LOOKS["etched"]
    made = polycrystal(structure.model_copy(update={"height": 1024, "width": 1024, "grains": 960}), imaging, 0)
    return Micrograph(np.pad(made.image, (0, SIDE - 1024), mode="symmetric"), "YX")
