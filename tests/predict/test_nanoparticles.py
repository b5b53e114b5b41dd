"""The shipped model of nanoparticles."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import ndimage

from benchmarks.particles import score
from napari_microcnn.config import NanoparticlesConfig, SegmentConfig
from napari_microcnn.events import result_of
from napari_microcnn.micrograph import Micrograph
from napari_microcnn.models import Model, load_model, shipped_models
from napari_microcnn.predict.segment import segment
from napari_microcnn.synth import PARTICLE_LOOKS, nanoparticles


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("nanoparticles")


def test_the_card_says_what_the_weights_are(model: Model) -> None:
    file = shipped_models()["nanoparticles"]
    card = json.loads(file.with_suffix(".json").read_text())
    assert card["sha256_of_weights"] == model.sha256
    assert card["classes"] == {str(entry.id): entry.name for entry in model.classes}
    assert file.stat().st_size < 10 << 20


@pytest.mark.parametrize("look", ["HAADF", "bright field"])
def test_fresh_pictures_are_read(model: Model, look: str) -> None:
    made = nanoparticles(PARTICLE_LOOKS[look], 950)
    found = result_of(segment(Micrograph(made.image), model, SegmentConfig(device="cpu")))
    reached = score(np.asarray(found.labels), made.labels)
    assert reached.dice > 0.85
    assert reached.f1 > 0.75


def test_touching_particles_are_several(model: Model) -> None:
    config = NanoparticlesConfig(
        imaging="bright field", shape="spheres", diameter=30, size_spread=0, arrangement="ordered", coverage=0.5,
        overlap=0.1, contrast=0.6, contrast_spread=0.1, dose=1000, carbon=0.03,
    )  # fmt: skip
    made = nanoparticles(config, 3)
    found = result_of(segment(Micrograph(made.image), model, SegmentConfig(device="cpu")))
    together = int(ndimage.label(made.mask)[1])
    assert found.labels.max() > 1.5 * together
    assert found.labels.max() == pytest.approx(made.labels.max(), rel=0.25)
