"""Variants of images keep what is said to matter, and change what is said not to."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_microcnn.config import Invariances
from napari_microcnn.data.orientations import ORIENTATIONS, orientations_of
from napari_microcnn.data.variants import needed_side, varied

NOTHING = Invariances().without_any()


def some(count: int, side: int, channels: int = 1) -> torch.Tensor:
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(0))


def variants(side: int, **chosen: object) -> tuple[torch.Tensor, torch.Tensor]:
    invariances = NOTHING.model_copy(update=chosen)
    images = some(64, needed_side(side, invariances))
    return images, varied(images, side, invariances, torch.Generator().manual_seed(1))


def test_without_invariances_nothing_changes() -> None:
    images, found = variants(16)
    torch.testing.assert_close(found, images, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("chosen", "expected"), [({"rotation": "right angles"}, 4), ({"flips": True}, 2)])
def test_exact_changes_keep_the_pixels(chosen: dict[str, object], expected: int) -> None:
    images, found = variants(16, **chosen)
    kinds = set()
    for image, variant in zip(images, found, strict=True):
        equal = [n for n, one in enumerate(ORIENTATIONS) if torch.allclose(one.apply(image), variant, atol=1e-4)]
        assert len(equal) == 1
        kinds.add(equal[0])
    assert len(kinds) == expected


def test_a_wrapped_image_keeps_its_pixels_and_neighbours() -> None:
    images, found = variants(16, wrap=True)
    assert not torch.allclose(images, found)
    for image, variant in zip(images[:, 0], found[:, 0], strict=True):
        torch.testing.assert_close(image.flatten().sort()[0], variant.flatten().sort()[0], atol=1e-4, rtol=0)
        energies = [(one * one.roll(1, 0) + one * one.roll(1, 1)).sum() for one in (image, variant)]
        torch.testing.assert_close(*energies, atol=1e-2, rtol=0)


def test_inversion_changes_signs_only() -> None:
    images, found = variants(16, inversion=True)
    signs = (found * images).sum(dim=(1, 2, 3)).sign()
    assert set(signs.tolist()) == {-1.0, 1.0}
    torch.testing.assert_close(found.abs(), images.abs(), atol=1e-4, rtol=0)


def test_any_rotation_and_zoom_never_leave_the_square() -> None:
    side = 24
    chosen = NOTHING.model_copy(update={"rotation": "any", "zoom": 1.5})
    source = needed_side(side, chosen)
    ramp = torch.linspace(0, 1, source).expand(64, 1, source, source).contiguous()
    found = varied(ramp, side, chosen, torch.Generator().manual_seed(0))
    # Mirrored content would bend the ramp: second differences of a plane are zero.
    assert float((found[..., 2:] - 2 * found[..., 1:-1] + found[..., :-2]).abs().max()) < 1e-3


def test_intensities_leave_the_geometry_alone() -> None:
    images, found = variants(32, intensities=True)
    likeness = [np.corrcoef(a.flatten(), b.flatten())[0, 1] for a, b in zip(images[:, 0], found[:, 0], strict=True)]
    assert np.median(likeness) > 0.8
    assert not torch.allclose(images, found, atol=0.1)


@pytest.mark.parametrize(
    ("flips", "turns", "count"), [(False, False, 1), (True, False, 4), (False, True, 4), (True, True, 8)]
)
def test_orientations_follow_the_invariances(flips: bool, turns: bool, count: int) -> None:
    found = orientations_of(flips, turns)
    assert len(found) == count
    assert found[0] == ORIENTATIONS[0]
    image = torch.arange(6.0).reshape(2, 3)
    if not turns:
        assert all(one.apply(image).shape == image.shape for one in found)
    assert len(orientations_of(flips, turns, 2)) == min(2, count)
