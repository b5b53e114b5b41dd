"""Many files on the workers of a real Dask cluster."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_microcnn.batch import cluster, segment_files
from napari_microcnn.config import SegmentConfig
from napari_microcnn.device import filled_memory
from napari_microcnn.events import FileDone, Progress, result_of
from napari_microcnn.predict.cluster_workers import ClusterError

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning:distributed.*")
CPU = SegmentConfig(device="cpu", magnification=1)


def record(path: Path) -> dict[str, object]:
    return {key: value for key, value in json.loads(path.read_text()).items() if key not in ("time", "sha256")}


@pytest.fixture(scope="module")
def running() -> Iterator[Any]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    ) as cluster:
        yield cluster


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"i{number}.tif" for number in range(5)]
    for number, path in enumerate(paths):
        tifffile.imwrite(path, np.random.default_rng(number).integers(0, 255, (100, 120), np.uint8))
    return paths


def there(running: Any) -> SegmentConfig:
    return CPU.model_copy(update={"scheduler": running.scheduler_address})


def test_files_are_done_as_here_though_a_worker_is_killed(running: Any, files: list[Path], tmp_path: Path) -> None:
    files[1].write_text("not a picture")
    here = result_of(segment_files(files, tmp_path / "here", "grain-boundaries", CPU))
    events = []
    for event in segment_files(files, tmp_path / "there", "grain-boundaries", there(running)):
        if isinstance(event, FileDone) and event.written and not any(getattr(one, "written", ()) for one in events):
            os.kill(running.workers[0].pid, signal.SIGKILL)
        events.append(event)
    batch = events[-1].result
    assert [event.number for event in events if isinstance(event, FileDone)] == [1, 2, 3, 4, 5]
    assert batch.failed == here.failed
    assert set(batch.written) == set(here.written)
    for path in (tmp_path / "here").glob("i*"):
        twin = tmp_path / "there" / path.name
        if path.suffix == ".json":
            assert record(twin) == record(path)
        elif path.suffix == ".tif":
            np.testing.assert_array_equal(tifffile.imread(twin), tifffile.imread(path))
        else:
            assert twin.read_bytes() == path.read_bytes()


def test_a_cluster_that_is_gone_stops_all(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_microcnn.predict.cluster_workers.CONNECT", 0.5)
    gone = CPU.model_copy(update={"scheduler": "tcp://127.0.0.1:9"})
    with pytest.raises(ClusterError, match="Nobody answers"):
        list(segment_files(files, tmp_path / "gone", "grain-boundaries", gone))


def test_no_more_images_are_in_memory_than_it_has_room_for(
    running: Any, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too large for it: block by block, and one at a time."""
    tifffile.imwrite(files[2], np.random.default_rng(2).integers(0, 255, (200, 240), np.uint8))
    monkeypatch.setattr(cluster, "room_for_images", lambda: 2 * filled_memory((100, 120)))
    busy, most, guard, send = [0], [0], threading.Lock(), cluster.Elsewhere.segment

    def counted(self: Any, *arguments: Any) -> Any:
        with guard:
            busy[0] += 1
            most.append(busy[0])
        try:
            return send(self, *arguments)
        finally:
            with guard:
                busy[0] -= 1

    monkeypatch.setattr(cluster.Elsewhere, "segment", counted)
    events = list(segment_files(files, tmp_path / "out", "grain-boundaries", there(running)))
    assert max(most) == 2
    assert [event.number for event in events if isinstance(event, FileDone)] == [1, 2, 3, 4, 5]
    written = events[-1].result.written
    assert set(written) == set(files)
    assert written[files[2]][0].name == "i2.ome.zarr"
    assert any(isinstance(event, Progress) and "i2.tif, tile 1" in event.message for event in events)
