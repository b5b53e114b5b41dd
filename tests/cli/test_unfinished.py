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
from napari_microcnn.models import load_model, save_model

_CODE = "import sys; from napari_microcnn.cli import main; sys.exit(main(sys.argv[1:]))"
TINY = "--init none --width 2 --depth 1 --patch 16 --batch 2 --device cpu".split()

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")


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


def test_another_training_does_not_go_on_with_it(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    killed(words(pictures, "--epochs", "30"), pictures / "m.unfinished.safetensors")
    assert main(words(pictures, "--epochs", "1", "--seed", "1")) == 0
    assert "is of another training and will be replaced" in capsys.readouterr().err
    assert "interrupted_after_epochs" not in load_model(pictures / "m.safetensors").provenance
    assert not (pictures / "m.unfinished.safetensors").exists()


def test_an_interrupted_one_leaves_its_model_and_goes_on(
    pictures: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after Ctrl-C, twice: the second time before anything was better."""
    from napari_microcnn.train import loop

    judge = loop.Training.judge

    def interrupted(training: loop.Training, loss: float) -> object:
        if training.epoch == 3:
            raise KeyboardInterrupt
        return judge(training, loss)

    monkeypatch.setattr(loop.Training, "judge", interrupted)
    command = words(pictures, "--epochs", "4")
    assert main(command) == 130
    told = capsys.readouterr().err
    assert "is in" in told
    assert "the same command goes on with the training" in told
    kept = load_model(pictures / "m.safetensors")
    (pictures / "m.safetensors").unlink()
    monkeypatch.setattr(loop.Training, "judge", _stop)
    assert main(command) == 130
    assert load_model(pictures / "m.safetensors").sha256 == kept.sha256
    monkeypatch.undo()
    assert main(command) == 0
    assert "Going on from epoch" in capsys.readouterr().err
    assert not (pictures / "m.unfinished.safetensors").exists()


def _stop(*_: object) -> None:
    raise KeyboardInterrupt
