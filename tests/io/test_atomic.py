"""Nothing half-written, whatever goes wrong."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_microcnn.io.atomic import WriteError, make_folder, replacing, replacing_all, replacing_folder
from napari_microcnn.io.write import write_image, write_json, write_table


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "mask.tif"
    path.write_text("old")
    with replacing(path) as unfinished:
        unfinished.write_text("new")
        assert unfinished.parent == tmp_path
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert files(tmp_path) == ["mask.tif"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_an_interruption_leaves_the_old_file(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "mask.tif"
    path.write_text("old")

    def interrupted() -> None:
        with replacing(path) as unfinished:
            unfinished.write_text("half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert path.read_text() == "old"
    assert files(tmp_path) == ["mask.tif"]


def test_a_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"

    def write(text: str, error: type[BaseException] | None = None) -> None:
        with replacing_folder(path) as unfinished:
            (unfinished / "deep").mkdir(parents=True)
            (unfinished / "deep" / text).write_text(text)
            if error is not None:
                raise error

    write("old")
    with pytest.raises(KeyboardInterrupt):
        write("half", KeyboardInterrupt)
    assert files(path / "deep") == ["old"]
    write("new")
    assert files(path / "deep") == ["new"]
    assert files(tmp_path) == ["a.zarr"]
    path = tmp_path / "file.zarr"
    path.write_text("mine")
    with pytest.raises(WriteError, match="there is a file of that name"):
        write("new")
    assert files(tmp_path) == ["a.zarr", "file.zarr"]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (errno.ENOSPC, "the disk is full; make room or choose another folder."),
        (errno.EDQUOT, "your quota of disk space is used up"),
        (errno.EACCES, "writing there is not allowed; choose a folder of yours"),
        (errno.EROFS, "that drive can only be read"),
        (errno.EIO, "choose another folder"),
    ],
)
@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_the_system_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, says: str, step: str) -> None:
    def refuse(*args: Any, **options: Any) -> Any:
        raise OSError(code, os.strerror(code))

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", refuse)
    if step == "replace":
        monkeypatch.setattr(Path, "replace", refuse)

    def write() -> None:
        with replacing(tmp_path / "mask.tif") as unfinished:
            unfinished.write_text("content")
            if step == "write":
                refuse()

    with pytest.raises(WriteError, match=r"mask\.tif could not be written: ") as error:
        write()
    assert says in str(error.value)
    assert str(error.value).endswith(".")
    assert files(tmp_path) == []


def test_folders_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder.tif").mkdir()
    for path, says in (
        (tmp_path / "file" / "mask.tif", "what should be its folder is a file"),
        (tmp_path / "missing" / "mask.tif", "the folder does not exist; create it"),
        (tmp_path / "folder.tif", "there is a folder of that name"),
        (Path("/proc/mask.tif"), "could not be written"),
    ):
        with pytest.raises(WriteError) as error:
            write_image(path, np.zeros((4, 4), np.uint8))
        assert says in str(error.value)
    with pytest.raises(WriteError, match="what should be its folder is a file"):
        make_folder(tmp_path / "file")
    with pytest.raises(WriteError, match="what should be its folder is a file"):
        make_folder(tmp_path / "file" / "below")
    assert make_folder(tmp_path / "a" / "b").is_dir()
    assert files(tmp_path / "a" / "b") == []


def test_a_folder_is_known_to_be_unwritable_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, **_: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(WriteError, match="writing there is not allowed"):
        make_folder(tmp_path)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "target.json").write_text("old")
    (tmp_path / "link.json").symlink_to(tmp_path / "target.json")
    write_json(tmp_path / "link.json", {"new": True})
    assert (tmp_path / "link.json").is_symlink()
    assert "new" in (tmp_path / "target.json").read_text()


def test_several_files_appear_together_or_not_at_all(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.tif", "b.csv", "c.json")]

    def fail() -> None:
        with replacing_all(paths) as unfinished:
            unfinished[0].write_text("complete")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(WriteError, match="the disk is full"):
        fail()
    assert files(tmp_path) == []
    with replacing_all(paths) as unfinished:
        for file in unfinished:
            file.write_text("complete")
    assert files(tmp_path) == ["a.tif", "b.csv", "c.json"]


SMALL_DISK = """
import resource, signal, sys
import numpy as np
from napari_microcnn.io.write import write_image, write_json, write_table
from napari_microcnn.io.atomic import WriteError
# The system then refuses to let any file grow beyond this, in the middle of a write, as a full disk does.
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
noise = np.random.default_rng(0).integers(0, 256, (300, 300), dtype=np.uint8)
for write, suffix, content in (
    (write_image, "tif", noise), (write_image, "png", noise),
    (write_table, "csv", {"label": np.arange(30_000)}), (write_json, "json", {"many": list(range(30_000))}),
):
    try:
        write(f"{sys.argv[1]}/big.{suffix}", content)
    except WriteError as error:
        sys.stdout.write(f"{error}\\n")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limit")
def test_no_room_in_the_middle_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "big.tif").write_text("old")
    done = subprocess.run([sys.executable, "-c", SMALL_DISK, str(tmp_path)], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    assert all("larger than allowed" in line and line.endswith(".") for line in lines)
    assert files(tmp_path) == ["big.tif"]
    assert (tmp_path / "big.tif").read_text() == "old"


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk(tiny_disk: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (500, 500), dtype=np.uint8)
    for write, name, content in (
        (write_image, "big.tif", noise),
        (write_image, "big.png", noise),
        (write_table, "big.csv", {"label": np.arange(50_000)}),
    ):
        with pytest.raises(WriteError, match="the disk is full"):
            write(tiny_disk / name, content)  # type: ignore[operator]
    assert files(tiny_disk) == []
