"""What training makes small."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from napari_microcnn.data import IGNORE
from napari_microcnn.train.losses import dice_loss, edge_loss, segmentation_loss


def logits_of(classes: torch.Tensor, sure: float = 20.0) -> torch.Tensor:
    return functional.one_hot(classes, 2).permute(0, 3, 1, 2).float() * sure


@pytest.fixture
def targets() -> torch.Tensor:
    return (torch.arange(64).reshape(1, 8, 8) % 8 > 3).long()


def test_right_is_zero_and_wrong_is_large(targets: torch.Tensor) -> None:
    assert segmentation_loss(logits_of(targets), targets) < 1e-4
    assert segmentation_loss(logits_of(1 - targets), targets) > 10


def test_only_annotated_pixels_count(targets: torch.Tensor) -> None:
    sparse = targets.clone()
    sparse[:, 2:] = IGNORE
    logits = torch.randn(1, 2, 8, 8, requires_grad=True)
    loss = segmentation_loss(logits, sparse)
    assert torch.allclose(loss, segmentation_loss(logits[:, :, :2], targets[:, :2]))
    loss.backward()
    assert not logits.grad[:, :, 2:].any()
    assert logits.grad[:, :, :2].all()


def test_without_annotation_there_is_nothing_to_learn(targets: torch.Tensor) -> None:
    logits = torch.randn(1, 2, 8, 8, requires_grad=True)
    loss = segmentation_loss(logits, torch.full_like(targets, IGNORE))
    loss.backward()
    assert loss == 0
    assert not logits.grad.any()


def test_weights_favour_a_class(targets: torch.Tensor) -> None:
    first_wrong, second_wrong = logits_of(torch.ones_like(targets)), logits_of(torch.zeros_like(targets))
    weights = torch.tensor([0.1, 1.9])
    assert segmentation_loss(first_wrong, targets, weights) < segmentation_loss(second_wrong, targets, weights)


def test_dice_by_hand_and_only_over_classes_that_occur() -> None:
    probabilities = torch.tensor([[0.5, 1.0], [0.5, 0.0], [0.0, 0.0]]).reshape(1, 3, 1, 2)
    wanted = torch.tensor([[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]).reshape(1, 3, 1, 2)
    assert float(dice_loss(probabilities, wanted)) == pytest.approx(1 - 2 * 1.5 / (1.5 + 2))


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_cross_entropy_as_of_torch_and_dice(classes: int, weighted: bool) -> None:
    torch.manual_seed(classes)
    logits = (torch.randn(3, classes, 9, 7) * 30).requires_grad_()
    truth = torch.randint(0, classes, (3, 9, 7))
    truth[0, :4] = IGNORE
    weights = torch.rand(classes) + 0.5 if weighted else None
    ours = segmentation_loss(logits, truth, weights)
    (mine,) = torch.autograd.grad(ours, logits)
    theirs = functional.cross_entropy(logits, truth, weights, ignore_index=IGNORE)
    annotated = (truth != IGNORE)[:, None].float()
    wanted = functional.one_hot(truth.clamp(0, classes - 1), classes).permute(0, 3, 1, 2) * annotated
    theirs = theirs + dice_loss(logits.softmax(dim=1) * annotated, wanted)
    (expected,) = torch.autograd.grad(theirs, logits)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("contrast", [0.1, 2.0])
def test_edges_belong_where_the_image_changes(contrast: float) -> None:
    truth = ((torch.arange(48) % 48) > 23).long().expand(1, 16, 48)
    image = truth[:, None].float() * contrast
    there, elsewhere = logits_of(truth), logits_of(truth.roll(6, dims=2))
    assert edge_loss(elsewhere, image) > 5 * edge_loss(there, image)
    assert edge_loss(logits_of(torch.zeros_like(truth)), image) < 1e-4


def test_edge_loss_is_the_same_in_a_mirror(targets: torch.Tensor) -> None:
    torch.manual_seed(0)
    image, logits = torch.randn(1, 1, 8, 8), torch.randn(1, 2, 8, 8)
    for dims in ([2], [3], [2, 3]):
        assert torch.allclose(edge_loss(logits.flip(dims), image.flip(dims)), edge_loss(logits, image))


@pytest.mark.parametrize(("classes", "channels"), [(2, 1), (4, 3)])
def test_edge_loss_and_its_slope_are_those_of_the_formula(classes: int, channels: int) -> None:
    torch.manual_seed(classes)
    images = torch.randn(3, channels, 12, 10)
    logits = torch.randn(3, classes, 12, 10).contiguous(memory_format=torch.channels_last).requires_grad_()
    (ours,) = torch.autograd.grad(3 * edge_loss(logits, images), logits)
    probabilities, terms = logits.softmax(dim=1), []
    for distance in (1, 2, 4):
        for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
            pairs = []
            for x in (images, probabilities):
                moved = x.roll((-down * distance, -right * distance), (2, 3))
                rows = slice(0, 12 - down * distance)
                columns = slice(distance, None) if right < 0 else slice(0, 10 - right * distance)
                pairs.append((x[:, :, rows, columns], moved[:, :, rows, columns]))
            (grey, other), (here, there) = pairs
            difference = (grey - other).square().mean(dim=1)
            usual = difference.mean(dim=(1, 2), keepdim=True)
            terms.append((torch.exp(-difference / (2 * usual)) * (1 - (here * there).sum(dim=1))).mean())
    theirs = 3 * torch.stack(terms).mean()
    torch.testing.assert_close(3 * edge_loss(logits, images), theirs)
    torch.testing.assert_close(ours, torch.autograd.grad(theirs, logits)[0])
