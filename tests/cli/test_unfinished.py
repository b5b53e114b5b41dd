"""Trainings that are killed: what was there stays, and the same command goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from napari_microcnn.cli import main
from napari_microcnn.events import EpochDone
from napari_microcnn.models import load_model, save_model
from napari_microcnn.train.loop import Training

_CODE = "import sys; from napari_microcnn.cli import main; sys.exit(main(sys.argv[1:]))"
TINY = "--init none --width 2 --depth 1 --patch 16 --batch 2 --device cpu".split()


def words(folder: Path, *more: str) -> list[str]:
    places = ["--images", str(folder / "images"), "--labels", str(folder / "strokes"), "-o", str(folder / "m")]
    return ["train", *places, *TINY, *more]


def killed(command: list[str], unfinished: Path) -> None:
    """Run the command line in a process of its own and kill it when it has a first model."""
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, "-c", _CODE, *command], stderr=subprocess.DEVNULL, env=alone)
    while process.poll() is None and not unfinished.exists():
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_killed_and_started_again(pictures: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    final, unfinished = pictures / "m.safetensors", pictures / "m.unfinished.safetensors"
    save_model(load_model(model), final)  # of an earlier training
    before = final.read_bytes()
    command = words(pictures, "--epochs", "30")
    killed(command, unfinished)
    assert final.read_bytes() == before
    reached = load_model(unfinished).provenance["unfinished"]["reached"]["epoch"]
    assert main(command) == 0
    told = capsys.readouterr()
    assert f"Going on from epoch {reached} of an interrupted training" in told.err
    assert "on held-out annotation (epoch " in told.out
    assert not unfinished.exists()
    found = load_model(final)
    assert found.provenance["interrupted_after_epochs"] == [reached]
    assert "unfinished" not in found.provenance


def interrupted(monkeypatch: pytest.MonkeyPatch, command: list[str], epoch: int) -> None:
    """Run a training that is interrupted, as by Ctrl-C, at the end of an epoch."""
    judge = Training.judge

    def stop(training: Training, loss: float) -> EpochDone:
        if training.epoch >= epoch:
            raise KeyboardInterrupt
        return judge(training, loss)

    with monkeypatch.context() as patches:
        patches.setattr(Training, "judge", stop)
        assert main(command) == 130


def test_an_interrupted_one_leaves_its_model_and_goes_on(
    pictures: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice: the second time before anything was better."""
    command, final = words(pictures, "--epochs", "4"), pictures / "m.safetensors"
    interrupted(monkeypatch, command, 3)
    assert "; the same command goes on with the training" in capsys.readouterr().err
    kept = load_model(final).sha256
    final.unlink()
    interrupted(monkeypatch, command, 1)
    assert load_model(final).sha256 == kept
    assert main(command) == 0
    assert "Going on from epoch" in capsys.readouterr().err
    assert not (pictures / "m.unfinished.safetensors").exists()


def test_another_training_does_not_go_on_with_it(
    pictures: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(monkeypatch, words(pictures, "--epochs", "4"), 2)
    assert main(words(pictures, "--epochs", "1", "--seed", "1")) == 0
    assert "is of another training and will be replaced" in capsys.readouterr().err
    assert "interrupted_after_epochs" not in load_model(pictures / "m.safetensors").provenance
    assert not (pictures / "m.unfinished.safetensors").exists()
