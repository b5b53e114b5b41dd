"""What all benchmarks share: a table, a clock and a look at the memory."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psutil


@dataclass(frozen=True)
class Bar:
    """What a benchmark must reach, and what it reached."""

    what: str
    figure: float
    limit: float
    held: bool


@dataclass
class Table:
    """One benchmark's result, printed as Markdown, and the bars that it is held against."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    note: str = ""
    bars: list[Bar] = field(default_factory=list)

    def add(self, *cells: object) -> None:
        """Add a row; numbers are shortened to three digits, and cells that are missing at its end are empty."""
        row = [f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in cells]
        self.rows.append(row + [""] * (len(self.columns) - len(row)))

    def at_most(self, what: str, figure: float, limit: float) -> None:
        """Declare a bar that a figure must not exceed, for the table of all bars."""
        self.bars.append(Bar(what, figure, limit, figure <= limit))

    def at_least(self, what: str, figure: float, limit: float) -> None:
        """Declare a bar that a figure must reach."""
        self.bars.append(Bar(what, figure, limit, figure >= limit))

    def __str__(self) -> str:
        table = [list(self.columns), *self.rows]
        widths = [max(len(row[i]) for row in table) for i in range(len(self.columns))]
        lines = ["| " + " | ".join(f"{c:{w}}" for c, w in zip(row, widths, strict=True)) + " |" for row in table]
        lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        body = "\n".join(lines) if self.rows else "(skipped)"
        return "\n\n".join(part for part in (f"## {self.title}", body, self.note, machine()) if part)


def machine() -> str:
    """Return one line on the machine, for whoever reads the numbers later."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def seconds(action: Callable[[], object], repeats: int = 3) -> float:
    """Return the shortest of some runs: the one least disturbed by others."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - start)
    return best


class PeakMemory:
    """Peak resident memory within a ``with`` block, above what the process had before, in bytes."""

    def __enter__(self) -> PeakMemory:
        self._process = psutil.Process()
        self._before = self._highest = self._process.memory_info().rss
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._over.wait(0.005):
            self._highest = max(self._highest, self._process.memory_info().rss)

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def above(self) -> int:
        """Bytes above the start."""
        return int(self._highest - self._before)
