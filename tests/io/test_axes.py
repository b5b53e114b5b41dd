"""Axes of files become those of micrographs."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_microcnn.io.axes import grey_if_equal, normalise_axes
from napari_microcnn.io.errors import ReadError
from napari_microcnn.micrograph import Micrograph

LENGTHS = {"T": 2, "Z": 3, "C": 4, "S": 5, "Y": 6, "X": 7, "I": 8, "Q": 9}


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    ("axes", "normalised"),
    [
        ("YX", "YX"), ("XY", "YX"), ("CYX", "YXC"), ("SYX", "YXC"), ("YXS", "YXC"), ("CZYX", "ZYXC"), ("ZTYX", "TZYX"),
        ("IYX", "ZYX"), ("QTYX", "TZYX"), ("QIYX", "TZYX"), ("ZQYX", "TZYX"), ("CYXS", "YXC"), ("YXC", "YXC"),
    ],
)  # fmt: skip
def test_order(axes: str, normalised: str, lazy: bool) -> None:
    pixels = np.arange(np.prod([LENGTHS[axis] for axis in axes])).reshape([LENGTHS[axis] for axis in axes])
    found, named = normalise_axes(da.from_array(pixels) if lazy else pixels, axes)
    assert named == normalised
    assert found.shape[named.index("Y") : named.index("Y") + 2] == (6, 7)
    np.testing.assert_array_equal(np.sort(np.asarray(found).ravel()), pixels.ravel())


def test_channels_of_colours_become_channels() -> None:
    pixels = np.random.default_rng(0).random((4, 6, 7, 5))
    found, _ = normalise_axes(pixels, "CYXS")
    np.testing.assert_array_equal(found[..., 5 * 2 + 3], pixels[2, ..., 3])


@given(axes=st.permutations("TZCSYXIQ").map("".join), lengths=st.lists(st.integers(1, 3), min_size=8, max_size=8))
def test_anything_is_a_micrograph_or_refused(axes: str, lengths: list[int]) -> None:
    pixels = np.zeros(lengths, np.uint8)
    if sum(n > 1 or axis in "YX" for axis, n in zip(axes, lengths, strict=True)) > 4:
        with pytest.raises(ReadError, match=r"^movie\.tif has . dimensions"):
            normalise_axes(pixels, axes, "movie.tif")
        return
    found, named = normalise_axes(pixels, axes)
    assert Micrograph(found, named).pixels.size == pixels.size


def test_no_image_plane() -> None:
    with pytest.raises(ReadError, match="needs rows and columns"):
        normalise_axes(np.zeros((3, 4)), "ZX")


def test_grey_only_when_all_three_agree() -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert grey_if_equal(np.stack([grey] * 3, -1), "YXC")[1] == "YX"
    assert grey_if_equal(np.stack([grey, grey, grey + 1], -1), "YXC")[1] == "YXC"
    assert grey_if_equal(np.stack([grey] * 4, -1), "YXC")[1] == "YXC"
    assert grey_if_equal(grey, "YX")[1] == "YX"
