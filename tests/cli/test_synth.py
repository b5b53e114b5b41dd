from __future__ import annotations

import csv
import json
from collections.abc import Iterator

import numpy as np
import pytest

from napari_microcnn.cli import main
from napari_microcnn.config import IsingConfig, SteelConfig
from napari_microcnn.data.gathering import collect, collect_table
from napari_microcnn.events import Event
from napari_microcnn.io.read import read_labels, read_micrograph
from napari_microcnn.synth import LOOKS, STEEL_KINDS, ising, polycrystal, steel
from napari_microcnn.train.transition import NetworkDone, study_transition


def test_pictures_come_with_labels_and_all_to_make_them_again(tmp_path, capsys) -> None:
    words = "synth voronoi -n 2 --seed 5 --height 48 --width 64 --grains 9 --look etched --line-contrast 0.9".split()
    assert main([*words, "-o", str(tmp_path)]) == 0
    assert "2 pictures of 64 x 48 pixels" in capsys.readouterr().out
    for name in ("images", "labels", "grains"):
        assert sorted(path.stem for path in (tmp_path / name).iterdir()) == ["voronoi_000005", "voronoi_000006"]
    structure, imaging = LOOKS["etched"]
    structure = structure.model_copy(update={"height": 48, "width": 64, "grains": 9})
    made = polycrystal(structure, imaging.model_copy(update={"line_contrast": 0.9}), 5)
    file = "voronoi_000005.tif"
    np.testing.assert_array_equal(np.asarray(read_micrograph(tmp_path / "images" / file).pixels), made.image)
    np.testing.assert_array_equal(read_labels(tmp_path / "labels" / file), made.structure.boundaries)
    np.testing.assert_array_equal(read_labels(tmp_path / "grains" / file), made.structure.grains)
    told = json.loads((tmp_path / "synth.json").read_text())
    assert told["imaging"]["line_contrast"] == 0.9
    assert told["structure"]["size_spread"] == structure.size_spread
    assert told["first_seed"] == 5


def test_the_looks_are_listed(tmp_path, capsys) -> None:
    assert main(["synth", "voronoi", "--look", "list", "-o", str(tmp_path / "none")]) == 0
    assert capsys.readouterr().out.splitlines() == list(LOOKS)
    assert not (tmp_path / "none").exists()


def test_configurations_come_in_folders_with_what_is_known_of_them(tmp_path, capsys) -> None:
    words = "synth ising -n 6 --seed 4 --side 16 --coldest 1 --hottest 4 --temperatures 2 --sweeps 9"
    assert main([*words.split(), "-o", str(tmp_path)]) == 0
    assert "6 configurations of 16 x 16 spins" in capsys.readouterr().out
    config = IsingConfig(side=16, coldest=1, hottest=4, temperatures=2, sweeps=9)
    rows = list(csv.DictReader((tmp_path / "ising.csv").read_text().splitlines()))
    for seed, row in zip(range(4, 10), rows, strict=True):
        made = ising(config, seed)
        np.testing.assert_array_equal(np.asarray(read_micrograph(tmp_path / row["file"]).pixels), made.image)
        assert row["class"] == made.phase == ("above" if seed % 2 else "below")
        known = [float(row[name]) for name in ("temperature", "energy", "magnetisation")]
        assert known == pytest.approx([made.temperature, made.energy, made.magnetisation], abs=1e-6)
    assert json.loads((tmp_path / "synth.json").read_text())["ising"]["sweeps"] == 9


def test_steels_come_in_a_folder_for_each_kind_and_can_be_learnt_from(tmp_path) -> None:
    words = "synth steel -n 8 --seed 3 --height 32 --width 40 --variety 0.2".split()
    assert main([*words, "-o", str(tmp_path)]) == 0
    made = steel(SteelConfig(height=32, width=40, variety=0.2), "martensite", 3)
    file = tmp_path / "martensite" / "steel_000003.tif"
    np.testing.assert_array_equal(np.asarray(read_micrograph(file).pixels), made.image)
    for collection in (collect(tmp_path), collect_table(tmp_path / "steel.csv")):
        assert sorted(info.name for info in collection.classes) == sorted(STEEL_KINDS)
        assert set(collection.counts.values()) == {2}
        assert len({image.micrograph for image in collection.images}) == 8


def test_some_kinds_of_steel_only(tmp_path, capsys) -> None:
    words = "synth steel -n 3 --height 32 --width 32 -o".split()
    assert main([*words, str(tmp_path), "--kinds", "ferrite,bainite"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["bainite", "ferrite"]
    assert main([*words, str(tmp_path), "--kinds", "ferrite,mithril"]) == 2
    assert "no steel 'mithril'" in capsys.readouterr().err


def test_temperatures_in_the_wrong_order_are_told(tmp_path, capsys) -> None:
    assert main(["synth", "ising", "--coldest", "3", "--hottest", "2", "-o", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.strip() == "The lowest temperature (3) lies above the highest (2); exchange them."


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--look", "cubist"], "no look 'cubist'"),
        (["--regularity", "2"], "--regularity '2'"),
        (["-n", "0"], "--number"),
    ],
)
def test_mistakes_are_told(tmp_path, capsys, words: list[str], told: str) -> None:
    assert main(["synth", "voronoi", "-o", str(tmp_path / "out"), *words]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_interruption_keeps_the_finished_networks_of_the_transition(tmp_path, capsys, monkeypatch) -> None:
    def interrupted(*arguments: object) -> Iterator[Event]:
        for event in study_transition(*arguments):
            yield event
            if isinstance(event, NetworkDone):
                raise KeyboardInterrupt

    monkeypatch.setattr("napari_microcnn.train.transition.study_transition", interrupted)
    words = "classify transition --side 16 --temperatures 7 --repeats 8 --sweeps 10 --networks 9 --epochs 8 -o"
    assert main([*words.split(), str(tmp_path)]) == 130
    told = capsys.readouterr()
    assert "The result is that of the first 1 of 9 networks." in told.err
    assert "crosses one half at" in told.out
    assert all((tmp_path / name).exists() for name in ("transition.png", "network-1.safetensors"))


def test_the_phase_transition_is_told_beside_onsager(tmp_path, capsys) -> None:
    words = "classify transition --side 16 --temperatures 7 --repeats 8 --sweeps 10 --networks 1 --epochs 8 -o"
    assert main([*words.split(), str(tmp_path)]) == 0
    *_, sentence = capsys.readouterr().out.splitlines()
    assert sentence.startswith("The output crosses one half at ")
    assert "exact: 2.2692 (Onsager)" in sentence
    assert all((tmp_path / name).exists() for name in ("transition.png", "network-1.safetensors"))
    told = json.loads((tmp_path / "transition.json").read_text())
    assert told["exact"] == pytest.approx(2.269185, abs=1e-6)
    assert told["lattice"]["side"] == 16
    rows = list(csv.DictReader((tmp_path / "outputs.csv").read_text().splitlines()))
    assert len(rows) == 224
    assert all(0 <= float(row["p(above), network 1"]) <= 1 for row in rows)
