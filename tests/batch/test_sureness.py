"""How sure the numbers of an image are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from napari_microcnn.batch.sureness import _back, _turned, sureness_of_image
from napari_microcnn.config import ClassInfo, ImagingConfig, ObjectRule, SegmentConfig, UNetConfig, VoronoiConfig
from napari_microcnn.data.orientations import ORIENTATIONS
from napari_microcnn.events import Finished, Progress, result_of
from napari_microcnn.measure.objects import Table
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import Model
from napari_microcnn.nets import UNet
from napari_microcnn.synth import polycrystal

CPU = SegmentConfig(device="cpu", precision="float32", tile=128)
CLASSES = (ClassInfo(id=1, name="dark", colour="#000000"), ClassInfo(id=2, name="bright", colour="#ffffff"))


class Grey(UNet):
    """Says how probable a pixel is bright by its grey value alone: the same from every side."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([torch.zeros_like(x), 4 * x], 1)


@pytest.fixture
def model() -> Model:
    net = Grey(UNetConfig(width=2, depth=1)).eval()
    return Model(net, CLASSES, ObjectRule(kind="particles", class_id=2))


def blurred_discs() -> Micrograph:
    y, x = np.mgrid[:96, :128]
    distance = np.hypot((y % 32) - 16, (x % 32) - 16)
    return Micrograph((255 / (1 + np.exp((distance - 8) / 2))).astype(np.uint8), name="discs")


def row(table: Table, quantity: str) -> dict[str, float]:
    place = list(table["quantity"]).index(quantity)
    return {name: float(column[place]) for name, column in table.items() if name != "quantity"}


def test_outlines_and_threshold_move_the_numbers_the_right_way(model: Model) -> None:
    events = list(sureness_of_image(blurred_discs(), model, CPU, draws=3))
    shares = [event.done / event.total for event in events if isinstance(event, Progress)]
    assert shares == sorted(shares)
    assert isinstance(events[-1], Finished)
    for quantity in ("area_fraction_bright", "mean_equivalent_circular_diameter_px"):
        found = row(events[-1].result, quantity)
        assert found["inwards"] < found["value"] < found["outwards"]
        assert found["higher_threshold"] < found["value"] < found["lower_threshold"]
    assert row(events[-1].result, "objects")["outwards"] == 12
    diameters = row(events[-1].result, "mean_equivalent_circular_diameter_px")
    assert diameters["outwards"] - diameters["value"] == pytest.approx(2, abs=0.5)


def test_what_is_seen_alike_from_every_side_has_hardly_any_spread(model: Model) -> None:
    found = row(result_of(sureness_of_image(blurred_discs(), model, CPU, draws=4)), "area_fraction_bright")
    assert found["mean"] == pytest.approx(found["value"], rel=0.03)
    assert found["spread"] < 0.03 * found["value"]


def test_draws_come_from_the_seed(model: Model) -> None:
    def spread(seed: int) -> Any:
        return result_of(sureness_of_image(blurred_discs(), model, CPU, draws=2, seed=seed))["spread"]

    np.testing.assert_array_equal(spread(1), spread(1))
    assert not np.array_equal(spread(1), spread(2), equal_nan=True)


def test_grains_of_the_shipped_model() -> None:
    made = polycrystal(VoronoiConfig(height=160, width=200, grains=60), ImagingConfig(), 0)
    table = result_of(sureness_of_image(Micrograph(made.image), "grain-boundaries", CPU, draws=2))
    intercept = row(table, "mean_intercept_px")
    assert intercept["spread"] < 0.2 * intercept["value"]
    assert intercept["lower_threshold"] <= intercept["value"] * 1.02
    assert np.isnan(intercept["inwards"])
    assert row(table, "area_fraction_boundary")["outwards"] > row(table, "area_fraction_boundary")["value"]


def test_without_objects_each_class_is_moved(model: Model) -> None:
    table = result_of(sureness_of_image(blurred_discs(), replace(model, objects=None), CPU, draws=2))
    assert row(table, "area_fraction_dark")["outwards"] > row(table, "area_fraction_dark")["value"]


def test_sides_are_turned_back() -> None:
    pixels = np.arange(24).reshape(4, 6)
    assert all((_back(_turned(pixels, side), side) == pixels).all() for side in ORIENTATIONS)


def test_mistakes_are_told(model: Model) -> None:
    with pytest.raises(ValueError, match="stack"):
        result_of(sureness_of_image(Micrograph(np.zeros((2, 8, 8)), "ZYX"), model, CPU))
    with pytest.raises(ValueError, match="two draws"):
        result_of(sureness_of_image(blurred_discs(), model, CPU, draws=1))
