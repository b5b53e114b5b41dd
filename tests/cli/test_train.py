from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_microcnn.cli import main
from napari_microcnn.cli.train import classes_of, train_and_save
from napari_microcnn.config import ObjectRule
from napari_microcnn.data.annotations import Annotated
from napari_microcnn.events import BatchDone, EpochDone, Finished, Job
from napari_microcnn.models import Model, load_model

# A shell that starts this in the background would have it ignore Ctrl-C.
_MAIN = """
import signal, sys
from napari_microcnn.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main())
"""

TINY = "--init none --width 2 --depth 1 --patch 16 --batch 2".split()


def train(folder: Path, labels: str, *words: str) -> int:
    output = folder / "out" / "model.safetensors"
    places = ["--images", str(folder / "images"), "--labels", str(folder / labels), "-o", str(output)]
    return main(["train", *places, *TINY, *words])


def test_strokes_make_a_model_with_their_ids(pictures: Path, capsys) -> None:
    assert train(pictures, "strokes", "--epochs", "1", "--names", "dark, bright") == 0
    model = load_model(pictures / "out" / "model.safetensors")
    assert [(entry.id, entry.name) for entry in model.classes] == [(1, "dark"), (2, "bright")]
    assert model.pixel_size is not None
    assert model.pixel_size.to("µm").pixel_size == pytest.approx((0.5, 0.5))
    assert "dark, bright" in capsys.readouterr().out
    assert [path.name for path in (pictures / "out").iterdir()] == ["model.safetensors"]


def test_dense_labels_make_a_class_of_zero(pictures: Path) -> None:
    assert train(pictures, "dense", "--epochs", "1", "--dense") == 0
    assert [entry.id for entry in load_model(pictures / "out" / "model.safetensors").classes] == [0, 1]


def test_what_does_not_pair_is_told(pictures: Path, capsys) -> None:
    (pictures / "strokes" / "p1.tif").rename(pictures / "strokes" / "q1.tif")
    assert train(pictures, "strokes", "--epochs", "1") == 0
    told = capsys.readouterr().err
    assert "p1.tif" in told
    assert "q1.tif" in told


def test_a_validation_folder_judges_and_a_spread_is_told(pictures: Path, capsys) -> None:
    for kind in ("images", "strokes"):
        (pictures / "kept" / kind).mkdir(parents=True)
        (pictures / kind / "p1.tif").rename(pictures / "kept" / kind / "p1.tif")
    places = [
        f"--validation-{name}={pictures / 'kept' / kind}"
        for name, kind in (("images", "images"), ("labels", "strokes"))
    ]
    assert train(pictures, "strokes", "--epochs", "1", *places) == 0
    told = load_model(pictures / "out" / "model.safetensors").provenance["validation"]
    assert told["on"] == "images marked for validation: p1.tif"
    assert told["method"] == "bootstrap over squares"
    assert f"IoU {told['mean_iou']:.3f} ± {told['spread']:.3f} on held-out annotation" in capsys.readouterr().out


def test_validation_images_without_labels_are_refused(pictures: Path, capsys) -> None:
    assert train(pictures, "strokes", "--epochs", "1", "--validation-images", str(pictures / "images")) == 2
    assert "--validation-labels 0 times" in capsys.readouterr().err


def test_files_can_be_named_one_by_one(pictures: Path) -> None:
    words = []
    for name in ("p1.tif", "p0.tif"):
        words += ["--images", str(pictures / "images" / name), "--labels", str(pictures / "strokes" / name)]
    output = pictures / "model.safetensors"
    assert main(["train", *words, "-o", str(output), *TINY, "--epochs", "1"]) == 0
    assert load_model(output).provenance["images"] == ["p1.tif", "p0.tif"]


def test_black_and_white_masks_are_classes_0_and_1(pictures: Path) -> None:
    for path in (pictures / "dense").iterdir():
        tifffile.imwrite(path, tifffile.imread(path) * np.uint8(255))
    assert train(pictures, "dense", "--epochs", "1", "--dense") == 0
    assert [entry.id for entry in load_model(pictures / "out" / "model.safetensors").classes] == [0, 1]


