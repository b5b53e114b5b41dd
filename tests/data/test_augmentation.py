"""Changes made to patches."""

from __future__ import annotations

import torch

from napari_microcnn.data import IGNORE
from napari_microcnn.data.augmentation import (
    MILD,
    Disturbance,
    augment,
    change_intensities,
    sampling_grid,
    source_side,
)

PATCH = 32
SIDE = source_side(PATCH)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def squares(count: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """Return pictures whose bright half is class 1 and whose dark half is class 0."""
    torch.manual_seed(0)
    ramp = torch.linspace(-2, 2, SIDE).expand(count, 1, SIDE, SIDE).clone()
    return ramp, (ramp[:, 0] > 0).to(torch.uint8)


def test_shapes_and_types() -> None:
    images, targets = augment(*squares(), PATCH, generator())
    assert images.shape == (64, 1, PATCH, PATCH)
    assert targets.shape == (64, PATCH, PATCH)
    assert targets.dtype == torch.int64
    assert images.isfinite().all()


def test_targets_move_with_the_image() -> None:
    ramp, targets = squares()
    grid = sampling_grid(64, SIDE, PATCH, generator())
    images = torch.nn.functional.grid_sample(ramp, grid, align_corners=False)
    _, moved = augment(ramp, targets, PATCH, generator())
    sure = images[:, 0].abs() > 0.15  # more than a pixel away from the edge
    assert (moved == (images[:, 0] > 0).long())[sure].all()
    turned = {tuple(torch.sign(images[n, 0, [0, 0, -1, -1], [0, -1, 0, -1]]).tolist()) for n in range(64)}
    assert len(turned) == 4  # the ramp rises to every side


def test_patches_never_reach_beyond_the_square() -> None:
    grid = sampling_grid(500, SIDE, PATCH, generator())
    assert grid.abs().max() <= 1
    _, targets = augment(*squares(), PATCH, generator())
    assert not (targets == IGNORE).any()


def test_half_of_the_patches_keep_their_pixels() -> None:
    torch.manual_seed(0)
    noise = torch.randn(64, 1, SIDE, SIDE)
    moved = torch.nn.functional.grid_sample(noise, sampling_grid(64, SIDE, PATCH, generator()), align_corners=False)
    start = (SIDE - PATCH) // 2
    middle = noise[:, 0, start : start + PATCH, start : start + PATCH]
    same = torch.isclose(moved[:, 0].flatten(1).sort().values, middle.flatten(1).sort().values, atol=1e-3).all(dim=1)
    assert 20 <= int(same.sum()) <= 44


def test_what_is_not_annotated_stays_so() -> None:
    images, targets = squares()
    targets[:] = IGNORE
    assert (augment(images, targets, PATCH, generator())[1] == IGNORE).all()


def test_intensities_change_but_their_order_mostly_stays() -> None:
    ramp, _ = squares()
    changed = change_intensities(ramp, generator())
    assert (changed - ramp).abs().mean() > 0.1
    left, right = changed[..., : SIDE // 4].mean(dim=(1, 2, 3)), changed[..., -SIDE // 4 :].mean(dim=(1, 2, 3))
    assert (left < right).all()


def test_same_generator_same_patches() -> None:
    first, again, other = (augment(*squares(), PATCH, generator(seed)) for seed in (5, 5, 6))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


def test_many_channels_change_independently() -> None:
    images = torch.zeros(8, 3, SIDE, SIDE)
    changed = change_intensities(images, generator())
    assert changed.mean(dim=(2, 3)).std(dim=1).min() > 0.01


def roughness(images: torch.Tensor) -> torch.Tensor:
    """Return the mean step from pixel to pixel, in units of the standard deviation, of every image."""
    return images.diff(dim=-1).abs().mean(dim=(1, 2, 3)) / images.std(dim=(1, 2, 3))


def test_stronger_disturbances_blur_and_roughen_more() -> None:
    torch.manual_seed(0)
    grain = torch.nn.functional.avg_pool2d(torch.randn(200, 1, 48, 48), 5, 1, 2)
    mild, strong = (roughness(change_intensities(grain, generator(), one)) for one in (MILD, Disturbance(2.0, 1.0)))
    assert strong.min() < 0.9 * mild.min()
    assert strong.max() > 1.5 * mild.max()


def test_blurred_steps_are_less_steep() -> None:
    step = (torch.arange(48) >= 24).float().expand(300, 1, 48, 48)
    changed = change_intensities(step, generator(), Disturbance(blur=3.0, noise=0.0))
    height = changed[..., 40:].mean(dim=(1, 2, 3)) - changed[..., :8].mean(dim=(1, 2, 3))
    slope = changed.diff(dim=-1).abs().amax(dim=(1, 2, 3)) / height.abs()
    assert slope.min() < 0.4


def test_dull_patches_get_other_greys_too() -> None:
    flat = 0.01 * torch.randn(100, 1, SIDE, SIDE, generator=generator())
    assert change_intensities(flat, generator()).mean(dim=(1, 2, 3)).std() > 0.2
