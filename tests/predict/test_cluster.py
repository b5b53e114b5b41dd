"""Tiles on the workers of a real Dask cluster: the same numbers, whoever dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_microcnn.config import ClassInfo, ObjectRule, SegmentConfig, UNetConfig
from napari_microcnn.events import Finished, TileDone, result_of
from napari_microcnn.io.multiscale import open_multiscale
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import Model
from napari_microcnn.nets import UNet
from napari_microcnn.predict import cluster, segment, segment_large

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning:distributed.*")
TILE = 64


@pytest.fixture(scope="module")
def workers() -> Iterator[Any]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", resources={"SEM": 1}
    ) as running:
        yield running


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(3)
    classes = tuple(ClassInfo(id=number, name=str(number), colour="#0072b2") for number in (1, 2))
    net = UNet(UNetConfig(width=8, depth=3)).eval()
    return Model(net, classes, objects=ObjectRule(kind="particles", class_id=2))


@pytest.fixture(scope="module")
def steel() -> Micrograph:
    return Micrograph(np.random.default_rng(0).integers(0, 255, (300, 420)).astype(np.uint8), "YX")


def config(running: Any, **others: Any) -> SegmentConfig:
    return SegmentConfig(device="cpu", tile=TILE, scheduler=running.scheduler_address, **others)


def test_the_same_bits(workers: Any, model: Model, steel: Micrograph) -> None:
    local = result_of(segment(steel, model, SegmentConfig(device="cpu", tile=TILE, keep_probabilities=True)))
    events = list(segment(steel, model, config(workers, tag="SEM", keep_probabilities=True)))
    there = events[-1].result
    np.testing.assert_array_equal(there.probabilities, local.probabilities)
    np.testing.assert_array_equal(there.labels, local.labels)
    assert there.computed == local.computed
    tiles = [event for event in events if isinstance(event, TileDone)]
    assert [(tile.done, tile.total) for tile in tiles] == [(number, 35) for number in range(1, 36)]
    assert "scheduler" not in there.config.model_dump()


def test_the_overview_and_turns_on_workers(workers: Any, model: Model, steel: Micrograph) -> None:
    turned = replace(model, orientations=2, overview=True)
    local = result_of(segment(steel, turned, SegmentConfig(device="cpu", tile=TILE)))
    np.testing.assert_array_equal(result_of(segment(steel, turned, config(workers))).classes, local.classes)


def test_large_images(workers: Any, model: Model, steel: Micrograph, tmp_path: Path) -> None:
    for name, settings in (("here", SegmentConfig(device="cpu", tile=TILE)), ("there", config(workers))):
        result_of(segment_large(steel, model, settings, tmp_path / f"{name}.ome.zarr"))
    here, there = (open_multiscale(tmp_path / f"{name}.ome.zarr") for name in ("here", "there"))
    for one, other in ((here[0], there[0]), (here[1]["objects"], there[1]["objects"])):
        np.testing.assert_array_equal(one[...], other[...])


def test_what_nobody_offers_is_told_at_once(workers: Any, model: Model, steel: Micrograph) -> None:
    start = time.monotonic()
    with pytest.raises(cluster.ClusterError, match=r"No worker offers the resource 'GPU' \(SEM\)"):
        list(segment(steel, model, config(workers, tag="GPU")))
    assert time.monotonic() - start < 5


def test_nobody_answers(model: Model, steel: Micrograph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT", 0.5)
    for address in ("tcp://127.0.0.1:9", "nonsense://1"):
        with pytest.raises(cluster.ClusterError, match="Nobody answers at"):
            list(segment(steel, model, SegmentConfig(scheduler=address)))


def test_stopping_leaves_nothing_behind(workers: Any, model: Model, steel: Micrograph) -> None:
    before = threading.active_count()
    job = segment(steel, model, config(workers))
    next(job)
    job.close()
    with distributed.Client(workers.scheduler_address, set_as_default=False) as client:
        assert not any(client.processing().values())
    end = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.05)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("tiles")]


def test_a_worker_that_is_killed_is_replaced_by_others(model: Model, steel: Micrograph) -> None:
    local = result_of(segment(steel, model, SegmentConfig(device="cpu", tile=TILE)))
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    ) as running:
        killed = False
        for event in segment(steel, model, config(running)):
            if isinstance(event, TileDone) and not killed:
                os.kill(running.workers[0].pid, signal.SIGKILL)
                killed = True
            if isinstance(event, Finished):
                np.testing.assert_array_equal(event.result.classes, local.classes)
    assert killed


def test_a_scheduler_that_is_killed_is_told(
    model: Model, steel: Micrograph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 2.0)
    code = (
        "from distributed import LocalCluster; import time\n"
        "if __name__ == '__main__':\n"
        "    c = LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=':0')\n"
        "    print(c.scheduler_address, flush=True); time.sleep(100)\n"
    )
    (tmp_path / "cluster.py").write_text(code)
    running = subprocess.Popen(
        [sys.executable, tmp_path / "cluster.py"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        address = running.stdout.readline().strip()
        job = segment(steel, model, SegmentConfig(device="cpu", tile=32, scheduler=address))
        next(event for event in job if isinstance(event, TileDone))
        running.kill()
        start = time.monotonic()
        with pytest.raises(cluster.ClusterError, match="does not answer any more"):
            list(job)
        assert time.monotonic() - start < 30
    finally:
        running.kill()
        running.communicate()


def test_results_on_their_way_are_waited_for(
    workers: Any, model: Model, steel: Micrograph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_WAIT", 1e-4)  # shorter than any result needs
    local = result_of(segment(steel, model, SegmentConfig(device="cpu", tile=TILE)))
    np.testing.assert_array_equal(result_of(segment(steel, model, config(workers))).classes, local.classes)
