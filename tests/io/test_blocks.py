"""The name of an image's content."""

from __future__ import annotations

import hashlib

import dask.array as da
import numpy as np
import pytest

from napari_microcnn.io import blocks
from napari_microcnn.io.blocks import content_key


def test_the_name_is_made_of_all_pixels_however_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = (np.arange(70 * 33 * 3) % 251).reshape(70, 33, 3).astype(">u2")
    digest = hashlib.blake2b(b"(70, 33, 3) u2", digest_size=16)
    digest.update(pixels.astype("<u2").tobytes())
    monkeypatch.setattr(blocks, "_BAND", 1000)
    assert content_key(np.asfortranarray(pixels)) == digest.hexdigest()
    assert content_key(da.from_array(pixels, chunks=10)) == digest.hexdigest()
