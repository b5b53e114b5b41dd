"""Windows that a GPU predicts together, while the next ones are read and the last answers are fetched."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BATCHED = ("cuda", "mps")
"""Devices that want many windows at once; a processor takes no longer for one after the other."""

_READERS = 4
"""Threads that read and normalise: a card is faster than one of them."""

T = TypeVar("T")
Core = tuple[slice, slice]
Window = tuple[NDArray[np.float32], Core]
"""Normalised pixels, (C, H, W), and the rows and columns of them that are wanted."""


def alike(items: Iterable[T], form: Callable[[T], Hashable], most: Callable[[T], int]) -> list[list[T]]:
    """Put together what has the same form, at most so many; a group stands where its first item stood.

    Examples
    --------
    >>> alike(["a", "bb", "c", "d", "ee"], len, lambda item: 2)
    [['a', 'c'], ['bb', 'ee'], ['d']]
    """
    groups, growing = list[list[T]](), dict[Hashable, list[T]]()
    for item in items:
        group = growing.get(form(item))
        if group is None or len(group) >= most(item):
            group = growing[form(item)] = []
            groups.append(group)
        group.append(item)
    return groups


def in_batches(
    groups: Iterable[list[T]],
    read: Callable[[T], Window],
    compute: Callable[[Tensor, Core], Tensor],
    device: torch.device,
) -> Iterator[tuple[T, NDArray[np.float32]]]:
    """Predict groups of windows; yields every item with its answer, (K, H, W).

    Parameters
    ----------
    groups : iterable of list
        The windows of a group have the same shape and core, and are computed together.
    read : callable
        Reads the window of an item; called in other threads, for later groups while one is computed.
    compute : callable
        Images, (N, C, H, W) float32 on the device, and their core -> answers, (N, K, H, W), which a card need not have
        finished when it returns.
    device : torch.device
    """
    lanes, coming = _Lanes(device), iter(groups)
    ahead, flying = deque[_Reading[T]](), deque[_Flight[T]]()

    def begin_to_read() -> None:
        while len(ahead) < 2 or sum(len(reading.items) for reading in ahead) < _READERS:
            if (items := next(coming, None)) is None:
                return
            ahead.append(_Reading(items, [pool.submit(_read, read, item, lanes) for item in items]))

    pool = ThreadPoolExecutor(_READERS, "reader")
    try:
        begin_to_read()
        while ahead:
            reading = ahead.popleft()
            begin_to_read()
            flying.append(_launched(reading, compute, lanes))
            if len(flying) > 1:  # the card has something to do while somebody works with the answers before
                yield from flying.popleft().landed()
        for flight in flying:
            yield from flight.landed()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True, eq=False)
class _Reading(Generic[T]):
    items: list[T]
    windows: list[Future[tuple[Tensor, Core]]]


@dataclass(frozen=True, eq=False)
class _Flight(Generic[T]):
    """A group that is computed; what the card works on is held until it has arrived, for other streams use it."""

    items: list[T]
    images: Tensor
    found: Tensor
    fetch: Callable[[], Tensor]

    def landed(self) -> Iterator[tuple[T, NDArray[np.float32]]]:
        yield from zip(self.items, self.fetch().numpy(), strict=True)


def _read(read: Callable[[T], Window], item: T, lanes: _Lanes) -> tuple[Tensor, Core]:
    window, core = read(item)
    return lanes.packed(torch.from_numpy(window)), core


def _launched(reading: _Reading[T], compute: Callable[[Tensor, Core], Tensor], lanes: _Lanes) -> _Flight[T]:
    windows = [window.result() for window in reading.windows]
    with torch.inference_mode():
        images = lanes.brought([pixels for pixels, _ in windows])
        found = compute(images, windows[0][1]).contiguous()
        return _Flight(reading.items, images, found, lanes.fetching(found))


class _Lanes:
    """The ways to a device and back.

    With CUDA each has a stream of its own, so that copies run beside the computing, and memory that the system leaves
    where it is, without which copies wait for the card. Elsewhere they are waited for: with MPS what has not been
    waited for may be read too early, or from memory that was given back.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._streams: tuple[torch.cuda.Stream, torch.cuda.Stream] | None = None
        if device.type == "cuda":
            self._streams = torch.cuda.Stream(device), torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def packed(self, window: Tensor) -> Tensor:
        """Return a window in memory from which it can be sent."""
        return window if self._streams is None else window.pin_memory()

    def brought(self, windows: list[Tensor]) -> Tensor:
        """Return windows, (C, H, W) each, as one batch on the device."""
        if self._streams is None:
            return torch.stack(windows).to(self._device)
        there, _ = self._streams
        with torch.cuda.stream(there):
            images = torch.stack([window.to(self._device, non_blocking=True) for window in windows])
        torch.cuda.current_stream(self._device).wait_stream(there)
        return images

    def fetching(self, found: Tensor) -> Callable[[], Tensor]:
        """Begin to fetch a contiguous tensor; returns what waits for it."""
        if self._streams is None:
            here = found.cpu()
            return lambda: here
        _, back = self._streams
        back.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(back):
            sent = torch.empty(found.shape, dtype=found.dtype, pin_memory=True)
            sent.copy_(found, non_blocking=True)
            arrived = back.record_event()

        def wait() -> Tensor:
            arrived.synchronize()
            return sent

        return wait
