"""How objects travel between the window and a worker process.

One message is: the number of parts, their lengths, and the parts. The first part is a pickle, the
others are the arrays in it (pickle protocol 5), so that a large image is written and read without
a second copy of it in memory.
"""

from __future__ import annotations

import pickle
import struct
from typing import Any, BinaryIO

_LENGTH = struct.Struct("<Q")


def send(stream: BinaryIO, message: Any) -> None:
    """Write one message.

    Parameters
    ----------
    stream : binary file
        Where to write.
    message : object
        Anything that can be pickled.

    Raises
    ------
    OSError
        If the other side is gone.
    """
    arrays: list[pickle.PickleBuffer] = []
    head = pickle.dumps(message, protocol=5, buffer_callback=arrays.append)
    parts: list[bytes | memoryview] = [head, *(array.raw() for array in arrays)]
    stream.write(_LENGTH.pack(len(parts)) + b"".join(_LENGTH.pack(memoryview(part).nbytes) for part in parts))
    for part in parts:
        stream.write(part)
    stream.flush()


def receive(stream: BinaryIO) -> Any:
    """Read one message.

    Raises
    ------
    EOFError
        If the other side has closed the stream.
    """
    count = _LENGTH.unpack(_read(stream, _LENGTH.size))[0]
    lengths = [_LENGTH.unpack(_read(stream, _LENGTH.size))[0] for _ in range(count)]
    head, *arrays = (_read(stream, length) for length in lengths)
    return pickle.loads(head, buffers=arrays)  # noqa: S301 - only from the process that we started


def _read(stream: BinaryIO, length: int) -> bytearray:
    data = bytearray(length)
    view = memoryview(data)
    done = 0
    while done < length:
        got = stream.readinto(view[done:])  # type: ignore[attr-defined]
        if not got:
            raise EOFError("The other side has closed the connection.")
        done += got
    return data
