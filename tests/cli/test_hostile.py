"""Names with terminal escapes, and what happens to files when the disk, the folder or the memory gives way."""

from __future__ import annotations

import json
import os
import resource
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import tifffile

from napari_microcnn.cli import main

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e"


def clean(*texts: str) -> None:
    for letter in "\x1b\x07\x9b\u202e":
        assert all(letter not in text for text in texts)


def renamed(model: Path, **changes: object) -> Path:
    content = model.read_bytes()
    length = struct.unpack_from("<Q", content)[0]
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"]["napari-microcnn"] = json.dumps(
        json.loads(header["__metadata__"]["napari-microcnn"]) | changes
    )
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    model.write_bytes(struct.pack("<Q", len(encoded)) + encoded + content[8 + length :])
    return model


def test_terminal_escapes_in_a_model_do_not_reach_the_terminal(model: Path, capsys) -> None:
    assert main(["models", "info", str(renamed(model, name=ESCAPES, provenance={ESCAPES: ESCAPES}))]) == 0
    told = capsys.readouterr()
    clean(told.out, told.err)
    assert "owned" in told.out
    classes = [{"id": 1, "name": "dark" + ESCAPES, "colour": "#000000"}, {"id": 2, "name": "b", "colour": "#ffffff"}]
    assert main(["models", "info", str(renamed(model, classes=classes))]) == 2
    told = capsys.readouterr()
    clean(told.out, told.err)
    assert "cannot be shown" in told.err


def test_terminal_escapes_in_names_of_files_do_not_reach_the_terminal(pictures: Path, model: Path, capsys) -> None:
    name = ESCAPES.replace("/", "") + ".tif"
    shutil.copy(pictures / "images" / "p0.tif", pictures / name)
    assert main(["segment", str(pictures / name), "--model", str(model), "-o", str(pictures / "out")]) == 0
    told = capsys.readouterr()
    assert "owned" in told.out
    clean(told.out, told.err)
    (pictures / name).write_bytes(b"nothing")
    assert main(["segment", str(pictures / name), "--model", str(model), "-o", str(pictures / "out")]) == 2
    clean(*capsys.readouterr())


def run_limited(limits: dict[int, int], *words: str) -> subprocess.CompletedProcess[str]:
    def limit() -> None:
        for kind, value in limits.items():
            resource.setrlimit(kind, (value, value))

    code = "import sys; from napari_microcnn.cli import main; sys.exit(main(sys.argv[1:]))"
    words = (sys.executable, "-c", code, *words)
    alone = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(words, check=False, preexec_fn=limit, capture_output=True, text=True, timeout=120, env=alone)


def test_a_disk_that_takes_no_more_leaves_no_half_file(pictures: Path, model: Path) -> None:
    images, out = pictures / "images", pictures / "out"
    before = {path: path.read_bytes() for path in images.iterdir()}
    limits = {resource.RLIMIT_FSIZE: 1000}
    done = run_limited(limits, "segment", str(images), "--model", str(model), "-o", str(out), "--device", "cpu")
    assert done.returncode == 2
    assert "larger than allowed here" in done.stderr
    assert "Traceback" not in done.stderr
    assert not [path for path in out.rglob("*") if path.suffix in (".tif", ".part")]
    assert {path: path.read_bytes() for path in images.iterdir()} == before
    assert main(["segment", str(images), "--model", str(model), "-o", str(out)]) == 0  # can be repeated


def test_a_folder_that_may_not_be_written_is_told_before_any_work(pictures: Path, model: Path, capsys, monkeypatch):
    def forbidden(path: Path, *args: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "touch", forbidden)
    assert main(["segment", str(pictures / "images"), "--model", str(model), "-o", str(pictures / "out")]) == 2
    heard = capsys.readouterr().err
    assert "writing there is not allowed" in heard
    assert heard.count("\n") == 1
    assert list((pictures / "out").iterdir()) == []


def test_an_image_that_vanishes_during_a_batch_costs_itself_only(pictures: Path, model: Path, capsys, monkeypatch):
    from napari_microcnn.batch import files

    read = files.read_micrograph

    def vanishing(path: Path, **options: object) -> object:
        (pictures / "images" / "p1.tif").unlink(missing_ok=True)
        return read(path, **options)

    monkeypatch.setattr(files, "read_micrograph", vanishing)
    assert main(["segment", str(pictures / "images"), "--model", str(model), "-o", str(pictures / "out")]) == 2
    heard = capsys.readouterr().err
    assert "p1.tif does not exist" in heard
    assert tifffile.imread(pictures / "out" / "p0_classes.tif").shape == (64, 64)
    assert not list((pictures / "out").glob("p1*"))
    assert not list((pictures / "out").glob(".*"))


@pytest.mark.parametrize("room", [1 << 20, 300 << 20])
def test_too_little_memory_is_told_in_one_line(pictures: Path, model: Path, room: int) -> None:
    import numpy as np

    big = pictures / "big.tif"
    tifffile.imwrite(big, np.tile(tifffile.imread(pictures / "images" / "p0.tif"), (32, 32)))
    code = (
        "import resource, sys, psutil, torch\n"
        "from napari_microcnn.cli import main\n"
        "import napari_microcnn.batch.files, napari_microcnn.predict, napari_microcnn.models\n"
        f"limit = psutil.Process().memory_info().vms + {room}\n"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    words = ["segment", str(big), "--model", str(model), "-o", str(pictures / "out"), "--device", "cpu"]
    words = [sys.executable, "-c", code, *words]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=120)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 0 or (done.returncode == 2 and "memory" in done.stderr), done
    assert done.returncode == 0 or room == 1 << 20
    assert not list((pictures / "out").glob(".*"))
