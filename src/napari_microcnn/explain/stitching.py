"""What was found in windows, put together in the place of the image."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.events import Event, Finished, Job, Progress
from napari_microcnn.explain.pieces import Window
from napari_microcnn.explain.sight import Sight

T = TypeVar("T")
Look = Callable[[Window], Generator[Event, None, NDArray[np.float32]]]


def stitched(
    sight: Sight,
    region: NDArray[np.bool_] | None,
    look: Look,
    *,
    margin: int | None = None,
    added: bool = False,
    done: int = 0,
    rounds: int = 1,
) -> Generator[Event, None, NDArray[np.float32]]:
    """Return what `look` finds in the windows, (H, W) each, in the resampled image.

    Of what is found in a window its core is taken; where the cores overlap, the mean.

    Parameters
    ----------
    sight : Sight
    region : numpy.ndarray or None, (Y, X) bool
        Pixels of interest.
    look : callable
        A generator of events that returns an array of the window's height and width.
    margin : int, optional
        Around the core of a segmenter's windows.
    added : bool
        Whether what is found in all of a window is summed up instead.
    done, rounds : int
        How often the windows were gone through before, and will have been at the end, for the progress.
    """
    total: NDArray[np.float32] = np.zeros(sight.prospect.shape, np.float32)
    counts = None if added or not sight.judges_windows else np.zeros(total.shape, np.float32)
    count = sight.count(region)
    for number, window in enumerate(sight.windows(region, margin)):
        found = yield from look(window)
        rows, columns = (slice(None), slice(None)) if added else window.core
        top, left = window.top + (rows.start or 0), window.left + (columns.start or 0)
        found = found[rows, columns]
        part = np.s_[top : top + found.shape[0], left : left + found.shape[1]]
        height, width = total[part].shape  # mirrored margins are no part of the image
        total[part] += found[:height, :width]
        if counts is not None:
            counts[part] += 1
        yield progress(done * count + number + 1, rounds * count)
    if counts is not None:
        total /= np.maximum(counts, 1)
    return total


def progress(done: int, total: int) -> Progress:
    """Tell that so many windows are done."""
    return Progress(done, max(done, total), f"Window {done} of {max(done, total)}")


def result_within(job: Job[T]) -> Generator[Event, None, T]:
    """Hand on the events of a job within another one, and return its result."""
    with closing(job):
        for event in job:
            if isinstance(event, Finished):
                found: T = event.result
                return found
            yield event
    raise RuntimeError("A job ended without a result.")
