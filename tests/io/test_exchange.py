"""Results in formats of other programs, read back with other libraries."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_microcnn.io import exchange
from napari_microcnn.io.errors import WriteError
from napari_microcnn.io.export import export_segmentation
from napari_microcnn.measure import measure_objects
from napari_microcnn.micrograph import Calibration

NM = Calibration((0.123456789, 0.123456789), "nm", "test")
LABELS = np.kron(np.arange(12, dtype=np.int32).reshape(3, 4), np.ones((5, 6), np.int32))
CLASSES = (LABELS > 0).astype(np.uint8)


def test_every_format_stands_beside_the_others(tmp_path: Path) -> None:
    roifile, parquet = pytest.importorskip("roifile"), pytest.importorskip("pyarrow.parquet")
    table = measure_objects(LABELS, NM)
    export_segmentation(
        tmp_path, "steel", classes=CLASSES, labels=LABELS, table=table, calibration=NM, provenance={},
        also=("png", "imagej", "coco", "geojson", "parquet"),
    )  # fmt: skip
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "steel_labels.png")), LABELS)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "steel_classes.png")), CLASSES)
    assert len(roifile.roiread(tmp_path / "steel_rois.zip")) == 11
    assert len(json.loads((tmp_path / "steel_coco.json").read_text())["annotations"]) == 11
    assert len(json.loads((tmp_path / "steel.geojson").read_text())["features"]) == 11
    back = parquet.read_table(tmp_path / "steel.parquet")
    assert back.column_names == list(table)
    for name, column in table.items():
        np.testing.assert_array_equal(back[name].to_numpy(), column)
    told = json.loads(back.schema.metadata[b"napari-microcnn"])
    assert told["pixel_size"]["pixel_size"] == pytest.approx(NM.pixel_size, rel=1e-6)
    assert len(json.loads((tmp_path / "steel.json").read_text())["sha256"]) == len(list(tmp_path.iterdir())) - 1


def test_what_cannot_be_written_is_told_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WriteError, match="not as 'gif'"):
        exchange.check_formats(["gif"])
    monkeypatch.setattr(exchange, "find_spec", lambda _: None)
    with pytest.raises(WriteError, match=r"napari-microcnn\[parquet\]"):
        exchange.check_formats(["parquet"])
    with pytest.raises(WriteError, match="one plane"):
        export_segmentation(tmp_path, "s", labels=LABELS[None], axes="ZYX", provenance={}, also=("coco",))
    assert not list(tmp_path.iterdir())
