from __future__ import annotations

import numpy as np
import torch

from napari_microcnn.cli import main
from napari_microcnn.config import SyntheticTrainConfig
from napari_microcnn.events import EpochDone, Finished
from napari_microcnn.models import load_model
from napari_microcnn.train.particles import particle_loss, particle_patch, train_on_particles

TINY = SyntheticTrainConfig(steps=10, batch=2, patch=32, width=4, depth=2, bfloat16=False, workers=0, device="cpu")


def test_a_training_ends_with_a_model_that_tells_particles_apart(tmp_path) -> None:
    events = list(train_on_particles(TINY, checkpoint=tmp_path / "best.safetensors"))
    finished = events[-1]
    assert isinstance(finished, Finished)
    model = finished.result
    assert model.tells_cores
    assert [info.name for info in model.classes] == ["background", "particle"]
    assert sum(isinstance(event, EpochDone) for event in events) == 1
    assert load_model(tmp_path / "best.safetensors").sha256 == model.sha256
    again = list(train_on_particles(TINY))[-1]
    assert again.result.sha256 == model.sha256


def test_the_loss_is_small_where_classes_and_cores_are_right() -> None:
    _, truth = particle_patch(3, 64)
    targets = torch.from_numpy(truth)[None]
    particle, core = (targets > 0).float(), (targets == 2).float()
    right = torch.stack([0 * particle, 20 * particle - 10, 20 * core - 10], dim=1)
    wrong = torch.stack([0 * particle, 20 * particle - 10, 10 - 20 * core], dim=1)
    assert float(particle_loss(right, targets)) < 0.01
    assert float(particle_loss(wrong, targets)) > 5


def test_targets_are_background_particle_and_core() -> None:
    picture, targets = particle_patch(5, 64)
    assert picture.shape == (1, 64, 64)
    assert picture.dtype == np.float32
    assert set(np.unique(targets)) <= {0, 1, 2}


def test_one_command_trains_it_and_goes_on_with_it(tmp_path, capsys) -> None:
    words = "train-synthetic --world particles --steps 10 --batch 2 --patch 32 --width 4 --depth 2 --workers 0".split()
    assert main([*words, "--device", "cpu", "-o", str(tmp_path / "first.safetensors")]) == 0
    assert "background, particle" in capsys.readouterr().out
    more = [*words, "--device", "cpu", "--start", str(tmp_path / "first.safetensors")]
    assert main([*more, "-o", str(tmp_path / "second.safetensors")]) == 0
    first, second = (load_model(tmp_path / f"{name}.safetensors") for name in ("first", "second"))
    assert second.provenance["started_from_sha256"] == first.sha256
    assert main([*words, "--start", "grain-boundaries", "-o", str(tmp_path / "third.safetensors")]) == 2
    assert "only go on from a model of nanoparticles" in capsys.readouterr().err
