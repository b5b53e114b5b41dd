"""A few dozen of the spoilt files of ``python -m benchmarks fuzz``: one clear error or a right result."""

from __future__ import annotations

import pytest

fuzz = pytest.importorskip("benchmarks.fuzz")


def test_spoilt_files_are_refused_in_one_line_or_read() -> None:
    pytest.importorskip("onnxscript")
    table = fuzz.run(4)
    assert table.note == "No faults."
    assert len(table.rows) == 16
    assert all(int(row[1]) > 4 for row in table.rows)


def test_a_reader_that_hangs_crashes_or_swallows_memory_is_noticed(monkeypatch, tmp_path) -> None:
    import os
    import time

    deeds = {"a": lambda: time.sleep(60), "b": lambda: os._exit(9), "c": lambda: bytearray(4 << 30), "d": lambda: None}
    cases = [tmp_path / name for name in deeds]
    monkeypatch.setattr(fuzz, "SECONDS", 1.0)
    found = [outcome.partition(" ")[0] for _, outcome in fuzz._outcomes(lambda path: deeds[path.name](), cases)]
    assert found == ["hang", "crash", "other:", "read"]
