"""The look of a picture, measured and drawn again."""

from __future__ import annotations

import numpy as np
import pytest

from napari_microcnn.data.resemblance import alike, measured_look
from napari_microcnn.synth import LOOKS, polycrystal


@pytest.mark.parametrize("name", ["etched", "channelling", "bright lines"])
def test_polarity_contrast_and_noise_are_found_again(name):
    structure, imaging = LOOKS[name]
    made = polycrystal(structure, imaging, 3)
    _, found = measured_look(made.image, made.structure.grains)
    assert found.lines == imaging.lines
    assert found.brightness == pytest.approx(imaging.brightness, abs=0.1)
    assert found.grain_contrast == pytest.approx(imaging.grain_contrast, abs=0.04)
    noise = np.hypot(imaging.readout_noise, imaging.shot_noise * imaging.brightness**0.5)
    assert np.hypot(found.readout_noise, found.shot_noise * found.brightness**0.5) == pytest.approx(noise, rel=0.4)
    if imaging.lines != "none":
        assert found.line_contrast == pytest.approx(imaging.line_contrast, rel=0.25)


def test_grain_size_is_kept_at_another_size_of_the_picture():
    made = polycrystal(*LOOKS["etched"], 3)
    small, large = (measured_look(made.image, made.structure.grains, side=side)[0] for side in (128, 256))
    assert large.grains == pytest.approx(4 * small.grains, rel=0.05)


def test_looks_alike_differ_and_keep_the_polarity():
    made = polycrystal(*LOOKS["etched"], 3)
    look = measured_look(made.image, made.structure.grains)
    drawn = [alike(look, seed, 96, 128) for seed in range(20)]
    assert {imaging.lines for _, imaging in drawn} == {"dark"}
    assert {(structure.height, structure.width) for structure, _ in drawn} == {(96, 128)}
    assert 0.05 < np.std([np.log(imaging.line_contrast) for _, imaging in drawn]) < 0.5
    assert alike(look, 3, 96, 128) == drawn[3]


def test_a_blank_or_tiny_picture_has_no_look():
    with pytest.raises(ValueError, match="no look"):
        measured_look(np.ones((40, 40)), np.ones((40, 40), np.int32))
    with pytest.raises(ValueError, match="at least 32 x 32"):
        measured_look(np.ones((20, 40)), np.ones((20, 40), np.int32))
