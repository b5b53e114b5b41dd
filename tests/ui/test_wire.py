import io
import os
import threading

import numpy as np
import pytest

from napari_microcnn.ui import wire


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
