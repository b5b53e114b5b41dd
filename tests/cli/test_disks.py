"""Disks that are full, or can only be read: a sentence, no half file, inputs as they were, and the next run works."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_microcnn.cli import main
from napari_microcnn.io.read import read_micrograph

Disk = Callable[[str], Path]
FULL = "make room or choose another folder"


@pytest.fixture
def commands(pictures: Path, model: Path) -> dict[str, list[str]]:
    """Return commands that write results, all but the place for them."""
    rng = np.random.default_rng(0)
    big = rng.integers(0, 255, (512, 512)).astype(np.uint8)  # noise, so that no compression makes it small
    tifffile.imwrite(pictures / "big.tif", big)
    tifffile.imwrite(pictures / "labels.tif", rng.integers(0, 40_000, (512, 512)).astype(np.int32))
    images, strokes = pictures / "images", pictures / "strokes"
    tiny = ["--init", "none", "--width", "16", "--depth", "3", "--patch", "32", "--batch", "2", "--epochs", "1"]
    return {
        "segment": ["segment", str(pictures / "big.tif"), "--model", str(model), "-o", "out"],
        "large": ["segment", str(pictures / "big.tif"), "--model", str(model), "--large", "-o", "out"],
        "train": ["train", "--images", str(images), "--labels", str(strokes), *tiny, "-o", "out/m.safetensors"],
        "measure": ["measure", "particles", str(pictures / "labels.tif"), "-o", "out/all.csv"],
        "synth": ["synth", "nanoparticles", "-n", "3", "-o", "out"],
    }


def run(command: list[str], folder: Path) -> int:
    return main([word.replace("out", str(folder), 1) if word.startswith("out") else word for word in command])


def hashes(folder: Path) -> dict[str, str]:
    """Return what the inputs are: everything outside the disk."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and "disk" not in path.parts)
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("name", ["segment", "large", "train", "measure", "synth"])
def test_a_full_disk(
    disk: Disk, pictures: Path, commands: dict[str, list[str]], capsys, monkeypatch, name: str
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(pictures))  # where a trained model goes instead
    folder, before = disk("size=8k"), hashes(pictures)
    assert run(commands[name], folder) == 2
    heard = capsys.readouterr().err
    assert FULL in heard
    assert "Traceback" not in heard
    assert not [path for path in folder.rglob("*") if path.name.endswith(".part")]
    for path in folder.rglob("*.tif"):
        assert read_micrograph(path).plane_shape
    assert before.items() <= hashes(pictures).items()
    disk("size=100m")
    assert run(commands[name], folder) == 0
    assert len([path for path in folder.rglob("*") if path.is_file()]) > 0


@pytest.mark.parametrize("name", ["segment", "large", "train", "measure", "synth"])
def test_a_disk_that_can_only_be_read(disk: Disk, pictures: Path, commands, capsys, name: str) -> None:
    folder, before = disk("size=50m"), hashes(pictures)
    disk("ro")
    assert run(commands[name], folder) == 2
    heard = capsys.readouterr().err.strip().splitlines()
    assert "that drive can only be read; choose another folder" in heard[-1]
    assert len(heard) == 1
    assert hashes(pictures) == before
    disk("rw")
    assert run(commands[name], folder) == 0
