"""Many files as one job."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from napari_microcnn.batch import segment_files
from napari_microcnn.config import ClassInfo, ObjectRule, SegmentConfig, UNetConfig
from napari_microcnn.events import FileDone, Finished, Notice, Progress, result_of
from napari_microcnn.models import Model
from napari_microcnn.nets import UNet
from napari_microcnn.predict import tiles
from napari_microcnn.predict.tiles import TilePredictor

CPU = SegmentConfig(device="cpu", tile=32, min_size=0)


@pytest.fixture
def model() -> Model:
    torch.manual_seed(0)
    classes = (ClassInfo(id=1, name="dark", colour="#000000"), ClassInfo(id=2, name="bright", colour="#ffffff"))
    return Model(UNet(UNetConfig(width=2, depth=1)).eval(), classes, ObjectRule(kind="particles", class_id=2))


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"i{number}.tif" for number in range(3)]
    for number, path in enumerate(paths):
        tifffile.imwrite(path, np.random.default_rng(number).integers(0, 255, (48, 48), np.uint8))
    paths[1].write_text("not a picture")
    return paths


def test_events_tell_how_far_it_is_and_what_failed(files: list[Path], model: Model, tmp_path: Path) -> None:
    events = list(segment_files(files, tmp_path / "out", model, CPU, formats=["png"]))
    done = [event for event in events if isinstance(event, FileDone)]
    assert [(one.path, one.number, one.total) for one in done] == [(path, i, 3) for i, path in enumerate(files, 1)]
    assert [one.failure is None for one in done] == [True, False, True]
    shares = [event.done / event.total for event in events if isinstance(event, Progress)]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert isinstance(events[-1], Finished)
    batch = events[-1].result
    assert list(batch.written) == [files[0], files[2]]
    assert "i1.tif" in batch.failed[files[1]]
    assert {path.name for path in batch.about_all} == {"batch.csv", "batch.html", "batch.json"}
    assert (tmp_path / "out" / "i0_labels.png").is_file()


def test_closing_keeps_what_is_done(files: list[Path], model: Model, tmp_path: Path) -> None:
    job = segment_files([files[0], files[2]], tmp_path / "out", model, CPU)
    for event in job:
        if isinstance(event, FileDone):
            break
    job.close()
    assert (tmp_path / "out" / "i0.json").is_file()
    again = list(segment_files([files[0], files[2]], tmp_path / "out", model, CPU))
    assert [event.message for event in again if isinstance(event, Notice) and "done before" in event.message] == [
        "i0.tif: done before, in the same way."
    ]
    assert again[-1].result.written[files[0]] == []


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("could not create a primitive")])
@pytest.mark.parametrize(
    ("large", "said"), [(False, "takes about 400 MB.*--large"), (True, "even block by block it takes about 400 MB")]
)
def test_too_little_memory_is_said_with_what_is_needed(
    files: list[Path],
    model: Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    large: bool,
    said: str,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(TilePredictor, "look", fail)
    monkeypatch.setattr(tiles, "out_of_memory", lambda _: False)  # as if it were not the tile that is too large
    batch = result_of(segment_files([files[0]], tmp_path / "out", model, CPU, large=large))
    assert re.search(said, batch.failed[files[0]])


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread")])
@pytest.mark.parametrize("large", [False, True])
def test_it_is_said_too_where_there_is_no_room_to_look_at_the_image_again(
    files: list[Path], model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, large: bool
) -> None:
    def fail(*_: object) -> None:
        raise error

    def fill(*_: object) -> None:
        monkeypatch.setattr("napari_microcnn.batch.files.open_lazily", fail)
        raise MemoryError

    monkeypatch.setattr(TilePredictor, "look", fill)
    monkeypatch.setattr(tiles, "out_of_memory", lambda _: False)
    batch = result_of(segment_files([files[0]], tmp_path / "out", model, CPU, large=large))
    assert re.search("i0.tif: the memory is too small.* it takes about 400 MB", batch.failed[files[0]])


def test_a_fault_of_ours_is_not_taken_for_too_little_memory(
    files: list[Path], model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(TilePredictor, "look", fail)
    with pytest.raises(RuntimeError, match="a fault"):
        result_of(segment_files([files[0]], tmp_path / "out", model, CPU))


def test_all_images_together(files: list[Path], model: Model, tmp_path: Path) -> None:
    output = tmp_path / "out"
    result_of(segment_files([files[0], files[2]], output, model, CPU))
    told = json.loads((output / "batch.json").read_text(encoding="utf-8"))
    found = told["overall"]["area_fraction_bright"]
    values = [json.loads((output / f"i{n}.json").read_text())["results"]["area_fraction_bright"] for n in (0, 2)]
    assert found["mean"] == pytest.approx(np.mean(values))
    # t of 95 % for two values is 12.706, and their standard deviation |a - b| / sqrt(2).
    assert found["high"] - found["mean"] == pytest.approx(12.706 * abs(values[0] - values[1]) / 2, rel=1e-3)
    assert not any(name.endswith("_low") for name in told["overall"])
    assert "All images together" in (output / "batch.html").read_text(encoding="utf-8")


def test_pages_that_are_missing_are_made(files: list[Path], model: Model, tmp_path: Path) -> None:
    pytest.importorskip("fpdf")
    output = tmp_path / "out"
    assert not any(
        path.suffix in (".html", ".pdf")
        for path in result_of(segment_files(files[:1], output, model, CPU)).written[files[0]]
    )
    both = result_of(segment_files(files[:1], output, model, CPU, pages=["html", "pdf"])).written[files[0]]
    assert {"i0.html", "i0.pdf"} <= {path.name for path in both}
    assert (output / "i0.pdf").read_bytes().startswith(b"%PDF")
    assert result_of(segment_files(files[:1], output, model, CPU, pages=["pdf"])).written[files[0]] == []


def test_formats_that_are_missing_are_made(files: list[Path], model: Model, tmp_path: Path) -> None:
    first = [files[0]]
    result_of(segment_files(first, tmp_path / "out", model, CPU))
    wanted = {"formats": ["png", "coco"]}
    assert (tmp_path / "out" / "i0_coco.json") in result_of(
        segment_files(first, tmp_path / "out", model, CPU, **wanted)
    ).written[files[0]]
    assert result_of(segment_files(first, tmp_path / "out", model, CPU, **wanted)).written[files[0]] == []
    told = json.loads((tmp_path / "out" / "i0.json").read_text(encoding="utf-8"))
    assert "--format png --format coco" in told["command"]


def test_outlines_of_a_stack_are_refused_before_it_is_segmented(model: Model, tmp_path: Path) -> None:
    stack = tmp_path / "stack.tif"
    tifffile.imwrite(stack, np.random.default_rng(0).integers(0, 255, (3, 48, 48), np.uint8), photometric="minisblack")
    events = list(segment_files([stack], tmp_path / "out", model, CPU, formats=["geojson"]))
    [failed] = [event.failure for event in events if isinstance(event, FileDone)]
    assert "of one plane, not of a stack" in failed
    assert not any("tile" in event.message for event in events if isinstance(event, Progress))


def test_a_single_file_needs_no_table(files: list[Path], model: Model, tmp_path: Path) -> None:
    assert result_of(segment_files(files[:1], tmp_path / "out", model, CPU)).about_all == []
    with pytest.raises(ValueError, match="no images"):
        result_of(segment_files([], tmp_path / "out", model, CPU))
