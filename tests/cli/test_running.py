from __future__ import annotations

import io
import sys

import numpy as np
import pytest

from napari_microcnn.cli import running
from napari_microcnn.cli.running import follow
from napari_microcnn.events import BatchDone, EpochDone, Finished, Job, Notice, Progress, TileDone


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def tiles(n: int, closed: list[bool]) -> Job[str]:
    try:
        yield Notice("The memory is small.")
        yield BatchDone(1, 1, 2, 0.5, None)
        yield EpochDone(1, 0.5, 0.6, 0.7, None, 3.0)
        for i in range(n):
            yield TileDone(i + 1, n, (), (slice(0, 1), slice(0, 1)), np.zeros((1, 1), np.uint8))
            yield Progress(i + 1, n, "counting")
        yield Finished("done")
    finally:
        closed.append(True)


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_a_job_is_followed_to_its_result(stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream())
    closed: list[bool] = []
    events: list[object] = []
    assert follow(tiles(3, closed), "Tiling", events.append) == "done"
    assert closed == [True]
    assert len(events) == 10
    told = sys.stderr.getvalue()
    assert "Tiling: The memory is small." in told  # of which of many files this is true


def test_without_any_error_stream(monkeypatch) -> None:
    """Windows programs without a console have none."""
    monkeypatch.setattr(sys, "stderr", None)
    assert follow(tiles(1, []), "Tiling") == "done"


def test_without_a_terminal_there_is_a_line_now_and_then(monkeypatch, capsys) -> None:
    monkeypatch.setattr(running, "_QUIET_SECONDS", -1.0)
    follow(tiles(2, []), "Tiling")
    told = capsys.readouterr().err
    assert "Tiling: 50 %, tile 1 of 2" in told
    assert "IoU 0.700" in told


def test_an_interruption_closes_the_job() -> None:
    closed: list[bool] = []

    def interrupt(event: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follow(tiles(3, closed), "Tiling", interrupt)
    assert closed == [True]


def test_a_job_without_result_is_our_mistake() -> None:
    def job() -> Job[str]:
        yield Progress(1, 1)

    with pytest.raises(RuntimeError, match="without a result"):
        follow(job(), "Nothing")
