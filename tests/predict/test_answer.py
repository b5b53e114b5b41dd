from __future__ import annotations

import numpy as np
import pytest

from napari_microcnn.predict.answer import likeliest


@pytest.mark.parametrize("classes", [1, 2, 3, 7])
def test_the_likeliest_class_is_the_first_of_the_largest(classes: int) -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.integers(0, 4, (classes, 40, 30)).astype(np.float32)  # many are equal
    found = likeliest(probabilities)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, probabilities.argmax(0))
