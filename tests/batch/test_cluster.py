"""Many files on the workers of a real Dask cluster."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_microcnn.batch import segment_files
from napari_microcnn.config import SegmentConfig
from napari_microcnn.events import FileDone, result_of
from napari_microcnn.predict.cluster import ClusterError

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning:distributed.*")
CPU = SegmentConfig(device="cpu", magnification=1)


def record(path: Path) -> dict[str, object]:
    return {key: value for key, value in json.loads(path.read_text()).items() if key not in ("time", "sha256")}


def test_files_are_done_as_here_and_a_cluster_that_is_gone_stops_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / f"i{number}.tif" for number in range(5)]
    for number, path in enumerate(files):
        tifffile.imwrite(path, np.random.default_rng(number).integers(0, 255, (100, 120), np.uint8))
    files[1].write_text("not a picture")
    here = result_of(segment_files(files, tmp_path / "here", "grain-boundaries", CPU))
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as running:
        there = CPU.model_copy(update={"scheduler": running.scheduler_address})
        events = list(segment_files(files, tmp_path / "there", "grain-boundaries", there))
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
    monkeypatch.setattr("napari_microcnn.predict.cluster.CONNECT", 0.5)
    with pytest.raises(ClusterError, match="Nobody answers"):
        list(segment_files(files, tmp_path / "gone", "grain-boundaries", there))
