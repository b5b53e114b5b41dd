"""Disks that are full, or can only be read: a sentence, no half file, inputs as they were, and the next run works.

Disks are mounted where that is allowed; everywhere but on Windows a limit on the size of files stands for a full one
too, and a folder without permission to write for one that can only be read.
"""

from __future__ import annotations

import errno
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch._dynamo  # noqa: F401 - the first training imports it, which must not be while files are limited

from napari_microcnn.cli import main
from napari_microcnn.io.read import read_micrograph

Disk = Callable[[str], Path]
FULL = ("make room or choose another folder", "the file would be larger than allowed here; choose another folder")
READ_ONLY = ("that drive can only be read; choose another folder", "writing there is not allowed")


class LimitedDisk:
    """Stands for a disk, as `mounted_disk`, without any rights."""

    def __init__(self, place: Path, patches: pytest.MonkeyPatch) -> None:
        self._place, self._patches = place, patches

    def __call__(self, options: str) -> Path:
        self._place.mkdir(exist_ok=True)
        self.free()
        if options.endswith("k"):
            _limit(int(options.removeprefix("size=").removesuffix("k")) << 6)  # of each file, one of many on a disk
            elsewhere = tempfile.mkdtemp  # is on another disk
            self._patches.setattr(
                tempfile, "mkdtemp", lambda *places, **words: (_limit(None), elsewhere(*places, **words))[1]
            )
        elif options == "ro":
            self._place.chmod(0o555)
            if os.access(self._place, os.W_OK):  # as for an administrator, who may do all
                self._patches.setattr(Path, "touch", lambda path, **_: self._refuse(path))
        return self._place

    def _refuse(self, path: Path) -> None:
        assert self._place in path.parents
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    def free(self) -> None:
        """Let everything be written again."""
        self._patches.undo()
        self._place.chmod(0o755)
        _limit(None)


def _limit(size: int | None) -> None:
    """Limit how large files may become, of this process only."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard if size is None else size, hard))


@pytest.fixture(params=["mounted", "limited"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    """Return a function that makes a disk full, writable or read-only, see `mounted_disk`."""
    if request.param == "mounted":
        yield request.getfixturevalue("mounted_disk")
        return
    if sys.platform == "win32":
        pytest.skip("Windows has no limit on the size of files.")
    with pytest.MonkeyPatch.context() as patches:
        limited = LimitedDisk(tmp_path / "disk", patches)
        yield limited
        limited.free()


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
    assert any(sentence in heard for sentence in FULL)
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
    assert any(sentence in heard[-1] for sentence in READ_ONLY)
    assert len(heard) == 1
    assert hashes(pictures) == before
    disk("rw")
    assert run(commands[name], folder) == 0
