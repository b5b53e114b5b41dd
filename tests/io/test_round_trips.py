"""Every format, read back with another library: the checks of ``python -m benchmarks exchange``."""

from __future__ import annotations

from importlib.util import find_spec
from typing import get_args

import pytest

from benchmarks.exchange import CHECKS, STACKS, compared
from napari_microcnn.io.exchange import OtherFormat
from napari_microcnn.io.write import Format

_EXTRAS = {"imagej": "roifile", "parquet": "pyarrow", "ome-zarr": "yaozarrs"}


def test_every_format_is_checked() -> None:
    assert {kind for kind, _ in CHECKS} == {*get_args(OtherFormat), *get_args(Format), "csv"}


@pytest.mark.parametrize(
    ("kind", "planes"), [(kind, planes) for kind, _ in CHECKS for planes in (1, 3) if planes == 1 or kind in STACKS]
)
def test_values_and_pixel_size_come_back(kind: str, planes: int) -> None:
    if kind in _EXTRAS and find_spec(_EXTRAS[kind]) is None:
        pytest.skip("an extra")
    check = next(check for (name, _), check in CHECKS.items() if name == kind)
    differing, deviation = compared(kind, check, planes)
    assert differing == 0
    assert deviation <= 1e-6
