"""The workers of a Dask cluster that may compute: asked when they come, left alone while they are silent."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future
from contextlib import suppress
from importlib.metadata import version
from typing import Any, NamedTuple, TypeVar

from napari_microcnn.config import SegmentConfig
from napari_microcnn.predict import worker

CONNECT, SILENCE, PATIENCE = 8.0, 12.0, 20.0
"""Seconds within which a scheduler must answer; after which a worker without a sign of life gets no work; and after
which a scheduler without one, or a cluster without a worker, is given up."""
LOOK = 0.5
_LEAVE = 3.0

_MISSING = re.compile(r"No module named \W*(\w+)")

T = TypeVar("T")


class ClusterError(ValueError):
    """The cluster cannot compute; the message says why and what to do."""


class Offer(NamedTuple):
    """What a worker computes with: `memory` is what is free on its device, in bytes."""

    device: str
    precision: str
    memory: int
    threads: int

    @property
    def kind(self) -> tuple[str, str]:
        """What the numbers depend on."""
        return self.device, self.precision


class Workers:
    """Those workers of a cluster that offer what is needed, have our version and compute alike.

    Whoever joins later is asked too, and gets work if the answer fits.

    Parameters
    ----------
    config : SegmentConfig
        `scheduler` is the address, `tag` a resource that workers must offer; `device` and `precision` are those of the
        workers.

    Attributes
    ----------
    client : distributed.Client
    needs : dict of str to int
        Resources that workers must offer.
    ready : dict of str to Offer
        Those that may compute now, by address.
    silent : frozenset of str
        Those that have given no sign of life for a while.

    Raises
    ------
    ClusterError
        If nobody answers in time, no worker offers the resource, or workers lack the package, have another version of
        it or compute differently.
    """

    def __init__(self, config: SegmentConfig) -> None:
        self._config = config
        self.needs = {} if config.tag is None else {config.tag: 1}
        self.ready: Mapping[str, Offer] = {}
        self.silent: frozenset[str] = frozenset()
        self._all: Mapping[str, Any] = {}
        self._there: Mapping[str, Any] = {}
        self._told: dict[str, Offer | str] = {}  # or why it may not compute
        self._signs: dict[str, tuple[float, float]] = {}  # the last one by the scheduler's clock, and by ours
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._kind: tuple[str, str] | None = None
        end = time.monotonic() + PATIENCE
        self.client = _connected(str(config.scheduler))
        self._heard = self._last_sign = time.monotonic()
        try:
            self.soon(self._begin(end)).result()
        except BaseException:
            self._leave()
            raise
        self._watching = self.soon(self._watch())

    @property
    def threads(self) -> int:
        """Tasks that can be computed at the same time."""
        return sum(offer.threads for offer in self.ready.values())

    def stale(self, allowed: frozenset[str]) -> bool:
        """Whether work that only these may do is to be given to others."""
        return bool(allowed & self.silent) or (bool(self.ready) and allowed.isdisjoint(self.ready))

    def check(self) -> None:
        """Make sure that somebody is there to compute, and a scheduler.

        Raises
        ------
        ClusterError
            If not, for too long.
        """
        if self._watching.done() and not self._watching.cancelled():
            self._watching.result()
        now = time.monotonic()
        if self.client.status == "closed" or now - self._heard > PATIENCE:
            raise ClusterError(self.lost())
        if not self.ready and now - self._last_sign > PATIENCE:
            raise ClusterError(self._nobody())

    def soon(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Have something done by the thread that talks to the scheduler."""
        return asyncio.run_coroutine_threadsafe(work, self.client.loop.asyncio_loop)

    def close(self) -> None:
        """Leave the cluster."""
        self._watching.cancel()
        self._leave()

    def lost(self) -> str:
        """Return what to say when the scheduler is gone."""
        return (
            f"The scheduler {self._config.scheduler} does not answer any more; start it again, then repeat this: whole "
            "files, and tiles of large images, that were done are not done again."
        )

    def _leave(self) -> None:
        with suppress(TimeoutError, OSError):  # from a scheduler that does not answer
            self.client.close(timeout=_LEAVE)

    async def _begin(self, end: float) -> None:
        """Ask all workers, until a moment in time, and agree on one kind."""
        try:
            await self._look()
            if self._asking:
                await asyncio.wait(self._asking.values(), timeout=max(LOOK, end - time.monotonic()))
                await self._look()
        except (OSError, TimeoutError) as error:
            raise ClusterError(self.lost()) from error
        if reasons := self._reasons():
            raise ClusterError(reasons[0])
        kinds = sorted({told.kind for told in self._told.values() if isinstance(told, Offer)})
        if not kinds:
            raise ClusterError(self._nobody())
        if len(kinds) > 1:
            raise ClusterError(
                f"The workers compute differently ({', '.join(' in '.join(kind) for kind in kinds)}), so results would "
                "depend on chance; choose a resource that only one kind offers, or a device and a precision that all "
                "have."
            )
        [self._kind] = kinds
        self._sort(time.monotonic())
        if not self.ready:
            raise ClusterError(self._nobody())

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            with suppress(OSError, TimeoutError):  # `check` sees that nothing is heard
                if self.client.status == "running":
                    await self._look()

    async def _look(self) -> None:
        """See who is there, and ask those that are new."""
        self._all = (await asyncio.wait_for(self.client.scheduler.identity(), CONNECT))["workers"]
        self._heard = time.monotonic()
        self._there = {
            address: about
            for address, about in self._all.items()
            if all(about.get("resources", {}).get(name, 0) >= amount for name, amount in self.needs.items())
        }
        self._told = {address: told for address, told in self._told.items() if address in self._there}
        signs = {address: (about["last_seen"], self._heard) for address, about in self._there.items()}
        old = self._signs
        self._signs = {a: old[a] if a in old and old[a][0] == sign[0] else sign for a, sign in signs.items()}
        self._asking = {address: task for address, task in self._asking.items() if not task.done()}
        for address in self._there.keys() - self._told.keys() - self._asking.keys():
            self._asking[address] = asyncio.create_task(self._ask(address))
        self._sort(self._heard)

    def _sort(self, now: float) -> None:
        """Find out who may compute."""
        self.silent = frozenset(address for address, (_, since) in self._signs.items() if now - since > SILENCE)
        self.ready = {
            address: told
            for address, told in self._told.items()
            if isinstance(told, Offer) and told.kind == self._kind and address not in self.silent
        }
        self._last_sign = max([self._last_sign, *(self._signs[address][1] for address in self.ready)])

    async def _ask(self, address: str) -> None:
        """Ask a worker what it computes with; it answers even while it works for others."""
        settings, ours = self._config.model_dump_json(), version("napari-microcnn")
        with suppress(OSError, TimeoutError):  # it is asked again if it is still there
            found = await self.client.run(
                worker.describe, settings, ours, workers=[address], on_error="return", asynchronous=True
            )
            told, about = found[address], self._there.get(address)
            if about is None or isinstance(told, OSError):
                return
            if isinstance(told, Exception) or told["version"] != ours:
                self._told[address] = _unfit(address, told, ours)
            else:
                self._told[address] = Offer(told["device"], told["precision"], told["memory"], about["nthreads"])
                self._signs[address] = (about["last_seen"], time.monotonic())  # it may have been silent while it began

    def _reasons(self) -> list[str]:
        return sorted(told for told in self._told.values() if isinstance(told, str))

    def _nobody(self) -> str:
        if not self._all:
            return "The cluster has no worker; start one with: dask worker ADDRESS"
        if not self._there:
            offered = sorted({name for about in self._all.values() for name in about.get("resources", {})})
            [tag] = self.needs
            return (
                f"No worker offers the resource {tag!r} ({', '.join(offered) or 'none is offered'}); start one with: "
                f"dask worker ADDRESS --resources {tag}=1"
            )
        if reasons := self._reasons():
            return reasons[0]
        return f"The workers of {self._config.scheduler} do not answer; start them again, then repeat this."


