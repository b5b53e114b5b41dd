"""Pixels and what one of them measures."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_microcnn.micrograph import METRES, Calibration, Micrograph, canonical_unit


@pytest.mark.parametrize(
    ("spelling", "unit"),
    [
        ("um", "µm"), ("µm", "µm"), ("μm", "µm"), ("micron", "µm"), ("Micrometer", "µm"), ("nanometre", "nm"),
        ("NM", "nm"), (" nm ", "nm"), ("angstrom", "Å"), ("in", "inch"), ("m", "m"), ("mm", "mm"), ("pm", "pm"),
    ],
)  # fmt: skip
def test_spellings(spelling: str, unit: str) -> None:
    assert canonical_unit(spelling) == unit


@pytest.mark.parametrize("wrong", ["", "pixel", "s", "furlong"])
def test_unknown_unit(wrong: str) -> None:
    with pytest.raises(ValueError, match="not a known length unit; use one of"):
        canonical_unit(wrong)


@given(size=st.floats(1e-6, 1e6), start=st.sampled_from(list(METRES)), end=st.sampled_from(list(METRES)))
def test_there_and_back(size: float, start: str, end: str) -> None:
    calibration = Calibration((size, 2 * size), start, "test")
    assert calibration.to(end).to(start).pixel_size == pytest.approx(calibration.pixel_size)
    assert calibration.to(end).source == "test"


def test_conversion() -> None:
    assert Calibration((0.25, 0.25), "um", "test").to("nm").pixel_size == pytest.approx((250, 250))


@pytest.mark.parametrize(
    ("text", "size", "unit"),
    [("0.25 um", 0.25, "µm"), (" 12 nm ", 12, "nm"), ("1e-3 mm", 1e-3, "mm"), ("0.5µm", 0.5, "µm"), ("1.5Å", 1.5, "Å")],
)
def test_parse(text: str, size: float, unit: str) -> None:
    parsed = Calibration.parse(text)
    assert parsed == Calibration((size, size), unit, "set by the user")


@pytest.mark.parametrize("wrong", ["", "um", "0.25", "a um", "0.25 apples", "0 um", "-1 um", "nan um", "inf nm"])
def test_parse_what_is_no_pixel_size(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"pixel size|length unit"):
        Calibration.parse(wrong)


def test_calibration_says_where_it_comes_from() -> None:
    assert str(Calibration((0.5, 0.5), "um", "OME-XML")) == "0.5 µm/px (OME-XML)"
    assert str(Calibration((0.5, 0.25), "um", "OME-XML")) == "0.5 x 0.25 µm/px (OME-XML)"


@pytest.mark.parametrize(
    ("shape", "axes", "stack", "plane", "channels"),
    [
        ((4, 5), "YX", (), (4, 5), 1),
        ((4, 5, 3), "YXC", (), (4, 5), 3),
        ((2, 4, 5), "ZYX", (2,), (4, 5), 1),
        ((2, 4, 5), "TYX", (2,), (4, 5), 1),
        ((2, 6, 4, 5), "TZYX", (2, 6), (4, 5), 1),
        ((2, 4, 5, 3), "TYXC", (2,), (4, 5), 3),
    ],
)
@pytest.mark.parametrize("lazy", [False, True])
def test_shapes(
    shape: tuple[int, ...], axes: str, stack: tuple[int, ...], plane: tuple[int, int], channels: int, lazy: bool
) -> None:
    pixels = np.arange(np.prod(shape)).reshape(shape)
    micrograph = Micrograph(da.from_array(pixels, chunks=2) if lazy else pixels, axes)
    assert micrograph.stack_shape == stack
    assert micrograph.plane_shape == plane
    assert micrograph.channels == channels
    planes = list(micrograph.planes())
    assert [index for index, _ in planes] == list(np.ndindex(stack))
    for index, values in planes:
        assert isinstance(values, da.Array) == lazy
        np.testing.assert_array_equal(np.asarray(values), pixels[index])


@pytest.mark.parametrize(
    ("pixels", "axes", "says"),
    [
        (np.zeros((4, 5)), "ZYX", "do not fit"),
        (np.zeros((4, 5)), "XY", "has the axes YX"),
        (np.zeros((2, 2, 4, 5, 3)), "TZYXC", "at most four"),
        (np.zeros((3, 4, 5)), "CYX", "has the axes YX"),
        (np.zeros((4, 5), complex), "YX", "must be real numbers"),
        (np.zeros((4, 5), "U3"), "YX", "must be real numbers"),
        (np.zeros((0, 5)), "YX", "is empty"),
    ],
)
def test_what_is_no_micrograph(pixels: np.ndarray[Any, Any], axes: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Micrograph(pixels, axes)


def test_the_length_of_a_scale_bar_gives_the_pixel_size() -> None:
    found = Calibration.of_bar("10um", 40)
    assert found.pixel_size == (0.25, 0.25)
    assert (found.unit, found.source) == ("µm", "set by the user, scale bar of 10um")
    for text, pixels in (("10 um", 0.5), ("10 um", float("nan")), ("ten um", 40), ("0 um", 40), ("", 40)):
        with pytest.raises(ValueError, match=r"click both ends|what stands beside|positive"):
            Calibration.of_bar(text, pixels)
