"""Tiles on the workers of a real Dask cluster: the same numbers, whoever dies."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_microcnn.config import ClassInfo, ObjectRule, SegmentConfig, UNetConfig
from napari_microcnn.data.windows import Box
from napari_microcnn.events import Job, TileDone, result_of
from napari_microcnn.io.multiscale import open_multiscale
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import Model
from napari_microcnn.nets import UNet
from napari_microcnn.predict import cluster, segment, segment_large
from napari_microcnn.predict.cluster import ClusterPredictor

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning:distributed.*")
TILE = 64


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


def test_a_worker_that_is_killed_is_replaced_by_others(model: Model, steel: Micrograph, tmp_path: Path) -> None:
    here = SegmentConfig(device="cpu", tile=TILE)
    local = result_of(segment(steel, model, here))
    result_of(segment_large(steel, model, here, tmp_path / "here.ome.zarr"))
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    ) as running:
        there = killing(running.workers[0].pid, segment(steel, model, config(running)))
        np.testing.assert_array_equal(there.classes, local.classes)
        killing(running.workers[1].pid, segment_large(steel, model, config(running), tmp_path / "there.ome.zarr"))
    assert written(tmp_path / "there.ome.zarr") == written(tmp_path / "here.ome.zarr")


def killing(pid: int, job: Job[Any]) -> Any:
    """Return the result of a job, and kill a process meanwhile."""
    next(event for event in job if isinstance(event, TileDone))
    os.kill(pid, signal.SIGKILL)
    return result_of(job)


def written(path: Path) -> list[bytes]:
    classes, labels = open_multiscale(path)
    return [classes[...].tobytes(), labels["objects"][...].tobytes()]


def test_the_model_is_sent_and_read_once_per_worker(workers: Any, model: Model, steel: Micrograph) -> None:
    def watch(dask_worker: Any) -> None:
        from napari_microcnn.predict import worker

        def noting(name: str) -> Any:
            do = getattr(worker, name)
            return lambda content: worker.noted.append(name) or do(content)

        worker._KNOWN.clear()
        worker.noted = []
        dask_worker.transfer_incoming_log.clear()
        worker.kept, worker._model_in = noting("kept"), noting("_model_in")

    def noted(dask_worker: Any) -> tuple[list[str], int]:
        from napari_microcnn.predict import worker

        came = [key for entry in dask_worker.transfer_incoming_log for key in entry["keys"]]
        return worker.noted, sum(key.startswith("microcnn-model") for key in came)

    with distributed.Client(workers.scheduler_address, set_as_default=False) as client:
        client.run(watch)
        events = list(segment(steel, model, config(workers)))
        found = list(client.run(noted).values())
    assert sum(isinstance(event, TileDone) for event in events) == 35
    assert [names.count("_model_in") for names, _ in found] == [1, 1]
    assert sum(names.count("kept") for names, _ in found) == 1  # from here
    assert sum(came for _, came in found) == 1  # and from one worker to the other


@pytest.mark.parametrize("megabytes", [1, 64])
def test_tiles_fit_the_workers_and_not_this_computer(
    workers: Any, model: Model, steel: Micrograph, megabytes: int
) -> None:
    def pretend(memory: int | None) -> None:
        from napari_microcnn import device
        from napari_microcnn.predict import worker

        worker.available_memory = device.available_memory if memory is None else lambda _: memory

    local = result_of(segment(steel, model, SegmentConfig(device="cpu", tile=TILE, precision="float32")))
    with distributed.Client(workers.scheduler_address, set_as_default=False) as client:
        client.run(pretend, megabytes * 4 << 20)
        try:
            there = config(workers, precision="float32").model_copy(update={"tile": None})
            events = list(segment(steel, model, there))
        finally:
            client.run(pretend, None)
    tiles = sum(isinstance(event, TileDone) for event in events)
    assert tiles > 10 if megabytes == 1 else 1 <= tiles <= 4
    np.testing.assert_array_equal(events[-1].result.classes, local.classes)


def test_there_are_tiles_for_all_workers(workers: Any, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(ClusterPredictor(model, config(workers).model_copy(update={"tile": None}))) as predictor:
        monkeypatch.setattr(predictor, "_workspace", lambda: 4 << 30)  # as on a card
        assert predictor.tile_side((4096, 4096)) > 2000
        assert predictor._fair_side((4096, 4096)) <= 2048
        assert predictor._fair_side((600, 600)) >= 512


def test_no_more_tiles_are_on_their_way_than_fit_the_memory(
    workers: Any, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane, boxes = np.zeros((4096, 4096), np.uint8), [Box(0, 2048, 0, 2048)]
    running, most = [0], [0]

    def do(item: int) -> int:
        running[0] += 1
        most.append(running[0])
        time.sleep(0.02)
        running[0] -= 1
        return item

    with closing(ClusterPredictor(model, config(workers))) as predictor:
        monkeypatch.setattr(cluster, "available_memory", lambda _: 1 << 40)
        assert predictor._in_flight(plane, boxes) == 64
        monkeypatch.setattr(cluster, "available_memory", lambda _: 2 << 30)
        assert 1 < predictor._in_flight(plane, boxes) < 10
        monkeypatch.setattr(cluster, "available_memory", lambda _: 1 << 20)
        assert predictor._in_flight(plane, boxes) == 1
        assert sorted(item for item, _ in predictor.each(do, range(8), 1)) == list(range(8))
    assert max(most) == 1


def test_results_on_their_way_are_waited_for(
    workers: Any, model: Model, steel: Micrograph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "LOOK", 1e-4)  # shorter than any result needs
    local = result_of(segment(steel, model, SegmentConfig(device="cpu", tile=TILE)))
    np.testing.assert_array_equal(result_of(segment(steel, model, config(workers))).classes, local.classes)
