"""Two workers of a Dask cluster against one, each with one thread, on the same machine and image."""

from __future__ import annotations

import time

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


def run() -> Table:
    """Segment the same image in turns; grains are closed on this machine, so only the class map is asked for."""
    import distributed

    table = Table(
        "Two workers against one",
        ("workers", "seconds (best)", "times as fast"),
        note=f"{SIDE} x {SIDE}, network of grain-boundaries, one thread each; reading, sending and putting together "
        "included. Bar: 1.7 where two cores are free. The answers are equal bit for bit.",
    )
    image, model = _image(), load_model("grain-boundaries")
    took: dict[int, list[float]] = {1: [], 2: []}
    answers: list[NDArray[np.uint8]] = []
    for count in (1, 2) * ROUNDS:  # one cluster at a time: workers are not idle even when they have nothing to do
        with distributed.LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=":0") as cluster:  # type: ignore[no-untyped-call]
            for turn in range(TURNS + 1):
                seconds, answer = _timed(image, model, cluster.scheduler_address)
                answers.append(answer)
                took[count] += [seconds] if turn else []  # in the first turn workers load the model
    if any(not np.array_equal(answer, answers[0]) for answer in answers):
        raise RuntimeError("The answers differ.")
    for count, times in took.items():
        table.add(str(count), min(times), min(took[1]) / min(times))
    return table


def _timed(image: Micrograph, model: Model, address: str) -> tuple[float, NDArray[np.uint8]]:
    config = SegmentConfig(magnification=1.0, objects=1, scheduler=address)
    start = time.perf_counter()
    classes: NDArray[np.uint8] = result_of(segment(image, model, config)).classes
    return time.perf_counter() - start, classes


def _image() -> Micrograph:
    structure, imaging = LOOKS["etched"]
    made = polycrystal(structure.model_copy(update={"height": 1024, "width": 1024, "grains": 960}), imaging, 0)
    return Micrograph(np.pad(made.image, (0, SIDE - 1024), mode="symmetric"), "YX")
