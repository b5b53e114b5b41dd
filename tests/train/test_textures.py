"""Learning from episodes: strokes on one picture of a random material, judged on another one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_microcnn.cli import main
from napari_microcnn.config import SyntheticTrainConfig, UNetConfig
from napari_microcnn.data import IGNORE
from napari_microcnn.events import EpochDone, Finished
from napari_microcnn.models import load_model
from napari_microcnn.nets import UNet
from napari_microcnn.train.episodes import (
    episode_iou,
    episode_loss,
    episode_scores,
    likeness,
    prototypes,
    random_episode,
)
from napari_microcnn.train.textures import Describer, textures_loss, train_on_textures

TINY = SyntheticTrainConfig(steps=10, batch=2, patch=32, width=4, depth=2, bfloat16=False, workers=0, device="cpu")


def test_an_episode_is_two_pictures_of_a_material_and_strokes_on_the_first() -> None:
    for seed in range(12):
        images, phases, strokes = random_episode(seed, 64)
        assert images.shape == (2, 1, 64, 64)
        assert phases.shape == (2, 64, 64)
        painted = strokes != IGNORE
        assert 0 < painted.mean() < 0.2
        np.testing.assert_array_equal(strokes[painted], phases[0][painted])
        assert set(np.unique(strokes[painted])) == set(np.unique(phases[0]))
    np.testing.assert_array_equal(random_episode(3, 64)[0], random_episode(3, 64)[0])


def test_prototypes_are_means_below_the_strokes() -> None:
    features = torch.arange(8.0).view(2, 2, 2)  # the second is 4 more than the first
    strokes = torch.tensor([[1, IGNORE], [3, 3]], dtype=torch.uint8)
    means, found = prototypes(features, strokes)
    assert found == [1, 3]
    torch.testing.assert_close(means, torch.tensor([[0.0, 4.0], [2.5, 6.5]]))


def test_the_likeliest_phase_is_the_one_with_the_nearest_mean() -> None:
    features, means = torch.randn(1, 5, 6, 6), torch.randn(3, 5)
    away = (features[:, None] - means[:, :, None, None]).square().sum(dim=2)
    assert torch.equal(likeness(features, means).argmax(dim=1), away.argmin(dim=1))


def test_features_that_show_the_phase_have_no_loss_and_others_do() -> None:
    _, phases, strokes = (torch.from_numpy(part) for part in random_episode(1, 64))
    right = torch.nn.functional.one_hot(phases.long(), 4).permute(0, 3, 1, 2).float() * 30
    scores, targets = episode_scores(right, phases, strokes)
    assert float(episode_loss(scores, targets)) < 0.01
    assert episode_iou(scores, targets) == 1
    scores, targets = episode_scores(torch.randn_like(right), phases, strokes)
    assert float(episode_loss(scores, targets)) > 1
    assert episode_iou(scores, targets) < 0.6


def test_a_phase_without_strokes_does_not_count() -> None:
    phases = torch.tensor([[[0, 1], [2, 2]], [[2, 1], [0, 0]]], dtype=torch.uint8)
    strokes = torch.tensor([[0, IGNORE], [2, IGNORE]], dtype=torch.uint8)
    features = torch.nn.functional.one_hot(phases.long(), 3).permute(0, 3, 1, 2).float() * 30
    scores, targets = episode_scores(features, phases, strokes)
    assert scores.shape == (2, 2, 2, 2)
    assert targets.tolist() == [[[0, IGNORE], [1, 1]], [[1, IGNORE], [0, 0]]]
    assert episode_iou(scores, targets) == 1
    assert float(episode_loss(scores, targets)) < 0.01


def test_a_describer_returns_scores_and_then_features() -> None:
    net = Describer(UNetConfig(classes=2, width=4, depth=2)).eval()
    plain = UNet(net.config).eval()
    plain.load_state_dict(net.state_dict())
    images = torch.randn(1, 1, 32, 32)
    with torch.inference_mode():
        outputs = net(images)
        torch.testing.assert_close(outputs[:, :2], plain(images))
        torch.testing.assert_close(outputs[:, 2:], plain.features(images))
    with pytest.raises(ValueError, match="whole pictures"):
        net(images, (slice(0, 16), slice(0, 16)))


def test_a_training_ends_with_a_model_of_borders(tmp_path: Path) -> None:
    events = list(train_on_textures(TINY, checkpoint=tmp_path / "best.safetensors"))
    finished = events[-1]
    assert isinstance(finished, Finished)
    model = finished.result
    assert [info.name for info in model.classes] == ["phase", "border"]
    assert type(model.net) is UNet
    assert sum(isinstance(event, EpochDone) for event in events) == 1
    assert load_model(tmp_path / "best.safetensors").sha256 == model.sha256
    again: Any = list(train_on_textures(TINY))[-1]
    assert again.result.sha256 == model.sha256


def test_steps_make_the_features_of_phases_differ() -> None:
    torch.manual_seed(0)
    net = Describer(UNetConfig(classes=2, width=8, depth=2))
    optimiser = torch.optim.AdamW(net.parameters(), lr=5e-3)
    made = [random_episode(seed, 64) for seed in range(4)]
    images = torch.from_numpy(np.concatenate([images for images, _, _ in made]))
    phases, strokes = (torch.from_numpy(np.stack([one[part] for one in made])) for part in (1, 2))
    borders = torch.zeros(8, 64, 64, dtype=torch.int64)
    losses = []
    for _ in range(30):
        loss = textures_loss(net(images), (phases, strokes, borders))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]


def test_one_command_trains_it_and_it_can_be_started_from(tmp_path: Path, capsys: Any) -> None:
    words = "train-synthetic --world textures --steps 10 --batch 2 --patch 32 --workers 0 --device cpu".split()
    small = ["--width", "4", "--depth", "2"]
    assert main([*words, *small, "-o", str(tmp_path / "first.safetensors")]) == 0
    assert "phase, border" in capsys.readouterr().out
    more = [*words, "--start", str(tmp_path / "first.safetensors"), "-o", str(tmp_path / "second.safetensors")]
    assert main(more) == 0
    first, second = (load_model(tmp_path / f"{name}.safetensors") for name in ("first", "second"))
    assert second.provenance["started_from_sha256"] == first.sha256
    assert second.config == first.config
    assert main([*words, *small, "--batch", "3", "-o", str(tmp_path / "third.safetensors")]) == 2
    assert "must be even" in capsys.readouterr().err
