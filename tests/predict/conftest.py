"""What tests of predictions share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from napari_microcnn.config import ClassInfo, ObjectRule, UNetConfig
from napari_microcnn.models import Model
from napari_microcnn.nets import UNet


@pytest.fixture
def random_model() -> Callable[..., Model]:
    """Return a function that makes a random network whose statistics are not the initial ones."""

    def make(depth: int = 2, objects: ObjectRule | None = None) -> Model:
        torch.manual_seed(depth)
        net = UNet(
            UNetConfig(width=4, depth=depth, classes=3 if objects is not None else 2)
        )  # and one that tells cores
        with torch.no_grad():
            for module in net.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.running_mean.normal_(0, 0.2)
                    module.running_var.uniform_(0.5, 2)
                    module.bias.normal_(0, 0.5)
        known = [ClassInfo(id=number, name=f"class {number}", colour="#0072b2") for number in (1, 2)]
        return Model(net.eval(), tuple(known), objects)

    return make


@pytest.fixture
def noise() -> Callable[[int, int], np.ndarray]:
    """Return a function that makes a picture of random bytes."""
    return lambda height, width: np.random.default_rng(0).integers(0, 255, (height, width)).astype(np.uint8)


@pytest.fixture(scope="module")
def workers() -> Iterator[Any]:
    """Start two processes that compute, on a scheduler in this one; nobody may end them."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", resources={"SEM": 1}, silence_logs=50
    ) as running:
        yield running
