"""What a long job keeps on the disk until it is finished, so that it can go on where it was interrupted."""

from __future__ import annotations

import shutil
import zlib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import ZstdCodec

from napari_microcnn.io.atomic import make_folder, replacing, telling
from napari_microcnn.io.errors import ReadError, WriteError
from napari_microcnn.io.journal import Journal, Record, read_records
from napari_microcnn.io.ome_zarr import checked_array
from napari_microcnn.io.stored import StoredArray, telling_damage
from napari_microcnn.io.write import plain

_HEADER, _CHECK, _DIGITS = "header", "crc32", 6
_PART = 1 << 20
_ADVICE = "delete that folder and what was begun of the result, and begin again"


class Scratch:
    """A folder of unfinished work: arrays, tables, and a journal of what is done.

    Parameters
    ----------
    folder : Path
        Created unless it is there.
    header : dict
        What is done and how; ready for JSON.

    Attributes
    ----------
    folder : Path
    resumed : bool
        Whether something had been done before.

    Raises
    ------
    ValueError
        If the folder holds unfinished work on something else, or done in another way, or is damaged.
    WriteError
        If it cannot be written.
    """

    def __init__(self, folder: Path, header: dict[str, Any]) -> None:
        self.folder = folder
        header = plain(header)
        found: dict[str, dict[str, Any]] = {}
        journals = sorted(folder.glob(f"journal-{_DIGITS * '[0-9]'}")) if folder.is_dir() else []
        with self._telling_damage():
            for path in journals:
                found |= _records(path)
            known = found.pop(_HEADER)["content"] if found else header
        if known != header:
            raise WriteError(
                f"{folder} holds an unfinished result of another image, model or setting; finish that one, delete the "
                f"folder, or choose another name."
            )
        self._done = found
        self._arrays: dict[str, Any] = {}
        self.resumed = bool(found)
        make_folder(folder / "tables")
        with telling(folder), self._telling_damage():
            self._group = zarr.open_group(folder / "arrays", mode="a", zarr_format=3)
        last = int(journals[-1].name.removeprefix("journal-")) if journals else 0
        records = [Record({"name": _HEADER, "content": header}), *map(Record, found.values())]
        self._journal = Journal(folder / f"journal-{last + 1:0{_DIGITS}}", records)
        for path in journals:
            path.unlink()

    def __contains__(self, name: str) -> bool:
        """Whether a piece of work is done."""
        return name in self._done

    def note(self, *names: str) -> None:
        """Write into the journal that pieces of work are done, with all that they wrote."""
        self._note(*(Record({"name": name}) for name in names))

    def _note(self, *records: Record) -> None:
        self._journal.append(records)
        self._done |= {record.head["name"]: record.head for record in records}

    def array(self, name: str, shape: tuple[int, ...], chunk: int, dtype: Any) -> Any:
        """Return an array on the disk, (Y, X), created unless it is there; all 0 where nothing was written."""
        if name not in self._arrays:
            self._arrays[name] = StoredArray(self._opened(name, shape, chunk, dtype), self.folder, _ADVICE)
        return self._arrays[name]

    def _opened(self, name: str, shape: tuple[int, ...], chunk: int, dtype: Any) -> Any:
        chunks = tuple(min(chunk, length) for length in shape)
        with telling(self.folder), self._telling_damage():
            if name not in self._group:
                zstd = ZstdCodec(checksum=True)
                self._group.create_array(name, shape=shape, chunks=chunks, dtype=dtype, compressors=zstd, fill_value=0)
            array = checked_array(self._group[name])
            if (array.shape, array.chunks, array.dtype) != (shape, chunks, np.dtype(dtype)):
                raise ValueError("another array")
        return array

    def passing(self, name: str, shape: tuple[int, int], dtype: Any) -> Any:
        """Return an array in memory, until it is dropped; all 0 at first."""
        return self._arrays.setdefault(name, np.zeros(shape, dtype))

    def save(self, name: str, **columns: NDArray[Any]) -> None:
        """Keep the result of a piece of work, which is done by that."""
        with replacing(self._table(name)) as unfinished:
            with unfinished.open("wb") as file:  # numpy would change the name of a path
                np.savez(file, **columns)  # type: ignore[arg-type]  # names of arrays, no option
            check = _crc32(unfinished)
        self._note(Record({"name": name, _CHECK: check}))

    def load(self, name: str) -> dict[str, NDArray[Any]]:
        """Return what was saved."""
        with self._telling_damage():
            path = self._table(name)
            if _crc32(path) != self._done[name][_CHECK]:
                raise ValueError("another table")
            with np.load(path, allow_pickle=False) as columns:
                return {key: columns[key] for key in columns.files}

    def drop(self, *names: str) -> None:
        """Delete arrays that are no longer needed."""
        with telling(self.folder), self._telling_damage():
            for name in names:
                if not isinstance(self._arrays.pop(name, None), np.ndarray) and name in self._group:
                    del self._group[name]

    def remove(self) -> None:
        """Delete the whole folder: the work is finished."""
        with telling(self.folder):
            shutil.rmtree(self.folder)

    def _telling_damage(self) -> AbstractContextManager[None]:
        return telling_damage(self.folder, _ADVICE)

    def _table(self, name: str) -> Path:
        return self.folder / "tables" / f"{name.replace('/', '-')}.npz"


def _crc32(path: Path) -> int:
    """Return the checksum of a file, which may be large, without holding it."""
    check = 0
    with path.open("rb") as file:
        while part := file.read(_PART):
            check = zlib.crc32(part, check)
    return check


def _records(path: Path) -> dict[str, dict[str, Any]]:
    """Return the heads of a journal by their names; none of one that was torn before its first line was whole."""
    try:
        return {record.head["name"]: record.head for record in read_records(path)}
    except ReadError:
        if path.stat().st_size:
            raise
        return {}
