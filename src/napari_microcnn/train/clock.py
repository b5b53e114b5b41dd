"""How far a training is, and how fast it may learn there."""

from __future__ import annotations

import math
import time

from napari_microcnn.train.processes import count, from_first

WARM_UP = 0.05
LAST = 0.02
AGAIN_SECONDS, AGAIN_EPOCHS = 20.0, 10
"""What is left for a change that comes late, at least; of a shorter training as much as its whole limit."""
AGAIN_RATE = 0.5
"""Learning rate after a change as a fraction of the largest: enough to learn it without losing the rest."""


class Clock:
    """Progress by epochs or by time, the learning rate that belongs to it, and pauses.

    Parameters
    ----------
    epochs : int or None
        Limit; where it is given the learning rate follows it and not the time.
    minutes : float or None
        Limit.
    steps_per_epoch : int
    """

    def __init__(self, epochs: int | None, minutes: float | None, steps_per_epoch: int) -> None:
        self._per_epoch = steps_per_epoch
        self._most_steps = None if epochs is None else epochs * steps_per_epoch
        self._most_seconds = None if minutes is None else 60 * minutes
        self._most_again = (
            min(AGAIN_EPOCHS * steps_per_epoch, self._most_steps or AGAIN_EPOCHS * steps_per_epoch),
            min(AGAIN_SECONDS, self._most_seconds or AGAIN_SECONDS),
        )
        self._start, self._steps = time.monotonic(), 0
        self._paused_at: float | None = None
        self._agreed: float | None = None
        self._again_at: tuple[int, float] | None = None

    def step(self) -> None:
        """Count an optimisation step."""
        self._steps += 1
        if count() > 1:  # the clocks of several processes must not decide differently
            [self._agreed] = from_first([time.monotonic() - self._start])

    def go_on(self, epochs: int, seconds: float) -> None:
        """Count what an interrupted training had learnt."""
        self._steps, self._start = epochs * self._per_epoch, self._start - seconds
        self._agreed = seconds if count() > 1 else None

    def pause(self) -> None:
        """Stand still."""
        if self._paused_at is None:
            self._paused_at = time.monotonic()

    def resume(self) -> None:
        """Go on."""
        if self._paused_at is not None:
            self._start += time.monotonic() - self._paused_at
            self._paused_at = None

    def learn_again(self) -> None:
        """Leave time for something new, and raise the learning rate for it."""
        seconds = self.seconds()
        self._again_at = (self._steps, seconds)
        if self._most_steps is not None:
            self._most_steps = max(self._most_steps, self._steps + self._most_again[0])
        if self._most_seconds is not None:
            self._most_seconds = max(self._most_seconds, seconds + self._most_again[1])

    def out_of_time(self) -> bool:
        """Whether the time limit is reached, also within an epoch."""
        return self._by_time() >= 1

    def over(self) -> bool:
        """Whether either limit is reached."""
        return self.out_of_time() or self._by_epochs() >= 1

    def share_over(self) -> float:
        """Return how much of the time since the start, or since the last change, is over; 0 without a limit."""
        if self._most_steps is None and self._most_seconds is None:
            return 0.0
        return self._progress() if self._again_at is None else self._since_change()

    def rate(self) -> float:
        """Return the learning rate as a fraction of the largest: a short rise, then half a cosine.

        After a change it is at least what half a cosine from `AGAIN_RATE` at the change to the end gives.
        """
        if self._most_steps is None and self._most_seconds is None:
            return min(1.0, self._steps / 50)
        progress = self._progress()
        if progress < WARM_UP:
            return max(LAST, progress / WARM_UP)
        usual = _falling(1.0, (progress - WARM_UP) / (1 - WARM_UP))
        return usual if self._again_at is None else max(usual, _falling(AGAIN_RATE, self._since_change()))

    def seconds_left(self) -> float | None:
        """Estimate from the time so far; None where there is no limit or nothing to reckon from."""
        progress = max(self._by_time(), self._by_epochs())
        if progress <= 0:
            return None
        return max(0.0, self.seconds() * (1 / progress - 1))

    def seconds(self) -> float:
        """Return the time that was spent so far."""
        return (self._paused_at or time.monotonic()) - self._start if self._agreed is None else self._agreed

    def _progress(self) -> float:
        return min(1.0, self._by_epochs() if self._most_steps is not None else self._by_time())

    def _by_time(self) -> float:
        return 0.0 if self._most_seconds is None else self.seconds() / self._most_seconds

    def _by_epochs(self) -> float:
        return 0.0 if self._most_steps is None else self._steps / self._most_steps

    def _since_change(self) -> float:
        """Return the share of the time between the last change and the end that is over."""
        steps, seconds = self._again_at or (0, 0.0)
        if self._most_steps is not None:
            return (self._steps - steps) / max(1, self._most_steps - steps)
        return (self.seconds() - seconds) / max(1e-9, (self._most_seconds or 0.0) - seconds)


def _falling(highest: float, share: float) -> float:
    """Return half a cosine from `highest` to `LAST`."""
    return LAST + (highest - LAST) * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
