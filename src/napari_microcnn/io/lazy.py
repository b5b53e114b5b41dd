"""TIFF pixels that stay in the file until they are asked for."""

from __future__ import annotations

import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import zarr
from dask.base import tokenize
from tifffile import COMPRESSION, TiffFile, TiffFileError, TiffPageSeries

from napari_microcnn.io.errors import DAMAGED, ReadError
from napari_microcnn.io.held import chunk_sides

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PLAIN = (COMPRESSION.NONE, COMPRESSION.LZW, COMPRESSION.ADOBE_DEFLATE, COMPRESSION.DEFLATE, COMPRESSION.ZSTD)
"""Compressions that need nothing but the segment itself."""
_DAMAGED = (*DAMAGED, OSError, TiffFileError)  # which is a kind of its own in older versions of tifffile


class TiffPixels:
    """The first series of a TIFF file as something that can be sliced.

    Uncompressed contiguous data is mapped, everything else decoded strip by strip or tile by tile:
    those of a single grey plane without zarr, which takes several times as long. The file is opened
    when it is first needed, and again in another process after pickling, so that a dask graph holds
    no more than a path.

    Parameters
    ----------
    path : Path
        A TIFF file.
    series : tifffile.TiffPageSeries
        Its first series, of a file that is open.
    """

    def __init__(self, path: Path, series: TiffPageSeries) -> None:
        self.path = path
        self.shape = tuple(int(n) for n in series.shape)
        self.dtype = np.dtype(series.dtype).newbyteorder("=")
        self.ndim = len(self.shape)
        self.axes = str(series.axes)
        keyframe = series.keyframe
        mappable = series.dataoffset is not None and keyframe.is_contiguous and keyframe.is_final
        self._offset = series.dataoffset if mappable else None
        self._stored = self.dtype.newbyteorder(series.parent.byteorder if series.parent is not None else "=")
        self._single = (
            self.axes == "YX" and len(series) == 1 and keyframe.compression in _PLAIN and keyframe.samplesperpixel == 1
        )
        self._handles = threading.Lock()
        self._zarr: Any = None
        self._tif: TiffFile | None = None

    def __getitem__(self, region: Any) -> NDArray[Any]:
        """Read a region, in the byte order of this machine."""
        try:
            if self._offset is not None:
                pixels = np.memmap(self.path, self._stored, "r", self._offset, self.shape)[region]
            elif self._single and (span := _span(region, self.shape)) is not None:
                pixels = self._decoded(*span)
            else:
                pixels = np.asarray(self._opened()[region])
        except _DAMAGED as error:
            raise ReadError(
                f"{self.path.name} could not be read to the end: it was moved, changed or is damaged; open it again."
            ) from error
        return np.array(pixels, dtype=self.dtype)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key not in ("_handles", "_zarr", "_tif")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _handles=threading.Lock(), _zarr=None, _tif=None)

    def as_dask(self) -> da.Array:
        """Return the pixels as a dask array whose chunks are multiples of the file's strips or tiles."""
        stat = self.path.stat()
        name = f"tiff-{tokenize(str(self.path.resolve()), stat.st_mtime_ns, stat.st_size, self.shape)}"
        # Slicing gives plain arrays already, so dask need not convert or copy.
        array: da.Array = da.from_array(  # type: ignore[no-untyped-call]
            self, chunks=self._chunks(), name=name, asarray=False, meta=np.empty(0, self.dtype)
        )
        return array

    def _decoded(self, rows: slice, cols: slice) -> NDArray[Any]:
        """Decode the strips or tiles that a region lies in."""
        page = self._file().series[0].keyframe
        found = np.full((rows.stop - rows.start, cols.stop - cols.start), page.nodata, self.dtype)
        high, wide = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
        per_row = -(-page.imagewidth // wide)
        for row in range(rows.start // high, -(-rows.stop // high)):
            for column in range(cols.start // wide, -(-cols.stop // wide)):
                pixels = self._segment(page, row * per_row + column)
                if pixels is None:  # left out by the program that wrote the file
                    continue
                top, left = row * high, column * wide
                first, start = max(rows.start, top), max(cols.start, left)
                last, end = min(rows.stop, top + pixels.shape[0]), min(cols.stop, left + pixels.shape[1])
                part = pixels[first - top : last - top, start - left : end - left]
                found[first - rows.start : last - rows.start, start - cols.start : end - cols.start] = part
        return found

    def _segment(self, page: Any, number: int) -> NDArray[Any] | None:
        """Return a strip or tile, (H, W)."""
        file = self._file().filehandle
        with self._handles:
            file.seek(page.dataoffsets[number])
            packed = file.read(min(page.databytecounts[number], file.size))
        decoded, _, (_, height, width, _) = page.decode(packed or None, number)
        return None if decoded is None else np.asarray(decoded)[0, :height, :width, 0]

    def _file(self) -> TiffFile:
        with self._handles:
            if self._tif is None:
                self._tif = TiffFile(self.path)
                weakref.finalize(self, self._tif.close)
            return self._tif

    def _opened(self) -> Any:
        tif = self._file()
        with self._handles:
            if self._zarr is None:
                store = tif.series[0].aszarr(level=0)
                weakref.finalize(self, store.close)
                self._zarr = zarr.open(store, mode="r")
            return self._zarr

    def _chunks(self) -> tuple[int, ...]:
        stored = self.shape if self._offset is not None else tuple(int(n) for n in self._opened().chunks)
        sizes = [1] * self.ndim
        if "S" in self.axes:
            sizes[self.axes.index("S")] = self.shape[self.axes.index("S")]
        y, x = self.axes.index("Y"), self.axes.index("X")
        unit = (1, 1) if self._offset is not None else (stored[y], stored[x])
        sizes[y], sizes[x] = chunk_sides(self.shape[y], self.shape[x], unit)
        return tuple(sizes)


def _span(region: Any, shape: tuple[int, ...]) -> tuple[slice, slice] | None:
    """Return the rows and columns of a region without gaps; None for anything else."""
    if not isinstance(region, tuple) or len(region) != 2 or not all(isinstance(part, slice) for part in region):
        return None
    (top, bottom, down), (left, right, across) = (part.indices(n) for part, n in zip(region, shape, strict=True))
    return (slice(top, max(top, bottom)), slice(left, max(left, right))) if down == across == 1 else None
