"""What a long job keeps on the disk until it is finished, so that it can go on where it was interrupted."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_microcnn.io.atomic import make_folder, replacing, telling
from napari_microcnn.io.errors import ReadError
from napari_microcnn.io.journal import Journal, Record, read_records
from napari_microcnn.io.write import plain

_HEADER = "header"


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
        If the folder holds unfinished work on something else, or done in another way.
    WriteError
        If it cannot be written.
    """

    def __init__(self, folder: Path, header: dict[str, Any]) -> None:
        self.folder = folder
        header = plain(header)
        found: dict[str, dict[str, Any]] = {}
        journals = sorted(folder.glob("journal-*")) if folder.is_dir() else []
        for path in journals:
            found |= _records(path)
        known = found.pop(_HEADER, None)
        if known is not None and known["content"] != header:
            raise ValueError(
                f"{folder} holds an unfinished result of another image, model or setting; finish that one, delete the "
                f"folder, or choose another name."
            )
        self._done = found
        self._arrays: dict[str, Any] = {}
        self.resumed = bool(found)
        make_folder(folder / "tables")
        with telling(folder):
            self._group = zarr.open_group(folder / "arrays", mode="a", zarr_format=3)
        last = int(journals[-1].name.removeprefix("journal-")) if journals else 0
        records = [Record({"name": _HEADER, "content": header}), *map(Record, found.values())]
        self._journal = Journal(folder / f"journal-{last + 1:06}", records)
        for path in journals:
            path.unlink()

    def __contains__(self, name: str) -> bool:
        """Whether a piece of work is done."""
        return name in self._done

    def note(self, *names: str) -> None:
        """Write into the journal that pieces of work are done, with all that they wrote."""
        self._journal.append([Record({"name": name}) for name in names])
        self._done |= {name: {"name": name} for name in names}

    def array(self, name: str, shape: tuple[int, ...], chunk: int, dtype: Any) -> Any:
        """Return an array on the disk, (Y, X), created unless it is there; all 0 where nothing was written."""
        if name not in self._arrays:
            chunks = tuple(min(chunk, length) for length in shape)
            with telling(self.folder):
                self._arrays[name] = (
                    self._group[name]
                    if name in self._group
                    else self._group.create_array(name, shape=shape, chunks=chunks, dtype=dtype, fill_value=0)
                )
        return self._arrays[name]

    def passing(self, name: str, shape: tuple[int, int], dtype: Any) -> Any:
        """Return an array in memory, until it is dropped; all 0 at first."""
        return self._arrays.setdefault(name, np.zeros(shape, dtype))

    def save(self, name: str, **columns: NDArray[Any]) -> None:
        """Keep the result of a piece of work, which is done by that."""
        with replacing(self._table(name)) as unfinished, unfinished.open("wb") as file:
            np.savez(file, **columns)  # type: ignore[arg-type]  # names of arrays, no option
        self.note(name)

    def load(self, name: str) -> dict[str, NDArray[Any]]:
        """Return what was saved."""
        with np.load(self._table(name), allow_pickle=False) as columns:
            return {key: columns[key] for key in columns.files}

    def drop(self, *names: str) -> None:
        """Delete arrays that are no longer needed."""
        for name in names:
            if not isinstance(self._arrays.pop(name, None), np.ndarray) and name in self._group:
                del self._group[name]

    def remove(self) -> None:
        """Delete the whole folder: the work is finished."""
        with telling(self.folder):
            shutil.rmtree(self.folder)

    def _table(self, name: str) -> Path:
        return self.folder / "tables" / f"{name.replace('/', '-')}.npz"


def _records(path: Path) -> dict[str, dict[str, Any]]:
    """Return the heads of a journal by their names; none of one that was torn before its first line was whole."""
    try:
        return {record.head["name"]: record.head for record in read_records(path)}
    except ReadError:
        if path.stat().st_size:
            raise
        return {}
