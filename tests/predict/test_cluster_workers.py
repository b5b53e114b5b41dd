"""Who may compute on a cluster, and what is said when nobody does: real workers and schedulers, frozen and killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_microcnn.config import ClassInfo, SegmentConfig, UNetConfig
from napari_microcnn.events import TileDone, result_of
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import Model
from napari_microcnn.nets import UNet
from napari_microcnn.predict import cluster_workers, segment
from napari_microcnn.predict.cluster import ClusterPredictor
from napari_microcnn.predict.cluster_workers import ClusterError, Workers
from napari_microcnn.predict.tiles import Tile

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning:distributed.*")


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(3)
    classes = tuple(ClassInfo(id=number, name=str(number), colour="#0072b2") for number in (1, 2))
    return Model(UNet(UNetConfig(width=4, depth=2)).eval(), classes)


@pytest.fixture(scope="module")
def steel() -> Micrograph:
    return Micrograph(np.random.default_rng(0).integers(0, 255, (200, 240)).astype(np.uint8), "YX")


def config(address: str, **others: Any) -> SegmentConfig:
    return SegmentConfig(device="cpu", tile=32, scheduler=address, **others)


def until(true: Callable[[], Any]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_what_nobody_offers_is_told_at_once(workers: Any) -> None:
    start = time.monotonic()
    with pytest.raises(ClusterError, match=r"No worker offers the resource 'GPU' \(SEM\)"):
        Workers(config(workers.scheduler_address, tag="GPU"))
    assert time.monotonic() - start < 5


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_workers, "CONNECT", 0.5)
    for address in ("tcp://127.0.0.1:9", "nonsense://1"):
        with pytest.raises(ClusterError, match="Nobody answers at"):
            Workers(config(address))


@contextmanager
def another_worker(address: str, path: Path) -> Iterator[None]:
    """Start a worker that looks for packages in a folder first."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "distributed.cli.dask_worker",
            address,
            "--no-nanny",
            "--nthreads",
            "1",
            "--no-dashboard",
        ],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(path), os.environ.get("PYTHONPATH", "")])},
        cwd=path,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def without_the_package(path: Path) -> None:
    (path / "napari_microcnn").mkdir()
    (path / "napari_microcnn" / "__init__.py").touch()


def with_another_version(path: Path) -> None:
    (path / "napari_microcnn-9.9.dist-info").mkdir()
    (path / "napari_microcnn-9.9.dist-info" / "METADATA").write_text("Name: napari-microcnn\nVersion: 9.9\n")


@pytest.mark.parametrize(
    ("prepare", "told"),
    [
        (without_the_package, r"napari-microcnn [\d.]+ is not installed where the worker tcp://\S+ runs"),
        (with_another_version, r"The worker tcp://\S+ has version 9\.9 of napari-microcnn, and this is"),
    ],
)
def test_workers_that_would_fail_are_told_at_first_and_get_nothing_to_do_later(
    workers: Any,
    model: Model,
    steel: Micrograph,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    prepare: Callable[[Path], None],
    told: str,
) -> None:
    prepare(tmp_path)
    there = config(workers.scheduler_address)
    with closing(ClusterPredictor(model, there)) as predictor, another_worker(workers.scheduler_address, tmp_path):
        roll = predictor._workers
        until(lambda: len(roll._told) == 3)
        assert len(roll.ready) == 2
        assert sum(isinstance(event, Tile) for event in predictor.tiles(steel.pixels)) == 56
        with pytest.raises(ClusterError, match=told):
            Workers(there)
        monkeypatch.setattr(roll, "_sort", lambda now: None)
        roll.ready, roll._last_sign = {}, 0.0  # as if the others were gone
        with pytest.raises(ClusterError, match=told):
            roll.check()
    with distributed.Client(workers.scheduler_address, set_as_default=False) as client:
        until(lambda: len(client.scheduler_info(n_workers=-1)["workers"]) == 2)


def test_workers_that_compute_differently_are_told(workers: Any) -> None:
    def pretend(bfloat16: bool) -> None:
        import torch

        from napari_microcnn.predict import worker

        real = torch.bfloat16 if bfloat16 else torch.float32
        worker.inference_precision = lambda *_: real

    def no_more() -> None:
        from napari_microcnn import device
        from napari_microcnn.predict import worker

        worker.inference_precision = device.inference_precision

    with distributed.Client(workers.scheduler_address, set_as_default=False) as client:
        one, other = client.scheduler_info(n_workers=-1)["workers"]
        client.run(pretend, True, workers=[one])
        client.run(pretend, False, workers=[other])
        try:
            with pytest.raises(ClusterError, match=r"differently \(cpu in bfloat16, cpu in float32\)"):
                Workers(config(workers.scheduler_address))
        finally:
            client.run(no_more)


def test_a_device_that_a_worker_lacks_is_told(workers: Any) -> None:
    with pytest.raises(ClusterError, match=r"The worker tcp://\S+ cannot compute so: .*'mps' is not available"):
        Workers(config(workers.scheduler_address).model_copy(update={"device": "mps"}))


def test_frozen_workers(model: Model, steel: Micrograph, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of two: the other does its work. Both: it is told."""
    local = result_of(segment(steel, model, SegmentConfig(device="cpu", tile=32)))
    monkeypatch.setattr(cluster_workers, "SILENCE", 2.0)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    ) as running:
        pids = [one.pid for one in running.workers.values()]
        try:
            jobs = [segment(steel, model, config(running.scheduler_address)) for _ in range(2)]
            for job in jobs:
                next(event for event in job if isinstance(event, TileDone))
            os.kill(pids[0], signal.SIGSTOP)
            np.testing.assert_array_equal(result_of(jobs[0]).classes, local.classes)
            os.kill(pids[1], signal.SIGSTOP)
            monkeypatch.setattr(cluster_workers, "PATIENCE", 3.0)
            with pytest.raises(ClusterError, match="do not answer; start them again"):
                list(jobs[1])
            monkeypatch.setattr(cluster_workers, "PATIENCE", 1.0)
            with pytest.raises(ClusterError, match="do not answer; start them again"):
                Workers(config(running.scheduler_address))
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)


_CLUSTER = (
    "from distributed import LocalCluster; import time\n"
    "if __name__ == '__main__':\n"
    "    c = LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=':0')\n"
    "    print(c.scheduler_address, flush=True); time.sleep(100)\n"
)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a scheduler with a worker in another process."""
    (tmp_path / "cluster.py").write_text(_CLUSTER)
    running = subprocess.Popen(
        [sys.executable, tmp_path / "cluster.py"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield running, running.stdout.readline().strip()
    finally:
        running.kill()
        running.communicate()


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
@pytest.mark.timeout(60)
def test_a_scheduler_that_is_gone_is_told(
    elsewhere: tuple[subprocess.Popen[str], str],
    model: Model,
    steel: Micrograph,
    monkeypatch: pytest.MonkeyPatch,
    sent: signal.Signals,
) -> None:
    running, address = elsewhere
    job = segment(steel, model, config(address))
    next(event for event in job if isinstance(event, TileDone))
    running.send_signal(sent)
    monkeypatch.setattr(cluster_workers, "PATIENCE", 2.0)
    with pytest.raises(ClusterError, match="does not answer any more"):
        list(job)
    monkeypatch.setattr(cluster_workers, "CONNECT", 1.0)
    with pytest.raises(ClusterError, match="Nobody answers at"):
        Workers(config(address))
