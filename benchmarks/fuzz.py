"""Thousands of spoilt files for every reader: one clear error or a right result; no crash, hang or huge allocation."""

from __future__ import annotations

import logging
import multiprocessing
import os
import random
import resource
import shutil
import tempfile
import traceback
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import torch

from benchmarks.common import Table
from benchmarks.mutations import spoil_folder, spoilt
from benchmarks.specimen_folders import specimen_folders
from benchmarks.specimens import Reader, specimens

CASES = 150
"""Spoilt files or folders per kind, 19 kinds."""
SECONDS = 10.0
ROOM = 1 << 30
"""Bytes that a reader may take beyond what its libraries have."""
_ALWAYS_READ = ("header beside an image", "record (JSON)")
"""What is left out when it is damaged: the image is read without."""
_REFUSED, _READ = "refused", "read"


def run(cases: int = CASES, kinds: Sequence[str] = ()) -> Table:
    """Read spoilt files of every kind in processes of their own."""
    columns = ("reader", "cases", "refused in one line", "read", "hang", "crash or out of memory", "other error")
    table = Table("Spoilt files", columns)
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind, (reader, files) in (specimens(folder) | specimen_folders(folder)).items():
            if kinds and kind not in kinds:
                continue
            found = Counter[str]()
            for number, (case, heard) in enumerate(_outcomes(reader, _cases(folder, kind, files, cases))):
                must_read = number < len(files) or kind in _ALWAYS_READ
                outcome = "unread: a whole file is refused" if must_read and heard == _REFUSED else heard
                short = outcome.partition(":")[0]
                found[short] += 1
                if short not in (_REFUSED, _READ):
                    faults.append(f"{kind}, {case.name}: {outcome}")
            table.add(kind, *_counts(found))
    table.note = "\n".join(["Faults:", *faults]) if faults else "No faults."
    table.at_least("spoilt files", sum(int(row[1]) for row in table.rows), 2000)
    table.at_most("hangs, crashes and errors other than one clear sentence", len(faults), 0)
    return table


def _counts(found: Counter[str]) -> list[int]:
    known = [found[_REFUSED], found[_READ], found["hang"], found["crash"]]
    total = sum(found.values())
    return [total, *known, total - sum(known)]


def _cases(folder: Path, kind: str, files: Sequence[Path], cases: int) -> list[Path]:
    """Write the files as they are, which must be read, and spoilt ones; the seed is in the name."""
    made = []
    for number in range(cases + len(files)):
        file = files[number % len(files)]
        place = folder / f"case {zlib.crc32(kind.encode())} {number}"
        place.mkdir()
        case = place / file.name
        rng = random.Random(f"{kind} {number}")
        if file.is_dir():
            shutil.copytree(file, case)
            if number >= len(files):
                spoil_folder(case, rng)
        else:
            content = file.read_bytes()
            case.write_bytes(spoilt(content, rng) if number >= len(files) else content)
        made.append(case)
    return made


def _outcomes(reader: Reader, cases: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Read all files in a child, which is replaced when one of them was too much for it."""
    context = multiprocessing.get_context("fork")  # the libraries are imported once
    done = 0
    while done < len(cases):
        ours, theirs = context.Pipe()
        child = context.Process(target=_read_all, args=(reader, cases[done:], theirs))
        child.start()
        theirs.close()
        while done < len(cases):
            outcome = _heard(ours)
            yield cases[done], outcome
            done += 1
            if outcome in ("hang", "crash"):
                break
        child.kill()
        child.join()


def _heard(pipe: Connection) -> str:
    try:
        return str(pipe.recv()) if pipe.poll(SECONDS) else "hang"
    except EOFError:
        return "crash"


def _read_all(reader: Reader, cases: Sequence[Path], pipe: Connection) -> None:
    limit = psutil.Process().memory_info().vms + ROOM
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    torch.set_num_threads(1)  # a forked child would wait for ever for the threads that its parent has
    silent = os.open(os.devnull, os.O_WRONLY)  # libraries in C may tell of damage
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    logging.disable()
    for case in cases:
        pipe.send(_outcome(reader, case))


def _outcome(reader: Reader, case: Path) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            reader(case)
    except (ValueError, OSError) as error:
        message = str(error)
        ours = type(error).__module__.startswith("napari_microcnn")
        return _REFUSED if ours and "\n" not in message and len(message) < 600 else f"unclear: {_told(error)}"
    except BaseException as error:  # noqa: BLE001 - every other kind is what is looked for
        return f"other: {_told(error)}"
    return _READ


def _told(error: BaseException) -> str:
    places = traceback.extract_tb(error.__traceback__)
    ours = [f"{Path(place.filename).name}:{place.lineno}" for place in places if "napari_microcnn" in place.filename]
    return f"{type(error).__name__} at {' '.join(ours)}: {' '.join(str(error).split())[:200]}"
