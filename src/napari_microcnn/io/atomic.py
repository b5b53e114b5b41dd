"""Files appear under their final names only when they are complete."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from napari_microcnn.io.errors import WriteError

__all__ = ["WriteError", "make_folder", "replacing", "replacing_all", "replacing_folder", "telling"]

_REASONS = {
    errno.ENOSPC: "the disk is full; make room or choose another folder",
    errno.EDQUOT: "your quota of disk space is used up; make room or choose another folder",
    errno.EFBIG: "the file would be larger than allowed here; choose another folder",
    errno.EACCES: "writing there is not allowed; choose a folder of yours, or close the program that has the file open",
    errno.EPERM: "writing there is not allowed; choose a folder of yours",
    errno.EROFS: "that drive can only be read; choose another folder",
    errno.ENOENT: "the folder does not exist; create it or choose another",
    errno.ENOTDIR: "what should be its folder is a file; choose another folder",
    errno.EISDIR: "there is a folder of that name; choose another name",
    errno.EEXIST: "there is a file of that name; choose another name",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}

LONGEST_NAME = 150
"""Characters of a name that that of its unfinished file begins with."""


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a file beside its place and move it there when it is complete.

    Parameters
    ----------
    path : str or path-like
        Where the file shall be. A file that is there stays untouched until the new one is complete.

    Yields
    ------
    Path
        An empty file in the same folder to write to. It is gone when the block ends, however it ends.

    Raises
    ------
    WriteError
        If the folder or the drive does not allow it, during the block too; one sentence.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with replacing(folder / "notes.txt") as unfinished:
    ...     _ = unfinished.write_text("etched 20 s")
    >>> [file.name for file in folder.iterdir()]
    ['notes.txt']
    """
    # A link stays a link: what it points to is replaced.
    final = Path(os.path.realpath(path))
    unfinished = final.with_name(f".{final.name[:LONGEST_NAME]}.{secrets.token_hex(4)}.part")
    with telling(path):
        if final.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        unfinished.touch(exist_ok=False)
        try:
            yield unfinished
            _flush(unfinished)
            unfinished.replace(final)
        finally:
            unfinished.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Do as `replacing` for a file format that is a folder, such as OME-Zarr.

    Yields
    ------
    Path
        A folder beside it, not there as yet.
    """
    final = Path(os.path.realpath(path))
    unfinished = final.with_name(f".{final.name[:LONGEST_NAME]}.{secrets.token_hex(4)}.part")
    before = unfinished.with_suffix(".before")
    with telling(path):
        if final.exists() and not final.is_dir():
            raise NotADirectoryError(errno.EEXIST, os.strerror(errno.EEXIST))
        try:
            yield unfinished
            for file in (file for file in unfinished.rglob("*") if file.is_file()):
                _flush(file)
            # No system replaces a folder that holds something in one step.
            if final.is_dir():
                final.rename(before)
            unfinished.rename(final)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
            shutil.rmtree(before, ignore_errors=True)


@contextmanager
def telling(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn an `OSError` while writing `path` into a `WriteError` with one sentence."""
    try:
        yield
    except OSError as error:
        raise WriteError(f"{path} could not be written: {_reason(error.errno, error)}.") from error


@contextmanager
def replacing_all(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Do as `replacing` for several files: none appears before all are complete, and the last one appears last.

    So a process that is killed in between leaves no last file that promises others. What ends in ``.zarr`` is a folder.
    """
    with ExitStack() as stack:
        entered = [
            stack.enter_context(replacing_folder(path) if path.suffix == ".zarr" else replacing(path))
            for path in reversed(paths)
        ]
        yield entered[::-1]


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Create a folder, and those above it, unless it is there, and make sure that files can be written in it.

    To be called before any work is done for the files.

    Raises
    ------
    WriteError
        If it cannot be created or written; one sentence.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        # mkdir says of a file in the way that it exists.
        code = errno.ENOTDIR if error.errno == errno.EEXIST else error.errno or 0
        raise WriteError(f"The folder {folder} could not be created: {_reason(code, error)}.") from error
    with telling(folder):
        probe = folder / f".{secrets.token_hex(4)}.part"
        probe.touch(exist_ok=False)
        probe.unlink()
    return folder


def _reason(code: int | None, error: OSError) -> str:
    return _REASONS.get(code or 0) or f"{error.strerror or error}; choose another folder"


def _flush(path: Path) -> None:
    """Make sure the content is on the disk before the name is, or a power cut leaves an empty file."""
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
