"""Prediction of tiles on the workers of a Dask cluster, the same numbers as on this machine."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from napari_microcnn.config import SegmentConfig
from napari_microcnn.data.normalisation import IntensityLimits, intensity_limits
from napari_microcnn.data.windows import Box, seen_around, split
from napari_microcnn.events import Notice
from napari_microcnn.micrograph import Pixels
from napari_microcnn.models import Model, save_model
from napari_microcnn.predict import worker
from napari_microcnn.predict.tiles import Tile, TilePredictor

CONNECT, PATIENCE = 10.0, 20.0
"""Seconds within which a scheduler must answer, and a cluster that has lost all its workers must have another."""
_RETRIES, _AHEAD = 3, 2
_WAIT = 0.5
_MOST = 64
"""Tiles in flight, at most: they are in memory here."""

T = TypeVar("T")
R = TypeVar("R")


class ClusterError(ValueError):
    """The cluster cannot compute; the message says why and what to do."""


@contextmanager
def predictor_for(model: Model, config: SegmentConfig) -> Iterator[TilePredictor]:
    """Make a model ready to predict, where the settings say: here, or on the workers of a cluster."""
    if config.scheduler is None:
        yield TilePredictor(model, config)
        return
    predictor = ClusterPredictor(model, config)
    try:
        yield predictor
    finally:
        predictor.close()


class ClusterPredictor(TilePredictor):
    """Predicts on the workers of a Dask cluster: pixels are read and put together here, the network runs there.

    Workers that are lost are replaced by others; the model is sent to every worker once. Files need not be shared.

    Parameters
    ----------
    model : Model
    config : SegmentConfig
        `scheduler` is the address, `tag` a resource that workers must offer; `device` and `precision` are those of the
        workers.

    Raises
    ------
    ClusterError
        If nobody answers at the address, no worker offers the resource, or workers have another version.
    """

    def __init__(self, model: Model, config: SegmentConfig) -> None:
        self._client = _connected(str(config.scheduler))
        self._over = threading.Event()
        self._needs = {} if config.tag is None else {config.tag: 1}
        self._lonely_since: float | None = None
        try:
            device, precision = self._agreed(config)
            super().__init__(model, config.model_copy(update={"device": "cpu", "precision": "float32"}))
            self.precision = getattr(torch, precision)  # which this computer need not be able to compute in
            settings = config.model_copy(update={"device": device, "precision": precision}).model_dump_json()
            self._settings, content = settings, _file_of(model)
            self._sha = hashlib.sha256(content).hexdigest()
            # A task and no scattered value: should its only holder die, the scheduler makes it again.
            self._sent = self._client.submit(worker.kept, content, key=f"microcnn-model-{self._sha}")
            # Else the scheduler gives work to who has the model first, and to others when they steal from it.
            self._ready = [
                self._client.submit(
                    worker.with_predictor, worker.idle, self._sent, self._sha, settings,
                    workers=[address], allow_other_workers=True, resources=self._needs or None, pure=False,
                )
                for address in self._able()
            ]  # fmt: skip
        except BaseException:
            self._client.close()
            raise
        del self._net  # the network is needed on the workers only
        self.computed_on = device

    def close(self) -> None:
        """Stop what is computed for this job, and leave the cluster."""
        self._over.set()
        self._client.close(timeout=CONNECT)

    def _agreed(self, config: SegmentConfig) -> tuple[str, str]:
        """Return device and precision of the workers that may compute, which all have our version."""
        from distributed.comm.core import CommClosedError

        workers = self._able()
        if not workers:
            raise ClusterError(self._nobody())
        try:
            told: Mapping[str, Any] = self._client.run(worker.describe, config.model_dump_json(), workers=workers)
        except ModuleNotFoundError as error:
            raise ClusterError(
                "napari-microcnn is not installed where the workers run; install the same version there."
            ) from error
        except (OSError, CommClosedError, TimeoutError) as error:
            raise ClusterError(
                f"The workers of {config.scheduler} do not answer ({error}); start them again."
            ) from error
        ours = version("napari-microcnn")
        if others := {str(one["version"]) for one in told.values()} - {ours}:
            raise ClusterError(
                f"Workers have version {', '.join(sorted(others))} of napari-microcnn, and this is {ours}, so results "
                "would differ; install the same everywhere."
            )
        found = sorted({(str(one["device"]), str(one["precision"])) for one in told.values()})
        if len(found) > 1:
            kinds = ", ".join(" in ".join(one) for one in found)
            raise ClusterError(
                f"The workers compute differently ({kinds}), so results would depend on chance; choose a resource that "
                "only one kind offers, or a device and a precision that all have."
            )
        return found[0]

    def _able(self) -> list[str]:
        """Return the addresses of the workers that offer what is needed."""
        workers = self._client.scheduler_info(n_workers=-1)["workers"]
        return [
            address
            for address, about in workers.items()
            if all(about.get("resources", {}).get(name, 0) >= amount for name, amount in self._needs.items())
        ]

    def _nobody(self) -> str:
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        if not workers:
            return "The cluster has no worker; start one with: dask worker ADDRESS"
        offered = sorted({name for about in workers for name in about.get("resources", {})})
        [tag] = self._needs
        return (
            f"No worker offers the resource {tag!r} ({', '.join(offered) or 'none is offered'}); start one with: "
            f"dask worker ADDRESS --resources {tag}=1"
        )

    def tiles(
        self, plane: Pixels, limits: IntensityLimits | None = None, box: Box | None = None
    ) -> Iterator[Notice | Tile]:
        """Do as `TilePredictor.tiles`, several tiles at a time, in the order in which they come."""
        limits = limits or intensity_limits(plane)
        whole = box or Box(0, int(plane.shape[0]), 0, int(plane.shape[1]))
        boxes = dict(enumerate(split(whole, self.tile_side(whole.shape))))
        done = 0
        for finished, (_, events) in enumerate(self.boxes(plane, limits, boxes), 1):
            for event in events:
                if isinstance(event, Notice):
                    yield event
                    continue
                done += 1
                left = event.total - event.done + len(boxes) - finished
                yield replace(event, done=done, total=done + left)

    def boxes(
        self, plane: Pixels, limits: IntensityLimits, boxes: Mapping[int, Box]
    ) -> Iterator[tuple[int, list[Notice | Tile]]]:
        """Do as `TilePredictor.boxes`, with several boxes in flight, in the order in which they come."""
        one_box = super().tiles
        yield from (
            (number, said)
            for (number, _), said in self.each(
                lambda numbered: list(one_box(plane, limits, numbered[1])), boxes.items()
            )
        )

    def each(self, do: Callable[[T], R], items: Iterable[T]) -> Iterator[tuple[T, R]]:
        """Do something that waits for workers with all items, several at a time; yields what comes first first."""
        waiting, flying = list(items)[::-1], dict[Future[R], T]()
        threads = min(_MOST, _AHEAD * max(1, sum(self._client.nthreads().values())))
        with ThreadPoolExecutor(threads, "tiles") as pool:
            try:
                while waiting or flying:
                    while waiting and len(flying) < threads:
                        item = waiting.pop()
                        flying[pool.submit(do, item)] = item
                    for future in wait(flying, return_when=FIRST_COMPLETED).done:
                        item = flying.pop(future)
                        yield item, future.result()
            finally:
                if flying:
                    self._over.set()
                pool.shutdown(wait=True, cancel_futures=True)

    def look(self, plane: Pixels, box: Box, limits: IntensityLimits) -> NDArray[np.float32]:
        """Do as `TilePredictor.look`, on a worker: it gets the pixels as they are, which mostly are bytes."""
        seen = seen_around(box, (int(plane.shape[0]), int(plane.shape[1])), **self.surroundings)
        pixels = np.asarray(plane[seen.slices])
        found: NDArray[np.float32] = self.run(worker.look, pixels, box.within(seen), limits)
        return found.transpose(1, 2, 0)

    def run(self, function: Callable[..., R], *arguments: Any) -> R:
        """Call a function on a worker, with its `TilePredictor` before these arguments, and wait for the result."""
        future = self._client.submit(
            worker.with_predictor, function, self._sent, self._sha, self._settings, *arguments,
            resources=self._needs or None, retries=_RETRIES, pure=False,
        )  # fmt: skip
        try:
            result: R = self._result(future)
            return result
        finally:
            future.release()

    def _result(self, future: Any) -> Any:
        from concurrent.futures import CancelledError

        from distributed import KilledWorker
        from distributed.comm.core import CommClosedError

        # With a time limit of its own, `future.result` would break off results that are on their way.
        answer = asyncio.run_coroutine_threadsafe(
            self._client.gather(future, asynchronous=True), self._client.loop.asyncio_loop
        )
        try:
            while not self._over.is_set():
                if wait([answer], _WAIT).done:
                    return answer.result()
                self._check()
        except KilledWorker as error:
            raise ClusterError(
                "Several workers died one after the other over a tile, most likely for want of memory; give them "
                "more of it, or choose smaller tiles."
            ) from error
        except (CancelledError, CommClosedError) as error:
            raise ClusterError(self._lost()) from error
        finally:
            answer.cancel()
        raise ClusterError("The job was stopped.")

    def _check(self) -> None:
        """Make sure that somebody is there to compute."""
        if self._client.status == "running" and self._able():
            self._lonely_since = None
            return
        now = time.monotonic()
        self._lonely_since = self._lonely_since or now
        if now - self._lonely_since > PATIENCE:
            raise ClusterError(self._nobody() if self._client.status == "running" else self._lost())

    def _lost(self) -> str:
        return (
            f"The scheduler {self._config.scheduler} does not answer any more; start it again, then repeat this: whole "
            "files, and tiles of large images, that were done are not done again."
        )


def _connected(address: str) -> Any:
    try:
        import dask
        from distributed import Client
    except ImportError as error:
        raise ClusterError("Computing on a cluster needs an extra: pip install 'napari-microcnn[cluster]'.") from error
    settings = {
        "distributed.admin.large-graph-warning-threshold": "4 GB",  # the model goes with the task that keeps it
        "distributed.comm.retry.count": 0,
    }
    try:
        with dask.config.set(settings):
            return Client(  # type: ignore[no-untyped-call]
                address, timeout=CONNECT, set_as_default=False, name="napari-microcnn"
            )
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterError(
            f"Nobody answers at {address!r}; say it as the scheduler prints it, like tcp://192.168.1.5:8786, and start "
            "one with: dask scheduler"
        ) from error


def _file_of(model: Model) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return save_model(model, Path(folder) / "model.safetensors").read_bytes()
