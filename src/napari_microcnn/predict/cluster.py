"""Prediction of tiles on the workers of a Dask cluster, the same numbers as on this machine."""

from __future__ import annotations

import hashlib
import secrets
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from napari_microcnn.config import SegmentConfig
from napari_microcnn.data.normalisation import IntensityLimits, intensity_limits
from napari_microcnn.data.windows import Box, seen_around, split
from napari_microcnn.device import available_memory
from napari_microcnn.events import Notice
from napari_microcnn.micrograph import Pixels
from napari_microcnn.models import Model, save_model
from napari_microcnn.predict import worker
from napari_microcnn.predict.cluster_workers import LOOK, ClusterError, Workers
from napari_microcnn.predict.tiles import Tile, TilePredictor, workspace

_RETRIES, _AHEAD = 3, 2
_MOST = 64
"""Tiles or files on their way, at most."""
_LEAST_TILE = 512
"""Side down to which tiles are made smaller so that all workers have some; smaller ones are mostly margin."""

T = TypeVar("T")
R = TypeVar("R")


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

    Work of those that die or fall silent is given to others; the model is sent to every worker once. Files need not be
    shared.

    Parameters
    ----------
    model : Model
    config : SegmentConfig
        See `Workers`.

    Raises
    ------
    ClusterError
        If the workers cannot compute; see `Workers`.
    """

    def __init__(self, model: Model, config: SegmentConfig) -> None:
        self._workers = Workers(config)
        self._over, self._sending = threading.Event(), threading.Lock()
        try:
            ready = dict(self._workers.ready)
            offer = next(iter(ready.values()))
            self._least_memory = min(one.memory // one.threads for one in ready.values())
            super().__init__(model, config.model_copy(update={"device": "cpu", "precision": "float32"}))
            self.precision = getattr(torch, offer.precision)  # which this computer need not be able to compute in
            settings = config.model_copy(update={"device": offer.device, "precision": offer.precision})
            self._settings, self._content = settings.model_dump_json(), _file_of(model)
            self._sha = hashlib.sha256(self._content).hexdigest()
            self._sent = self._send(frozenset(ready))
            # Else the scheduler gives work to who has the model first, and to others when they steal from it.
            self._idle = [self._submit({address}, worker.idle) for address in ready]
        except BaseException:
            self._workers.close()
            raise
        del self._net  # the network is needed on the workers only
        self.computed_on = offer.device

    @property
    def stopped(self) -> bool:
        """Whether the job is over, or broken off."""
        return self._over.is_set()

    def close(self) -> None:
        """Stop what is computed for this job, and leave the cluster."""
        self._over.set()
        self._workers.close()

    def tiles(
        self, plane: Pixels, limits: IntensityLimits | None = None, box: Box | None = None
    ) -> Iterator[Notice | Tile]:
        """Do as `TilePredictor.tiles`, several tiles at a time, in the order in which they come."""
        limits = limits or intensity_limits(plane)
        whole = box or Box(0, int(plane.shape[0]), 0, int(plane.shape[1]))
        boxes = dict(enumerate(split(whole, self._fair_side(whole.shape))))
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
                lambda numbered: list(one_box(plane, limits, numbered[1])),
                boxes.items(),
                self._in_flight(plane, boxes.values()),
            )
        )

    def _fair_side(self, shape: tuple[int, int]) -> int:
        """Return the side of a tile: as `tile_side`, but where that is free so that there are some for all workers."""
        side = self.tile_side(shape)
        if self._config.tile is not None or side <= _LEAST_TILE:
            return side
        fair = int((shape[0] * shape[1] / (_AHEAD * max(1, self._workers.threads))) ** 0.5)
        return min(side, -(-max(fair, _LEAST_TILE) // self._step) * self._step)

    def _workspace(self) -> int:
        """Return the bytes that the network may take on every worker, for each of its threads."""
        return workspace(self.computed_on, self._least_memory)

    def _in_flight(self, plane: Pixels, boxes: Iterable[Box]) -> int:
        """Return how many boxes may be on their way: what is sent and comes back may fill a quarter of the memory."""
        channels = int(plane.shape[2]) if plane.ndim == 3 else 1
        values = len(self.model.classes) + self.model.tells_cores
        margin = 2 * self.surroundings["margin"]
        pixels = max(((box.shape[0] + margin) * (box.shape[1] + margin) for box in boxes), default=1)
        return max(1, min(_MOST, available_memory(self.device) // 4 // (4 * pixels * (channels + 2 * values))))

    def each(self, do: Callable[[T], R], items: Iterable[T], most: int = _MOST) -> Iterator[tuple[T, R]]:
        """Do something that waits for workers with all items, several at a time; yields what comes first first."""
        waiting, flying = list(items)[::-1], dict[Future[R], T]()
        with ThreadPoolExecutor(most, "tiles") as pool:
            try:
                while waiting or flying:
                    while waiting and len(flying) < min(most, _AHEAD * max(1, self._workers.threads)):
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
        died = 0
        while died <= _RETRIES:
            allowed = self._somebody()
            with self._sending:
                if self._workers.stale(self._holders):
                    self._sent = self._send(allowed)
                holders = self._holders
                future = self._submit(allowed, function, *arguments)
            try:
                result: R = self._result(future, (allowed, holders))
                return result
            except _GoneError:
                died += self._workers.silent.isdisjoint(allowed | holders)
            finally:
                future.release()
        raise ClusterError(_DYING)

    def _send(self, holders: frozenset[str]) -> Any:
        """Send the model to workers, which hand it on to others."""
        self._holders = holders
        # A task and no scattered value: should its only holder die, the scheduler makes it again.
        key = f"microcnn-model-{self._sha}-{secrets.token_hex(4)}"
        return self._workers.client.submit(worker.kept, self._content, key=key, workers=sorted(holders))

    def _submit(self, allowed: Iterable[str], function: Callable[..., Any], *arguments: Any) -> Any:
        from distributed.client import ClosedClientError

        try:
            return self._workers.client.submit(
                worker.with_predictor, function, self._sent, self._sha, self._settings, *arguments,
                workers=sorted(allowed), resources=self._workers.needs or None, retries=_RETRIES, pure=False,
            )  # fmt: skip
        except ClosedClientError as error:
            raise ClusterError(self._workers.lost()) from error

    def _somebody(self) -> frozenset[str]:
        """Return the workers that may compute, as soon as there are any."""
        while not (ready := frozenset(self._workers.ready)):
            self._workers.check()
            if self._over.wait(LOOK):
                raise ClusterError(_STOPPED)
        return ready

    def _result(self, future: Any, by: tuple[frozenset[str], ...]) -> Any:
        from distributed import KilledWorker
        from distributed.comm.core import CommClosedError

        # With a time limit of its own, `future.result` would break off results that are on their way.
        answer = self._workers.soon(self._workers.client.gather(future, asynchronous=True))
        try:
            while not self._over.is_set():
                if wait([answer], LOOK).done:
                    return answer.result()
                self._workers.check()
                if any(self._workers.stale(allowed) for allowed in by):
                    raise _GoneError
        except KilledWorker as error:
            raise ClusterError(_DYING) from error
        except (CancelledError, CommClosedError) as error:
            raise ClusterError(self._workers.lost()) from error
        finally:
            answer.cancel()
        raise ClusterError(_STOPPED)


_STOPPED = "The job was stopped."
_DYING = (
    "Several workers died one after the other over a tile, most likely for want of memory; give them more of it, or "
    "choose smaller tiles."
)


class _GoneError(Exception):
    """Those are gone, or silent, that were to compute something."""


def _file_of(model: Model) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return save_model(model, Path(folder) / "model.safetensors").read_bytes()
