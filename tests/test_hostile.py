"""A few dozen of the spoilt files of ``python -m benchmarks fuzz``: one clear error or a right result."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("resource", reason="the readers are held in by limits that only Unix has")

_FILES = """
import json
from benchmarks import fuzz
table = fuzz.run(4)
print(json.dumps([table.note, table.rows]))
"""
_DEEDS = """
import json, os, time
from pathlib import Path
from benchmarks import fuzz
fuzz.SECONDS = 1.0
deeds = {"a": lambda: time.sleep(60), "b": lambda: os._exit(9), "c": lambda: bytearray(4 << 30), "d": lambda: None}
found = fuzz._outcomes(lambda path: deeds[path.name](), [Path(name) for name in deeds])
print(json.dumps([outcome.partition(" ")[0] for _, outcome in found]))
"""


def answer(script: str) -> Any:
    """Run a script in a process of its own: it forks, and copies of a process with threads may wait for ever."""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_spoilt_files_are_refused_in_one_line_or_read() -> None:
    pytest.importorskip("onnxscript")
    note, rows = answer(_FILES)
    assert note == "No faults."
    assert len(rows) == (19 if find_spec("rsciio") else 18)
    assert all(int(row[1]) > 4 for row in rows)


def test_a_reader_that_hangs_crashes_or_swallows_memory_is_noticed() -> None:
    assert answer(_DEEDS) == ["hang", "crash", "other:", "read"]
