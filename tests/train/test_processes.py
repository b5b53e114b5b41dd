"""Two processes that learn together, as torchrun starts them, against one with the whole batch."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from napari_microcnn.cli import main, running
from napari_microcnn.cli import train as command
from napari_microcnn.config import ClassInfo, TrainConfig
from napari_microcnn.data import Annotated
from napari_microcnn.events import BatchDone, EpochDone, Event, Job
from napari_microcnn.models import load_model
from napari_microcnn.train import processes, segmenter
from napari_microcnn.train.segmenter import train_segmenter

SETTINGS = {"init": None, "minutes": None, "epochs": 2, "width": 4, "depth": 2, "patch": 32}
PRESETS = ("phases", "thin")
SAME = 1e-5
"""The losses differ by what the order of sums in float32 makes, no more."""
GROWN = 1e-3
"""And after many steps by what that has grown to."""
CLASSES = (ClassInfo(id=1, name="one", colour="#0072b2"), ClassInfo(id=2, name="two", colour="#e69f00"))


def losses(batch: int, output: Path, preset: str) -> tuple[list[float], list[float]]:
    """Train from strokes and return the loss of the first step and the losses of all epochs; runs in every process."""
    rng = np.random.default_rng(0)
    image = rng.normal(0, 1, (160, 160)).astype(np.float32)
    image[:, 80:] += 1.5
    strokes = np.zeros(image.shape, np.uint8)
    strokes[::9, :60], strokes[::9, 100:] = 1, 2
    config = TrainConfig(batch=batch, preset=preset, **SETTINGS)
    torch.manual_seed(7)
    events = list(train_segmenter([Annotated(image, strokes)], CLASSES, config))
    model = events[-1].result
    name = output.with_suffix(f".{os.environ.get('RANK', 'alone')}.pt")
    torch.save(model.net.state_dict(), name)
    steps = [event.loss for event in events if isinstance(event, BatchDone)]
    return steps[:1], [event.loss for event in events if isinstance(event, EpochDone)]


def commanded(words: list[str]) -> list[float]:
    """Run the command line and return the losses of all epochs; runs in every process."""
    told: list[float] = []

    def follow(job: Job[Any], title: str, on_event: Callable[[Event], None]) -> Any:
        def take(event: Event) -> None:
            told.extend([event.loss] if isinstance(event, EpochDone) else [])
            on_event(event)

        return running.follow(job, title, take)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "follow", follow)
        patch.setattr(segmenter, "fast_bfloat16", lambda _: False)  # where sums are rounded, their order shows
        assert main(words) == 0
    return told


def torchrun(*words: str) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *words]
    subprocess.run(command, check=True, timeout=150, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True)


def test_two_processes_learn_as_one_with_twice_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmenter, "fast_bfloat16", lambda _: False)
    alone = [losses(8, tmp_path / "alone", preset) for preset in PRESETS]
    torchrun(__file__, str(tmp_path / "two.json"))
    together = json.loads((tmp_path / "two.json").read_text())
    for ours, theirs in zip(together, alone, strict=True):
        for values, wanted, rel in zip(ours, theirs, (SAME, GROWN), strict=True):
            assert values == pytest.approx(wanted, rel=rel)
    first, second = (torch.load(tmp_path / f"two.{rank}.pt", weights_only=True) for rank in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_same_command_line(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)
    for name, pixels in (("images", image), ("labels", (image > 127).astype(np.uint8) + 1)):
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "a.tif", pixels)
    words = ["train", "--images", str(tmp_path / "images"), "--labels", str(tmp_path / "labels"), "--init", "none"]
    words += ["--epochs", "2", "--width", "2", "--depth", "1", "--patch", "16", "--device", "cpu"]
    alone = commanded([*words, "--batch", "4", "-o", str(tmp_path / "alone.safetensors")])
    torchrun(__file__, str(tmp_path / "two.json"), *words, "--batch", "2", "-o", str(tmp_path / "two.safetensors"))
    assert len(alone) == 2
    assert json.loads((tmp_path / "two.json").read_text()) == pytest.approx(alone, rel=SAME)
    one, two = (load_model(tmp_path / f"{name}.safetensors") for name in ("alone", "two"))
    assert one.provenance["settings"]["batch"] == two.provenance["settings"]["batch"] == 4
    for name, weights in one.net.state_dict().items():
        torch.testing.assert_close(two.net.state_dict()[name], weights, rtol=10 * SAME, atol=10 * SAME)


def test_a_torch_without_processes_trains_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.distributed.nn", None)
    monkeypatch.setitem(sys.modules, "torch.distributed.nn.functional", None)
    found = runpy.run_path(processes.__file__)
    assert found["count"]() == 1


def test_what_runs_in_one_process_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["train-synthetic", "-o", str(tmp_path / "m.safetensors")]) == 2
    assert "start this one without torchrun" in capsys.readouterr().err


if __name__ == "__main__":
    segmenter.fast_bfloat16 = lambda _: False
    place, *words = sys.argv[1:]
    if words:
        told = commanded(words)
        if os.environ["RANK"] == "0":
            Path(place).write_text(json.dumps(told))
        sys.exit()
    with processes.group() as first:
        found = [losses(4, Path(place), preset) for preset in PRESETS]
        if first:
            Path(place).write_text(json.dumps(found))
