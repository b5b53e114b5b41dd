"""What was found in windows, put together in the place of the image."""

from __future__ import annotations

from collections.abc import Callable, Generator

import numpy as np
from numpy.typing import NDArray

from napari_microcnn.events import Event, Progress
from napari_microcnn.explain.sight import Sight, Window

Look = Callable[[Window], Generator[Event, None, NDArray[np.float32]]]


def stitched(sight: Sight, region: NDArray[np.bool_] | None, look: Look) -> Generator[Event, None, NDArray[np.float32]]:
    """Return what `look` finds in the windows, (H, W) each, in the resampled image; where they overlap, the mean.

    Parameters
    ----------
    sight : Sight
    region : numpy.ndarray or None, (Y, X) bool
        Pixels of interest.
    look : callable
        A generator of events that returns an array of the window's height and width.
    """
    total: NDArray[np.float32] = np.zeros(sight.prospect.shape, np.float32)
    counts = np.zeros(total.shape, np.float32)
    expected = sight.count(region)
    for number, window in enumerate(sight.windows(region)):
        found = yield from look(window)
        part = np.s_[window.top : window.top + found.shape[0], window.left : window.left + found.shape[1]]
        height, width = total[part].shape  # mirrored margins are no part of the image
        total[part] += found[:height, :width]
        counts[part] += 1
        yield Progress(number + 1, max(expected, number + 1), f"Window {number + 1}")
    total /= np.maximum(counts, 1)
    return total
