"""Disks that are full, files that vanish or are slow, while docks work: told, nothing half written, and repeated.

Disks are mounted where that is allowed; but on Windows, a limit on the size of the files of workers stands for one too.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile
from qtpy.QtCore import QTimer

from napari_microcnn.io.read import read_micrograph
from napari_microcnn.ui import jobs, layers
from napari_microcnn.ui.models import MODELS_VARIABLE
from napari_microcnn.ui.pairing import OnDisk
from napari_microcnn.ui.process import Pool
from napari_microcnn.ui.segment import SegmentDock

Disk = Callable[[str], Path]
FULL = ("make room or choose another folder", "the file would be larger than allowed here; choose another folder")


@pytest.fixture(scope="module")
def limited_pool() -> Iterator[Pool]:
    """Return workers that can import the modules beside this file; shared, as starting torch takes seconds."""
    with pytest.MonkeyPatch.context() as patches:
        patches.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        pool = Pool()
        yield pool
        pool.close()


@pytest.fixture(params=["mounted", "limited"])
def disk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Return a function that makes a disk, or gives it another size, see `mounted_disk`."""
    if request.param == "mounted":
        return request.getfixturevalue("mounted_disk")
    if sys.platform == "win32":
        pytest.skip("Windows has no limit on the size of files.")
    monkeypatch.syspath_prepend(Path(__file__).parent)
    import fake_jobs

    monkeypatch.setattr(jobs, "_pool", request.getfixturevalue("limited_pool"))
    place, start = tmp_path / "disk", jobs.start
    place.mkdir()

    def resize(options: str) -> Path:
        size = int(options.removeprefix("size=")[:-1]) << {"k": 6, "m": 20}[options[-1]]  # of each file, one of many
        monkeypatch.setattr(
            jobs, "start", lambda job, **words: start(partial(fake_jobs.with_little_room, size, job), **words)
        )
        return place

    return resize


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (512, 512)).astype(np.uint8)


@pytest.fixture
def segmenting(viewer: Any, open_dock: Callable[[str], Any], model_path: Path, noise: np.ndarray) -> SegmentDock:
    """Return the Segment dock, ready to segment noise, which nothing makes small."""
    dock = open_dock("Segment")
    dock.model.open_file(model_path)
    viewer.add_image(noise, name="noise")
    return dock


def is_full(sentence: str) -> bool:
    return any(one in sentence for one in FULL)


def unfinished(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.endswith(".part")]


def test_exporting_to_a_full_disk(
    disk: Disk, segmenting: SegmentDock, open_dock: Callable[[str], Any], finish: Callable, told: list[str]
) -> None:
    segmenting.run_button.click()
    finish(segmenting)
    export, folder = open_dock("Export"), disk("size=8k")
    export.folder.folder = folder
    export.run_button.click()
    finish(export)
    assert is_full(told.pop())
    assert told == []
    assert unfinished(folder) == []
    disk("size=50m")
    export.run_button.click()
    finish(export)
    assert told == []
    assert read_micrograph(folder / "noise_classes.tif").plane_shape == (512, 512)


def test_a_large_segmentation_onto_a_full_disk(
    disk: Disk, segmenting: SegmentDock, finish: Callable, told: list[str]
) -> None:
    folder = disk("size=8k")
    segmenting.large.results.folder = folder
    segmenting.large.always.setChecked(True)
    segmenting.run_button.click()
    finish(segmenting)
    assert is_full(told.pop())
    assert told == []
    disk("size=50m")
    segmenting.run_button.click()
    finish(segmenting)
    assert told == []
    assert "Done" in segmenting.status.text()
    assert unfinished(folder) == []


