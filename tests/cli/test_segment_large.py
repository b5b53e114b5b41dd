"""``segment --large``: the same numbers as in memory, in an OME-Zarr."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from napari_microcnn import device
from napari_microcnn.batch import files, large
from napari_microcnn.cli import main
from napari_microcnn.io.multiscale import open_multiscale
from napari_microcnn.io.read import read_labels


def segment(folder: Path, model: Path, image: Path, *words: str) -> int:
    return main(["segment", str(image), "--model", str(model), "-o", str(folder), "--min-size", "2", *words])


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_numbers_are_those_in_memory(pictures: Path, model: Path, tmp_path: Path, capsys) -> None:
    image = pictures / "images" / "p0.tif"
    assert segment(tmp_path / "memory", model, image) == 0
    capsys.readouterr()
    assert segment(tmp_path / "large", model, image, "--large") == 0
    told = capsys.readouterr().out.splitlines()
    assert [Path(line).name for line in told] == ["p0.ome.zarr", "p0.csv", "p0.json"]
    classes, labels = open_multiscale(tmp_path / "large" / "p0.ome.zarr")
    assert np.array_equal(classes[...], read_labels(tmp_path / "memory" / "p0_classes.tif"))
    assert np.array_equal(labels["objects"][...], read_labels(tmp_path / "memory" / "p0_labels.tif"))
    first, second = (table(tmp_path / kind / "p0.csv") for kind in ("memory", "large"))
    assert len(first) > 0
    for one, other in zip(first, second, strict=True):
        assert one.items() <= other.items()
        assert set(other) - set(one) == {"top_px", "bottom_px", "left_px", "right_px"}
    records = [json.loads((tmp_path / kind / "p0.json").read_text(encoding="utf-8")) for kind in ("memory", "large")]
    for key, value in records[1]["results"].items():
        assert value == pytest.approx(records[0]["results"][key]), key
    assert records[0]["input"] == records[1]["input"]
    assert records[1]["command"].endswith("--large")


def test_what_was_done_is_not_done_again(pictures: Path, model: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    image = pictures / "images" / "p0.tif"
    assert segment(tmp_path, model, image, "--large") == 0
    monkeypatch.setattr(files, "segment_large_file", None)
    assert segment(tmp_path, model, image, "--large") == 0
    assert "done before, in the same way" in capsys.readouterr().err
    assert segment(tmp_path / "other", model, image, "--large", "--report") == 2
    assert "pages and other formats need it in memory" in capsys.readouterr().err


def test_an_image_larger_than_the_memory_goes_that_way_on_its_own(
    pictures: Path, model: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(device, "_SHARE", 0.0)
    assert segment(tmp_path, model, pictures / "images" / "p0.tif") == 0
    assert (tmp_path / "p0.ome.zarr").is_dir()


def test_an_ome_zarr_is_an_image_like_others(pictures: Path, model: Path, tmp_path: Path) -> None:
    assert segment(tmp_path, model, pictures / "images" / "p0.tif", "--large") == 0
    assert segment(tmp_path / "again", model, tmp_path / "p0.ome.zarr") == 0
    assert read_labels(tmp_path / "again" / "p0_classes.tif").shape == (64, 64)


def test_replay_repeats_it_block_by_block(pictures: Path, model: Path, tmp_path: Path, capsys) -> None:
    assert segment(tmp_path, model, pictures / "images" / "p0.tif", "--large", "--objects", "2") == 0
    before = sorted(path.name for path in tmp_path.iterdir())
    assert main(["replay", str(tmp_path / "p0.json")]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    classes, _ = open_multiscale(tmp_path / "p0.ome.zarr", "r+")
    classes[0:2, 0:3] = 3 - classes[0:2, 0:3]
    capsys.readouterr()
    assert main(["replay", str(tmp_path / "p0.json")]) == 2
    assert "p0.ome.zarr: 6 of 4,096 pixels of the classes differ." in capsys.readouterr().out


def test_a_run_killed_while_it_measures_only_measures_again(
    pictures: Path, model: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    image, out = pictures / "images" / "p0.tif", tmp_path / "results"

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(large, "measure_objects", killed)
        assert segment(out, model, image, "--large") != 0
    assert not (out / "p0.json").exists()
    monkeypatch.setattr("napari_microcnn.predict.tiles.TilePredictor.tiles", None)
    assert segment(out, model, image, "--large") == 0
    assert sorted(path.name for path in out.iterdir()) == ["p0.csv", "p0.json", "p0.ome.zarr"]


def test_a_result_is_kept_where_there_is_no_memory_to_judge_it(
    pictures: Path, model: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    def full(*_: object) -> None:
        raise RuntimeError("could not create a primitive")

    monkeypatch.setattr(large, "domain_gap", full)
    assert segment(tmp_path, model, pictures / "images" / "p0.tif", "--large") == 0
    assert "The memory was too small to tell how far" in capsys.readouterr().err
    record = json.loads((tmp_path / "p0.json").read_text(encoding="utf-8"))
    assert "domain_gap" not in record
    assert record["results"]
