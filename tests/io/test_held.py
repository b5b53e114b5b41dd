"""Arrays of other libraries become dask arrays without being read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import h5py
import numpy as np
import pytest
import zarr

from napari_microcnn.io import held

PIXELS = np.random.default_rng(0).integers(0, 255, (3, 150, 120)).astype(np.uint16)


def array_of(kind: str, folder: Path) -> Any:
    if kind.startswith("h5py"):
        with h5py.File(folder / "steel.h5", "w") as file:
            file.create_dataset("image", data=PIXELS, chunks=(1, 16, 20) if "chunks" in kind else None)
        return h5py.File(folder / "steel.h5", "r")["image"]
    if kind == "zarr":
        stored = zarr.create_array(folder / "steel.zarr", shape=PIXELS.shape, chunks=(1, 16, 20), dtype=PIXELS.dtype)
        stored[:] = PIXELS
        return stored
    return pytest.importorskip("xarray").DataArray(da.from_array(PIXELS, chunks=50) if "dask" in kind else PIXELS)


@pytest.mark.parametrize("kind", ["h5py", "h5py chunks", "zarr", "xarray", "xarray of dask"])
def test_nothing_is_read_until_it_is_needed(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "CHUNK_PIXELS", 64 * 60)
    array = array_of(kind, tmp_path)
    with monkeypatch.context() as patch:
        for method in ("__getitem__", "__array__"):
            patch.setattr(type(array), method, None, raising=False)
        lazy = held.as_dask(array)
    assert isinstance(lazy, da.Array)
    assert (lazy.shape, lazy.dtype) == (PIXELS.shape, PIXELS.dtype)
    np.testing.assert_array_equal(lazy[1, 70:90, 30:], PIXELS[1, 70:90, 30:])
    np.testing.assert_array_equal(lazy, PIXELS)
    if kind != "xarray of dask":
        assert lazy.chunksize == ((1, 64, 60) if kind in ("zarr", "h5py chunks") else (1, 62, 61))


def test_colours_stay_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "CHUNK_PIXELS", 100)
    assert held.as_dask(zarr.create_array({}, shape=(40, 50, 3), dtype="u1"), colours=True).chunksize[-1] == 3


def test_a_dask_array_stays_as_it_is() -> None:
    lazy = da.zeros((4, 5))
    assert held.as_dask(lazy) is lazy


def test_a_type_that_numpy_does_not_know_is_that_of_the_pixels() -> None:
    class Foreign:
        shape, dtype = PIXELS.shape, "its own"

        def __getitem__(self, region: Any) -> Any:
            return PIXELS[region]

    assert held.as_dask(Foreign()).dtype == PIXELS.dtype
