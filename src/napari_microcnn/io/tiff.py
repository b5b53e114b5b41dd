"""Read TIFF in the variants that microscopes and programs write."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import unpack
from typing import Any

import numpy as np
from tifffile import COMPRESSION, PHOTOMETRIC, TiffFile, TiffFileError, TiffPageSeries

from napari_microcnn.io.axes import grey_if_equal, normalise_axes
from napari_microcnn.io.calibration import find_calibration
from napari_microcnn.io.errors import DAMAGED, ReadError
from napari_microcnn.io.vendors import fei_field_rows
from napari_microcnn.micrograph import Calibration, Micrograph, Pixels

_DAMAGED = (*DAMAGED, TiffFileError)
_MAX_CHUNK = 2 << 30  # a strip or tile is decoded as a whole
_SUSPICIOUS_CHUNK, _MAX_RATIO = 64 << 20, 100_000  # no codec packs a picture that well
_ALPHA = (1, 2)  # extra samples that are opacity


def read_tiff(path: Path, name: str, lazy_from_bytes: int, *, raw: bool = False) -> Micrograph:
    """Read the first series of a TIFF file.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        Name of the micrograph.
    lazy_from_bytes : int
        Images of at least this many bytes, uncompressed, become dask arrays.
    raw : bool
        Leave the stored numbers alone: no colour map, no inversion. For label images.

    Raises
    ------
    ReadError
        If the file is damaged, truncated, lies about its size, or holds no real 2-D to 4-D image.
    """
    try:
        with _listen() as complaints, TiffFile(path) as tif:
            _check_chain(path, tif)
            series = tif.series[0] if tif.series else None
            if series is None:
                raise ReadError(f"{path.name} holds no image; export it again.")
            _check(path, series, complaints)
            pixels, axes = _pixels(path, series, lazy_from_bytes)
            if not raw:
                pixels, axes = _interpret(pixels, axes, series.keyframe)
            pixels, axes = normalise_axes(pixels, axes, path.name)
            if isinstance(pixels, np.ndarray):
                pixels, axes = grey_if_equal(pixels, axes)
            metadata: dict[str, Any] = {
                "file_axes": str(series.axes),
                "file_shape": tuple(series.shape),
                **_instrument(tif),
            }
            if (rows := fei_field_rows(tif)) is not None:
                metadata["field_rows"] = rows
            if len(tif.series) > 1:
                metadata["images_in_file"] = len(tif.series)
            return Micrograph(pixels, axes, find_calibration(tif), name, path, metadata)
    except ReadError:
        raise
    except _DAMAGED as error:
        raise ReadError(
            f"{path.name} is damaged or of a kind of TIFF that cannot be read; open it in the program that made it "
            "and save it again as TIFF."
        ) from error


def tiff_calibration(path: Path) -> Calibration | None:
    """Return what a TIFF file says of the size of a pixel, without reading pixels.

    Raises
    ------
    ReadError
        If the file is damaged.
    """
    try:
        with _listen(), TiffFile(path) as tif:
            _check_chain(path, tif)
            return find_calibration(tif) if tif.series else None
    except _DAMAGED as error:
        raise ReadError(f"{path.name} is damaged or of a kind of TIFF that cannot be read.") from error


def _check_chain(path: Path, tif: TiffFile) -> None:
    """Refuse a chain of pages that comes back to itself: tifffile would follow it for ever."""
    form, handle, seen = tif.tiff, tif.filehandle, set[int]()
    place = 8 if form.is_bigtiff else 4
    while True:
        handle.seek(place)
        pointer = handle.read(form.offsetsize)
        offset = int(unpack(form.offsetformat, pointer)[0]) if len(pointer) == form.offsetsize else 0
        if offset in seen:
            raise ReadError(f"{path.name} is damaged: its pages follow each other in a circle; save it again as TIFF.")
        if not 0 < offset < handle.size:
            return
        seen.add(offset)
        handle.seek(offset)
        count = handle.read(form.tagnosize)
        if len(count) < form.tagnosize:
            return
        place = offset + form.tagnosize + int(unpack(form.tagnoformat, count)[0]) * form.tagsize


@contextmanager
def _listen() -> Iterator[list[str]]:
    """Collect what tifffile logs in this thread instead of showing it: users get one sentence, not its log."""
    complaints: list[str] = []
    thread = threading.get_ident()

    def keep(record: logging.LogRecord) -> bool:
        if record.thread != thread:
            return True
        complaints.append(record.getMessage())
        return False

    logger = logging.getLogger("tifffile")
    logger.addFilter(keep)
    try:
        yield complaints
    finally:
        logger.removeFilter(keep)


def _check(path: Path, series: TiffPageSeries, complaints: list[str]) -> None:
    """Refuse what cannot be read, before any memory is spent on it."""
    if np.dtype(series.dtype).kind == "c":
        raise ReadError(f"{path.name} holds complex numbers; save its magnitude or its phase instead.")
    if np.dtype(series.dtype).kind not in "buif":
        raise ReadError(f"{path.name} holds {series.dtype} data; a micrograph needs integers or floats.")
    if 0 in series.shape:
        raise ReadError(f"The image in {path.name} is empty: its shape is {tuple(series.shape)}.")
    if any("invalid page offset" in complaint for complaint in complaints):
        raise ReadError(f"{path.name} is truncated: pages are missing at its end; copy or export it again.")
    _check_storage(path, path.stat().st_size, series)


def _check_storage(path: Path, file_size: int, series: TiffPageSeries) -> None:
    """Compare what the header promises with what the file can hold."""
    keyframe = series.keyframe
    packed = keyframe.compression != COMPRESSION.NONE
    if series.dataoffset is not None and not packed:
        if series.dataoffset + series.size * keyframe.bitspersample // 8 > file_size:
            raise _too_short(path, series, file_size)
        return
    chunk = int(np.prod(keyframe.chunks, dtype=np.int64)) * np.dtype(series.dtype).itemsize
    if chunk > _MAX_CHUNK and packed:
        raise ReadError(
            f"{path.name} says that one strip of it takes {chunk / 2**30:.3g} GB, which is too much to decode at once; "
            "save it as a tiled TIFF."
        )
    expected = int(np.prod(keyframe.chunked, dtype=np.int64))
    for page in series.pages:
        if page is None:
            continue
        offsets, counts = page.dataoffsets, page.databytecounts
        if max((a + n for a, n in zip(offsets, counts, strict=False)), default=0) > file_size:
            raise _too_short(path, series, file_size)
        stored = sum(counts)
        sparse = min(counts, default=0) == 0
        short = not packed and not sparse and stored < keyframe.size * keyframe.bitspersample // 8
        subsampled = keyframe.photometric == PHOTOMETRIC.YCBCR
        lying = packed and chunk > _SUSPICIOUS_CHUNK and chunk > _MAX_RATIO * max(1, max(counts, default=0))
        if len(counts) < expected or (short and not subsampled) or lying:
            raise _too_short(path, series, file_size)


def _too_short(path: Path, series: TiffPageSeries, file_size: int) -> ReadError:
    shape = " x ".join(str(n) for n in series.shape)
    return ReadError(
        f"{path.name} is truncated or its header is wrong: it promises {shape} pixels of {series.dtype}, more than its "
        f"{file_size:,} bytes hold; copy or export it again."
    )


def _pixels(path: Path, series: TiffPageSeries, lazy_from_bytes: int) -> tuple[Pixels, str]:
    if series.size * np.dtype(series.dtype).itemsize >= lazy_from_bytes:
        # Imported late: dask and zarr take a second, and most micrographs fit into memory.
        from napari_microcnn.io.lazy import TiffPixels

        return TiffPixels(path, series).as_dask(), str(series.axes)
    pixels = series.asarray()
    return np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("=")), str(series.axes)


def _interpret(pixels: Pixels, axes: str, keyframe: Any) -> tuple[Pixels, str]:
    """Turn stored numbers into brightness: colour maps, inverted grey and opacity."""
    photometric = keyframe.photometric
    if photometric == PHOTOMETRIC.PALETTE and keyframe.colormap is not None and pixels.dtype.kind == "u":
        return _colour(pixels, axes, keyframe.colormap)
    if photometric == PHOTOMETRIC.MINISWHITE and pixels.dtype.kind in "bu":
        white = True if pixels.dtype.kind == "b" else 2**keyframe.bitspersample - 1
        return pixels ^ np.array(white, pixels.dtype), axes
    if "S" in axes:
        kept = _samples_without_alpha(keyframe)
        region = tuple(slice(kept) if axis == "S" else slice(None) for axis in axes)
        return pixels[region], axes
    return pixels, axes


def _colour(pixels: Pixels, axes: str, colormap: np.ndarray[Any, Any]) -> tuple[Pixels, str]:
    """Look pixels up in a (3, N) uint16 colour map; a grey map gives grey."""
    table = (colormap >> 8).astype(np.uint8).T
    grey = bool((table[:, :1] == table).all())
    look_up = table[:, 0] if grey else table
    if grey:
        return _look_up(pixels, look_up), axes
    return _look_up(pixels, look_up), axes + "S"


def _look_up(pixels: Pixels, table: np.ndarray[Any, Any]) -> Pixels:
    """Replace every pixel by its row of a table, (N,) or (N, 3)."""
    if isinstance(pixels, np.ndarray):
        return np.asarray(table[pixels])
    added = () if table.ndim == 1 else (table.shape[1:],)
    new = {} if table.ndim == 1 else {"new_axis": pixels.ndim}
    lazy: Any = pixels
    found: Pixels = lazy.map_blocks(lambda block: table[block], dtype=table.dtype, chunks=(*lazy.chunks, *added), **new)
    return found


def _samples_without_alpha(keyframe: Any) -> int:
    """How many of a pixel's samples are brightness or colour."""
    samples = int(keyframe.samplesperpixel)
    extra = keyframe.extrasamples
    alphas = sum(1 for kind in extra if int(kind) in _ALPHA)
    if keyframe.photometric == PHOTOMETRIC.RGB and samples == 4:
        return 3
    return max(1, samples - alphas)


def _instrument(tif: TiffFile) -> dict[str, str]:
    """Return what a Zeiss microscope tells about the exposure, as text with units."""
    content = tif.sem_metadata if tif.is_sem else None
    wanted = {
        "magnification": "ap_mag", "voltage": "ap_actualkv", "working_distance": "ap_wd",
        "detector": "dp_detector_channel", "date": "ap_date",
    }  # fmt: skip
    told = {}
    for key, tag in wanted.items():
        value = (content or {}).get(tag)
        if isinstance(value, tuple) and len(value) > 1:
            told[key] = " ".join(str(part) for part in value[1:])
    return told