def test_a_training_whose_disk_becomes_full_goes_on(
    qtbot: Any, disk: Disk, viewer: Any, small_training: Callable, discs: np.ndarray, strokes: np.ndarray,
    finish: Callable, told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    folder = disk("size=16k")
    monkeypatch.setenv(MODELS_VARIABLE, str(folder))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    dock = small_training(3)
    viewer.add_image(discs, name="discs")
    dock.pairs.new_button.click()
    viewer.layers["discs annotation"].data = strokes
    dock.run_button.click()
    finish(dock)
    assert told == []
    assert is_full(dock.noticed)
    assert dock.model.path.is_file()
    assert folder not in dock.model.path.parents


def test_a_file_that_vanishes_during_the_job(
    viewer: Any,
    segmenting: SegmentDock,
    finish: Callable,
    told: list[str],
    tmp_path: Path,
    noise: np.ndarray,
    monkeypatch,
) -> None:
    path = tmp_path / "on disk.tif"
    write = partial(tifffile.imwrite, path, noise, imagej=True, resolution=(2, 2), metadata={"unit": "um"})
    write()
    viewer.layers.clear()
    viewer.open(path, plugin="napari-microcnn")
    viewer.layers[0].metadata[layers.KEY]["lazy"] = True  # as of one that is larger than the memory
    source = layers.source_of(viewer.layers[0])
    assert isinstance(source, OnDisk)
    monkeypatch.setattr(layers, "source_of", lambda _: (path.unlink(), source)[1])  # after the dock's last look
    segmenting.run_button.click()
    finish(segmenting)
    assert "on disk.tif" in told.pop()
    assert told == []
    write()
    monkeypatch.undo()
    segmenting.run_button.click()
    finish(segmenting)
    assert "on disk classes" in viewer.layers


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a pipe stands for a file that does not come")
def test_a_file_that_does_not_come_leaves_the_window_alive(
    qtbot: Any, own_pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fake_jobs

    monkeypatch.setattr(jobs, "PATIENCE", 0.5)
    path, ends, beats = tmp_path / "slow", [], []
    os.mkfifo(path)
    timer = QTimer()
    timer.timeout.connect(lambda: beats.append(time.monotonic()))
    timer.start(10)

    def start() -> jobs.RunningJob:
        return jobs.start(
            partial(fake_jobs.read, path),
            on_finished=ends.append,
            on_error=ends.append,
            on_stopped=lambda: ends.append("stopped"),
            name="reading",
        )

    job = start()
    qtbot.wait(1500)
    assert job.running
    assert len(beats) > 50
    job.stop()
    qtbot.waitUntil(lambda: ends == ["stopped"], timeout=10_000)
    start()
    threading.Thread(target=path.write_bytes, args=(b"pixels",)).start()
    qtbot.waitUntil(lambda: ends == ["stopped", b"pixels"], timeout=20_000)


def test_a_lazy_image_that_comes_slowly_leaves_the_window_alive_and_can_be_stopped(
    qtbot: Any, own_pool: Pool, viewer: Any, open_dock: Callable, model_path: Path, told: list[str], monkeypatch
) -> None:
    import fake_jobs

    monkeypatch.setattr(jobs, "PATIENCE", 600)  # that it waits must be seen
    pixels = da.map_blocks(
        fake_jobs.far_away, chunks=((64,) * 8, (64,) * 8), dtype=np.uint8, meta=np.empty(0, np.uint8)
    )
    viewer.add_image(pixels, name="far", contrast_limits=(0, 255))
    dock, beats = open_dock("Segment"), []
    dock.model.open_file(model_path)
    timer = QTimer()
    timer.timeout.connect(lambda: beats.append(time.monotonic()))
    timer.start(10)
    before = len(fake_jobs.READ_BY_THE_WINDOW)
    dock.run_button.click()
    process = dock.job._process
    qtbot.waitUntil(lambda: own_pool.device is not None, timeout=60_000)
    qtbot.wait(1000)
    assert len(beats) > 20
    assert dock.job is not None
    dock.stop_button.click()
    qtbot.waitUntil(lambda: dock.job is None, timeout=10_000)
    assert not process.alive
    assert "Stopped" in dock.status.text()
    assert len(fake_jobs.READ_BY_THE_WINDOW) == before
    assert told == []