def _unfit(address: str, told: Any, ours: str) -> str:
    """Return why a worker may not compute."""
    if isinstance(told, Exception) and (missing := _MISSING.search(str(told))):  # Dask does not keep its type
        if missing[1] == "napari_microcnn":
            return f"napari-microcnn {ours} is not installed where the worker {address} runs; install it there."
        return f"The package {missing[1]} is missing where the worker {address} runs; install it there as it is here."
    if isinstance(told, ValueError):
        return f"The worker {address} cannot compute so: {told}"
    if isinstance(told, Exception):
        return f"The worker {address} cannot tell what it computes with ({type(told).__name__}: {told}); restart it."
    return (
        f"The worker {address} has version {told['version']} of napari-microcnn, and this is {ours}, so results would "
        "differ; install the same everywhere."
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
    made: Future[Any] = Future()

    def connect() -> None:
        try:
            with dask.config.set(settings):
                client = Client(  # type: ignore[no-untyped-call]
                    address, timeout=CONNECT, set_as_default=False, name="napari-microcnn"
                )
        except (OSError, ValueError) as error:
            made.set_exception(error)
        else:
            made.set_result(client)

    # A scheduler that is frozen is waited for without end, whatever the time limit.
    threading.Thread(target=connect, name="connecting", daemon=True).start()
    try:
        return made.result(CONNECT + 1)
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterError(
            f"Nobody answers at {address!r}; say it as the scheduler prints it, like tcp://192.168.1.5:8786, and start "
            "one with: dask scheduler"
        ) from error
