"""Faults of a Dask cluster, each with a scheduler and workers of its own: what becomes of a job, and when."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import Table
from benchmarks.specimens import tiny_model
from napari_microcnn.config import SegmentConfig
from napari_microcnn.events import Finished, TileDone
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.predict import segment
from napari_microcnn.predict.cluster_workers import ClusterError

SIDE, TILE, BAR = 1024, 64, 30.0
Fault = Callable[["_Cluster"], None]


class _Cluster:
    """A scheduler and two workers, as processes that nobody restarts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        told = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(told))
        while not told.exists() or not told.read_text():
            time.sleep(0.1)
        self.address = str(json.loads(told.read_text())["address"])
        self.workers: list[subprocess.Popen[bytes]] = []
        self.join()
        self.join()

    def join(self, packages: Path | None = None) -> None:
        """Start another worker, which looks for packages in a folder first."""
        from distributed import Client

        self.workers.append(self._start("worker", self.address, "--no-nanny", "--nthreads", "1", packages=packages))
        with Client(self.address, set_as_default=False) as client:  # type: ignore[no-untyped-call]
            client.wait_for_workers(len(self.workers))

    def without_package(self) -> Path:
        """Return a folder that hides the package."""
        (self._folder / "napari_microcnn").mkdir(exist_ok=True)
        (self._folder / "napari_microcnn" / "__init__.py").touch()
        return self._folder

    def with_another_version(self) -> Path:
        """Return a folder that says that the package has another version."""
        place = self._folder / "napari_microcnn-9.9.dist-info"
        place.mkdir(exist_ok=True)
        (place / "METADATA").write_text("Name: napari-microcnn\nVersion: 9.9\n")
        return self._folder

    def end(self) -> None:
        """Kill what is left."""
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()

    def _start(self, kind: str, *words: str, packages: Path | None = None) -> subprocess.Popen[bytes]:
        places = [*([str(packages)] if packages else []), os.environ.get("PYTHONPATH", "")]
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--no-dashboard", *words],
            cwd=self._folder,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(places), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def _to_workers(sent: signal.Signals, which: slice) -> Fault:
    def do(cluster: _Cluster) -> None:
        for worker in cluster.workers[which]:
            worker.send_signal(sent)

    return do


def _to_scheduler(sent: signal.Signals) -> Fault:
    return lambda cluster: cluster.scheduler.send_signal(sent)


def _joining(packages: Callable[[_Cluster], Path]) -> Fault:
    return lambda cluster: cluster.join(packages(cluster))


_KILL, _STOP = signal.SIGKILL, signal.SIGSTOP
BEFORE: dict[str, Fault] = {
    "no worker offers the resource": lambda _: None,
    "package missing on a worker": _joining(_Cluster.without_package),
    "another version on a worker": _joining(_Cluster.with_another_version),
    "one of two workers frozen, then the job begins": _to_workers(_STOP, slice(1)),
    "both workers frozen, then the job begins": _to_workers(_STOP, slice(2)),
    "scheduler frozen, then the job begins": _to_scheduler(_STOP),
    "scheduler killed, then the job begins": _to_scheduler(_KILL),
}
DURING: dict[str, Fault] = {
    "one of two workers killed": _to_workers(_KILL, slice(1)),
    "both workers killed": _to_workers(_KILL, slice(2)),
    "scheduler killed": _to_scheduler(_KILL),
    "one of two workers frozen": _to_workers(_STOP, slice(1)),
    "both workers frozen": _to_workers(_STOP, slice(2)),
    "scheduler frozen": _to_scheduler(_STOP),
    "a worker without the package joins": _joining(_Cluster.without_package),
}


def run() -> Table:
    """Do every fault before a job or in the middle of it, and wait for the end."""
    table = Table(
        "Faults of a cluster",
        ("what is done", "what happens", "seconds", "bar"),
        note=f"{SIDE} x {SIDE} in tiles of {TILE}, two workers of one thread. Seconds from the fault, or from the "
        "beginning of the job where that is later, to its end.",
    )
    here = _classes(SegmentConfig(device="cpu", tile=TILE))
    for name, fault in (BEFORE | DURING).items():
        with tempfile.TemporaryDirectory() as folder:
            cluster = _Cluster(Path(folder))
            try:
                happened, seconds = _done(cluster, fault, name in DURING, "resource" in name, here)
            finally:
                cluster.end()
        table.add(name, happened, f"{seconds:.1f}", f"{BAR:.0f}")
        table.at_most(f"{name}: finishes or is told (s)", seconds, BAR)
    return table


def _done(cluster: _Cluster, fault: Fault, during: bool, tagged: bool, here: NDArray[np.uint8]) -> tuple[str, float]:
    if not during:
        fault(cluster)
    start = time.monotonic()
    config = SegmentConfig(device="cpu", tile=TILE, scheduler=cluster.address, tag="GPU" if tagged else None)

    def strike() -> None:
        nonlocal start
        fault(cluster)
        start = time.monotonic()

    try:
        classes = _classes(config, strike if during else None)
    except ClusterError as error:
        return f"told: {str(error).replace(cluster.address, 'ADDRESS')}", time.monotonic() - start
    same = "equal bit for bit" if np.array_equal(classes, here) else "DIFFERENT"
    return f"finishes, {same}", time.monotonic() - start


def _classes(config: SegmentConfig, strike: Callable[[], None] | None = None) -> NDArray[np.uint8]:
    """Segment; something happens after a tenth of the tiles."""
    image = Micrograph(np.random.default_rng(0).integers(0, 255, (SIDE, SIDE)).astype(np.uint8), "YX")
    for event in segment(image, tiny_model(), config):
        if isinstance(event, TileDone) and strike is not None and 10 * event.done > event.total:
            strike()
            strike = None
        if isinstance(event, Finished):
            classes: NDArray[np.uint8] = event.result.classes
    return classes
