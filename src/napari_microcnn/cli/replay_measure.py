"""Repeating what a record of ``measure`` tells, for ``napari-microcnn replay``."""

from __future__ import annotations

import csv
import io
import json
import math
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

MEASURE = "napari-microcnn measure "
"""How the command of such a record begins."""
_TWINS = {"--twins", "--twin-boundaries"}


def differences_of_measurement(told: Mapping[str, Any], record: Path) -> Iterator[str]:
    """Measure again, in a temporary folder, and yield how it differs from a record and from tables beside it.

    Raises
    ------
    ValueError
        If a file or the model is missing or was changed, or cannot be measured any more.
    """
    from napari_microcnn.cli.main import main

    words = shlex.split(told["command"])[1:]
    inputs = told["inputs"]
    for place, made in enumerate(inputs, 2):
        words[place] = str(_same_file(Path(words[place]), made, record))
    for option in _TWINS.intersection(words):
        place = words.index(option) + 1
        words[place] = str(_found(Path(words[place]), record))
    _check_model(told, words)
    old = Path(words[words.index("-o") + 1])
    with tempfile.TemporaryDirectory() as folder:
        new = Path(folder) / old.name
        words[words.index("-o") + 1] = str(new)
        with redirect_stdout(io.StringIO()):
            code = main(words)
        if code:
            raise ValueError(f"{record} could not be repeated, for the reason above.")
        if _by_hand(told):
            again = json.loads((Path(folder) / f"{old.stem}_summary.json").read_text(encoding="utf-8"))["results"]
            yield from _different_numbers(told, again.get("all", next(iter(again.values()))))
            return
        for made_now in sorted(Path(folder).glob("*.csv")):
            yield from different_values(record.with_name(made_now.name), made_now)


def _by_hand(told: Mapping[str, Any]) -> bool:
    """Whether the dock Measure has written a record: its table has the rows that were shown, in their order."""
    return "measuring" in told.get("settings", {})


def _different_numbers(told: Mapping[str, Any], again: Mapping[str, Any]) -> Iterator[str]:
    """Yield how the numbers of the dock differ from those of the command, which has no names of classes."""
    names = {f"class_{i}_": f"{name}_" for i, name in told["settings"]["measuring"].get("classes", {}).items()}

    def named(key: str) -> str:
        start = next((start for start in names if key.startswith(start)), "")
        return names.get(start, "") + key.removeprefix(start) if start else key.replace("class_", "class ", 1)

    now = {named(key): value for key, value in again.items() if key != "warnings"}
    then = {key: value for key, value in told["results"].items() if key in now}
    if len(then) != len(told["results"]):
        yield "other numbers."
    for key, value in then.items():
        unknown = value is None or now[key] is None
        if value != now[key] and (unknown or not math.isclose(value, now[key], rel_tol=1e-9)):
            yield f"{key}: {value} then, {now[key]} now."


def different_values(old: Path, new: Path) -> Iterator[str]:
    """Yield how a table that is there differs from one that was made now: nothing, or one sentence."""
    if not old.is_file():
        yield f"{old.name} is missing."
        return
    then, now = (_rows(file) for file in (old, new))
    if then[:1] != now[:1]:
        yield f"{old.name}: other columns."
    elif len(then) != len(now):
        yield f"{old.name}: {len(then) - 1:,} rows then, {len(now) - 1:,} now."
    else:
        pairs = [list(zip(one, other, strict=False)) for one, other in zip(then[1:], now[1:], strict=True)]
        columns = sorted({place for row in pairs for place, (a, b) in enumerate(row) if a != b})
        count = sum(a != b for row in pairs for a, b in row)
        if count:
            names = ", ".join(then[0][place] for place in columns)
            yield f"{old.name}: {count:,} of {sum(map(len, pairs)):,} values differ, in {names}."


def _rows(file: Path) -> list[list[str]]:
    with file.open(newline="", encoding="utf-8") as table:
        return list(csv.reader(table))


def _same_file(source: Path, made: Mapping[str, Any], record: Path) -> Path:
    """Return where a file is now, and make sure that it is the one that was measured."""
    from napari_microcnn.io.provenance import file_sha256

    path = _found(source, record)
    if made.get("sha256") is not None and file_sha256(path) != made["sha256"]:
        raise ValueError(f"{path} is not what was measured: it was changed, or is another file of the same name.")
    return path


def _found(source: Path, record: Path) -> Path:
    """Return where a file is now: at its place, or beside the record."""
    places = [source, record.parent / source, record.parent / source.name]
    path = next((place for place in places if place.exists()), None)
    if path is None:
        raise ValueError(f"{source} is missing; put it beside {record.name}, or start this where it was measured.")
    return path


def _check_model(told: Mapping[str, Any], words: list[str]) -> None:
    if not told.get("model") or "--model" not in words:
        return
    from napari_microcnn.models import load_model

    name = words[words.index("--model") + 1]
    if load_model(name).sha256 != told["model"]["sha256"]:
        raise ValueError(f"The model {name} is not the one that was used: its weights differ.")