def test_a_training_can_be_resumed_with_another_preset(pictures: Path) -> None:
    assert train(pictures, "strokes", "--epochs", "1") == 0
    first = pictures / "first.safetensors"
    (pictures / "out" / "model.safetensors").rename(first)
    assert (
        train(pictures, "strokes", "--epochs", "1", "--resume", str(first), "--preset", "boundaries", "--focus", "1")
        == 0
    )
    again = load_model(pictures / "out" / "model.safetensors")
    assert again.sha256 != load_model(first).sha256
    assert again.objects == ObjectRule(kind="grains", class_id=1)


def test_a_preset_about_no_class_is_refused(pictures: Path, capsys) -> None:
    assert train(pictures, "strokes", "--epochs", "1", "--preset", "thin", "--focus", "9") == 2
    assert "the classes are 1, 2" in capsys.readouterr().err


def test_a_number_of_epochs_replaces_the_time_limit(pictures: Path, monkeypatch) -> None:
    seen = []

    def fake(data, classes, config, **_) -> Job[Model]:
        seen.append(config)
        raise ValueError("seen enough")
        yield

    monkeypatch.setattr("napari_microcnn.train.segmenter.train_segmenter", fake)
    train(pictures, "strokes", "--epochs", "7")
    train(pictures, "strokes", "--epochs", "7", "--minutes", "2")
    train(pictures, "strokes")
    assert [(config.epochs, config.minutes) for config in seen] == [(7, None), (7, 2), (None, 1)]


def _break(folder: Path, what: str) -> None:
    strokes = folder / "strokes" / "p0.tif"
    if what == "size":
        tifffile.imwrite(strokes, np.zeros((32, 64), np.uint8))
    elif what == "text":
        strokes.write_text("not a picture")
    elif what == "empty":
        strokes.write_bytes(b"")
    elif what == "blank":
        for path in (folder / "strokes").iterdir():
            tifffile.imwrite(path, np.zeros((64, 64), np.uint8))
    elif what == "one class":
        for path in (folder / "strokes").iterdir():
            tifffile.imwrite(path, np.eye(64, dtype=np.uint8))
    elif what == "float":
        tifffile.imwrite(strokes, np.full((64, 64), 0.5, np.float32))
    elif what == "output is a folder":
        (folder / "out" / "model.safetensors").mkdir(parents=True)
    elif what == "nothing pairs":
        for path in (folder / "strokes").iterdir():
            path.rename(path.with_name(f"mask_{path.name}"))


@pytest.mark.parametrize(
    "what", ["size", "text", "empty", "blank", "one class", "float", "output is a folder", "nothing pairs"]
)
def test_mistakes_are_told_in_one_line_and_write_nothing(pictures: Path, capsys, what: str) -> None:
    _break(pictures, what)
    assert train(pictures, "strokes", "--epochs", "1") == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1, told.err
    assert not (pictures / "out" / "model.safetensors").is_file()


def annotated(*ids: int) -> list[Annotated]:
    annotation = np.zeros((2, 8), np.int32)
    annotation[0, : len(ids)] = ids
    return [Annotated(np.zeros((2, 8), np.uint8), annotation)]


def test_classes_come_from_the_labels() -> None:
    assert [entry.id for entry in classes_of(annotated(3, 1), False, [])] == [1, 3]
    assert [entry.name for entry in classes_of(annotated(1), True, ["matrix", "pore"])] == ["matrix", "pore"]


