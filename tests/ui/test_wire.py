import io
import mmap
import os
import pickle
import threading
from pathlib import Path
from typing import Any

import dask.array as da
import h5py
import numpy as np
import pytest

from napari_microcnn.ui import wire


def sent(message: Any) -> Any:
    stream = io.BytesIO()
    wire.send(stream, message)
    stream.seek(0)
    return wire.receive(stream)


def test_functions_arrive_that_only_the_sender_knows() -> None:
    graph = da.zeros((4, 6), chunks=2).map_blocks(lambda block: block + 7)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(graph)
    assert sent(graph).sum().compute() == 7 * 24


def test_hdf5_is_opened_again(tmp_path: Path) -> None:
    values = np.arange(12).reshape(3, 4)
    with h5py.File(tmp_path / "steel.h5", "w") as file:
        file["a/image"] = values
        with pytest.raises(wire.UNSENDABLE, match=r"steel\.h5 is open for writing"):
            sent(file["a/image"])
    with h5py.File(tmp_path / "steel.h5", "r") as file:
        got = sent(da.from_array(file["a/image"], chunks=2))
    np.testing.assert_array_equal(got, values)
    with h5py.File(io.BytesIO(), "w") as file:
        file["image"] = values
        with pytest.raises(wire.UNSENDABLE, match="'/image' are in no file"):
            sent(file["image"])


def test_a_mapped_file_is_mapped_again(tmp_path: Path) -> None:
    array = np.memmap(tmp_path / "steel.raw", np.uint16, "w+", 8, (3, 4), "F")
    array[:] = np.arange(12).reshape(3, 4)
    array = np.memmap(tmp_path / "steel.raw", np.uint16, "r", 8, (3, 4), "F")
    got = sent(array)
    assert isinstance(got.base, mmap.mmap)
    np.testing.assert_array_equal(got, array)
    np.testing.assert_array_equal(sent(array[1:]), array[1:])
    (tmp_path / "steel.raw").unlink()
    np.testing.assert_array_equal(sent(array), array)


def test_arrays_arrive_as_they_were() -> None:
    stream = io.BytesIO()
    sent = {"a": np.arange(12, dtype=np.int16).reshape(3, 4), "b": np.zeros((0, 3)), "c": np.eye(3)[::2], "d": "text"}
    wire.send(stream, sent)
    stream.seek(0)
    got = wire.receive(stream)
    assert got["d"] == "text"
    for name in "abc":
        np.testing.assert_array_equal(got[name], sent[name])
        assert got[name].dtype == sent[name].dtype


def test_received_arrays_can_be_written() -> None:
    stream = io.BytesIO()
    wire.send(stream, np.zeros(4))
    stream.seek(0)
    got = wire.receive(stream)
    got[0] = 1
    assert got[0] == 1


def test_a_large_array_passes_a_pipe_in_pieces() -> None:
    array = np.random.default_rng(0).integers(0, 255, 3_000_000).astype(np.uint8)
    out, into = os.pipe()
    with os.fdopen(into, "wb") as writer, os.fdopen(out, "rb", buffering=0) as reader:
        thread = threading.Thread(target=wire.send, args=(writer, array))
        thread.start()
        np.testing.assert_array_equal(wire.receive(reader), array)
        thread.join()


def test_a_closed_stream_ends() -> None:
    with pytest.raises(EOFError, match="closed"):
        wire.receive(io.BytesIO(b"\x01\x00"))