@pytest.mark.parametrize(
    ("ids", "names", "told"),
    [((1,), [], "At least two classes"), ((1, 300), [], "0 to 254"), ((1, 2), ["pore"], "--names gives 1")],
)
def test_labels_that_make_no_classes_are_refused(ids: tuple[int, ...], names: list[str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        classes_of(annotated(*ids), False, names)


def test_an_interruption_keeps_the_best_model(model: Path, tmp_path: Path, capsys) -> None:
    best = load_model(model)

    def job() -> Job[Model]:
        yield EpochDone(1, 0.5, 0.5, 0.8, best)
        yield EpochDone(2, 0.5, 0.5, 0.7, None)
        yield BatchDone(3, 1, 9, 0.4)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_and_save(job(), tmp_path / "best.safetensors")
    assert "epoch 1, IoU 0.800" in capsys.readouterr().err
    assert load_model(tmp_path / "best.safetensors").sha256 == best.sha256


def test_a_model_that_cannot_be_written_is_not_lost(model: Path, tmp_path: Path, monkeypatch) -> None:
    """A disk that fills up while hours are spent on training."""
    best, place = load_model(model), tmp_path / "temporary"
    (tmp_path / "full").touch()
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))

    def job() -> Job[Model]:
        yield Finished(best)

    with pytest.raises(ValueError, match=r"could not be written: .* The model is in .*instead"):
        train_and_save(job(), tmp_path / "full" / "best.safetensors")
    (rescued,) = place.glob("*/best.safetensors")
    assert load_model(rescued).sha256 == best.sha256
    assert load_model(rescued).name == "best"


def test_a_model_does_not_replace_an_image(pictures: Path, capsys) -> None:
    image = pictures / "images" / "p0.tif"
    words = ["--images", str(image.parent), "--labels", str(pictures / "strokes"), "-o", str(image)]
    assert main(["train", *words, *TINY, "--epochs", "1"]) == 2
    assert "does not end in .safetensors" in capsys.readouterr().err
    assert tifffile.imread(image).shape == (64, 64)


def test_an_unwritable_folder_is_told_before_the_training(pictures: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr("napari_microcnn.train.segmenter.train_segmenter", lambda *_, **__: pytest.fail("trained"))
    monkeypatch.setattr(Path, "touch", _refuse)
    assert train(pictures, "strokes", "--epochs", "1") == 2
    assert capsys.readouterr().err.count("writing there is not allowed") == 1


def _refuse(path: Path, **_) -> None:
    raise PermissionError(13, "Permission denied", str(path))


def test_an_interruption_before_the_first_epoch_leaves_nothing(tmp_path: Path, capsys) -> None:
    def job() -> Job[Model]:
        yield BatchDone(1, 1, 9, 0.4)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_and_save(job(), tmp_path / "best.safetensors")
    assert "no model to keep" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_control_c_on_a_terminal(pictures: Path) -> None:
    """The real thing: a progress bar, then Ctrl-C, exit code 130 and a model that opens."""
    import pty

    terminal, end = pty.openpty()
    words = ["--images", pictures / "images", "--labels", pictures / "strokes", "-o", pictures / "m.safetensors"]
    command = [sys.executable, "-c", _MAIN, "train"]
    environment = {**os.environ, "COLUMNS": "200", "OMP_NUM_THREADS": "1"}
    command += [*map(str, words), *TINY, "--minutes", "5"]
    process = subprocess.Popen(command, stderr=end, stdout=subprocess.DEVNULL, env=environment)
    os.close(end)
    seen, start = "", time.monotonic()
    while "(best)" not in seen and time.monotonic() - start < 100:
        seen += os.read(terminal, 10_000).decode(errors="replace")
    process.send_signal(signal.SIGINT)
    try:
        while chunk := os.read(terminal, 10_000):
            seen += chunk.decode(errors="replace")
    except OSError:  # the other end is closed: the process is over
        pass
    finally:
        os.close(terminal)
    assert process.wait(20) == 130, seen
    assert "Training" in seen
    assert "Interrupted." in seen
    assert "Traceback" not in seen
    assert load_model(pictures / "m.safetensors").classes


def test_a_model_of_grain_boundaries_from_synthetic_micrographs(tmp_path: Path, capsys) -> None:
    small = "--steps 10 --width 2 --depth 1 --patch 32 --batch 2 --workers 0 --seed 3".split()
    assert main(["train-synthetic", "-o", str(tmp_path / "made" / "grains.safetensors"), *small]) == 0
    model = load_model(tmp_path / "made" / "grains.safetensors")
    assert [entry.name for entry in model.classes] == ["grain", "boundary"]
    assert main(["train-synthetic", "-o", str(tmp_path), *small]) == 2
    assert "is a folder" in capsys.readouterr().err
