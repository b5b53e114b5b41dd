"""Training from strokes and masks, on pictures small enough for seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_microcnn.config import ClassInfo, SegmentConfig, TrainConfig, UNetConfig
from napari_microcnn.data import Annotated
from napari_microcnn.events import BatchDone, EpochDone, Event, Finished, Notice, PreviewDone, result_of
from napari_microcnn.micrograph import Calibration, Micrograph
from napari_microcnn.models import Model, ModelError, load_model, save_model, shipped
from napari_microcnn.nets import UNet
from napari_microcnn.predict import Segmentation, segment
from napari_microcnn.train import segmenter, train_segmenter

CLASSES = (ClassInfo(id=1, name="pore", colour="#0072b2"), ClassInfo(id=2, name="ligament", colour="#e69f00"))
TINY: dict[str, Any] = {
    **{"minutes": None, "epochs": 1, "init": None, "patch": 32, "batch": 4, "width": 4, "depth": 2, "device": "cpu"}
}


def picture(channels: int = 0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return noisy stripes and strokes along their middles."""
    rng = np.random.default_rng(seed)
    truth = np.broadcast_to((np.arange(96) // 16) % 2, (96, 96))
    image = truth * 90 + 80 + rng.normal(0, 10, (96, 96))
    strokes = np.zeros((96, 96), np.uint8)
    for left in range(6, 96, 16):
        for top in range(4, 90, 24):
            strokes[top : top + 14, left : left + 3] = truth[0, left] + 1
    image = image.clip(0, 255).astype(np.uint8)
    return (np.stack([image] * channels, axis=-1) if channels else image), strokes


def annotated(**changes: Any) -> Annotated:
    image, strokes = picture(seed=changes.pop("seed", 0))
    return Annotated(**({"image": image, "annotation": strokes} | changes))


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmenter, "STEPS_PER_EPOCH", 4)


def train(data: list[Annotated] | None = None, classes: Any = CLASSES, **changes: Any) -> list[Event]:
    arguments = {key: changes.pop(key) for key in ("checkpoint", "resume", "preview") if key in changes}
    return list(train_segmenter(data or [annotated()], classes, TrainConfig(**(TINY | changes)), **arguments))


def result(events: list[Event]) -> Model:
    last = events[-1]
    assert isinstance(last, Finished)
    return last.result


def only(events: list[Event], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def accuracy(model: Model) -> float:
    """Return the share of right pixels of a fresh picture."""
    from napari_microcnn.data import intensity_limits, normalise

    image, _ = picture(seed=9)
    images = torch.from_numpy(normalise(image, intensity_limits(image)))[None]
    return float((model.net(images)[0].argmax(0).numpy() == (np.arange(96) // 16) % 2).mean())


def test_strokes_teach_the_classes() -> None:
    events = train(epochs=16, learning_rate=0.01)
    assert accuracy(result(events)) > 0.93
    epochs = only(events, EpochDone)
    assert epochs[-1].loss < epochs[0].loss
    assert max(epoch.iou for epoch in epochs) > 0.9
    assert len(only(events, BatchDone)) == 64
    assert result(events) is [epoch for epoch in epochs if epoch.best][-1].model


def test_dense_masks_teach_the_classes_with_zero_as_one() -> None:
    image, _ = picture()
    mask = np.broadcast_to((np.arange(96) // 16) % 2, (96, 96)).astype(np.uint8)
    classes = (ClassInfo(id=0, name="pore", colour="#0072b2"), ClassInfo(id=1, name="ligament", colour="#e69f00"))
    events = train([Annotated(image, mask)], classes, dense=True, epochs=12, learning_rate=0.01)
    assert accuracy(result(events)) > 0.95


def test_same_seed_same_weights() -> None:
    assert result(train(epochs=2)).sha256 == result(train(epochs=2)).sha256
    assert result(train(epochs=2)).sha256 != result(train(epochs=2, seed=1)).sha256


def test_random_state_outside_is_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(augment=False)
    assert torch.equal(torch.rand(3), expected)


def test_model_knows_classes_pixel_size_and_origin() -> None:
    size = Calibration((0.5, 0.5), "nm", "test")
    model = result(train([annotated(calibration=size, name="gold"), annotated(calibration=size.to("µm"), seed=1)]))
    assert model.classes == CLASSES
    assert model.pixel_size == size
    assert model.provenance["images"] == ["gold", "image"]
    assert model.provenance["settings"]["seed"] == 0
    other = Calibration((0.7, 0.7), "nm", "test")
    assert result(train([annotated(calibration=size), annotated(calibration=other)])).pixel_size is None
    assert result(train([annotated(calibration=size), annotated()])).pixel_size is None


@pytest.mark.parametrize("channels", [3, 4])
def test_colour_images(channels: int) -> None:
    image, strokes = picture(channels)
    assert result(train([Annotated(image, strokes)])).config.channels == channels


def test_images_marked_for_validation_are_not_trained_on() -> None:
    wrong = annotated(annotation=(3 - annotated().annotation) * (annotated().annotation > 0), validation=True)
    events = train([annotated(), wrong], epochs=10, learning_rate=0.01)
    assert min(epoch.iou for epoch in only(events, EpochDone)[3:]) < 0.3  # judged on what is wrong
    first, *_, last = only(events, EpochDone)
    assert last.loss < 0.7 * first.loss  # learnt from what is right


def test_too_little_to_hold_out_is_said() -> None:
    image, strokes = picture()
    strokes[strokes == 2] = 0
    strokes[50, 54:57] = 2
    events = train([Annotated(image, strokes)])
    assert ["too little of 'ligament'" in event.message for event in only(events, Notice)] == [True]


def test_pixels_that_are_no_numbers_are_said() -> None:
    image = picture()[0].astype(np.float32)
    image[3, 3] = np.nan
    events = train([annotated(image=image)])
    assert "NaN or infinite" in only(events, Notice)[0].message
    assert all(value.isfinite().all() for value in result(events).net.state_dict().values())


def test_images_smaller_than_a_patch() -> None:
    image, strokes = picture()
    assert result(train([Annotated(image[:20, :40], strokes[:20, :40])], patch=64)).classes == CLASSES


def test_closing_stops_at_once() -> None:
    job = train_segmenter([annotated()], CLASSES, TrainConfig(**TINY))
    assert isinstance(next(job), BatchDone)
    job.close()
    with pytest.raises(StopIteration):
        next(job)


def test_best_model_is_written_whenever_it_improves(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    for event in train_segmenter([annotated()], CLASSES, TrainConfig(**(TINY | {"epochs": 3})), checkpoint=path):
        if isinstance(event, EpochDone) and event.epoch == 2:
            assert load_model(path).classes == CLASSES
        if isinstance(event, Finished):
            assert load_model(path).sha256 == event.result.sha256


def test_a_full_disk_does_not_end_the_training(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    events = train(checkpoint=tmp_path / "file" / "best.safetensors", epochs=2)
    assert "could not be saved" in only(events, Notice)[0].message
    assert len(only(events, Notice)) == 1
    assert result(events).classes == CLASSES


def test_resume_goes_on_from_the_model() -> None:
    first = result(train(epochs=8, learning_rate=0.01))
    before = first.sha256
    events = train(resume=first, width=16, learning_rate=1e-5)
    assert only(events, EpochDone)[0].iou > 0.9
    assert only(train(width=4), EpochDone)[0].iou < 0.9
    assert result(events).config == first.config
    assert accuracy(result(events)) > 0.9  # how frequent the classes are is not counted twice
    assert first.sha256 == before


def test_resume_keeps_what_it_knows_of_classes_that_stay() -> None:
    crack = ClassInfo(id=3, name="crack", colour="#009e73")
    first = result(train(epochs=8, learning_rate=0.01))
    image, strokes = picture()
    strokes[40:44] = np.where(np.arange(96) < 48, 3, 0)
    events = train([Annotated(image, strokes)], (crack, *CLASSES), resume=first, learning_rate=1e-5)
    model = result(events)
    assert [info.id for info in model.classes] == [1, 2, 3]
    assert accuracy(model) > 0.9
    with pytest.raises(ModelError, match=r"model has the classes \[1, 2\], the annotation \[3, 4\]"):
        train([Annotated(image, strokes)], (crack, crack.model_copy(update={"id": 4})), resume=first)


def test_resume_refuses_other_channels() -> None:
    model = result(train())
    image, strokes = picture(3)
    with pytest.raises(ModelError, match="this image has 3"):
        train([Annotated(image, strokes)], resume=model)


def test_a_class_that_nothing_is_annotated_with_is_told() -> None:
    events = train(classes=(*CLASSES, ClassInfo(id=3, name="crack", colour="#009e73")))
    assert [event.message for event in only(events, Notice)] == ["'crack' is not learnt: nothing is annotated with it."]
    assert result(events).config.classes == 3


def test_a_live_training_without_a_change_is_the_same_training() -> None:
    """Also with several images, a databar, and classes in another order: what a dock did, a script can repeat."""
    image, strokes = picture()
    barred = np.concatenate([np.tile(image, (2, 2)), np.full((30, 192), 255, np.uint8)])
    barred[200:212:2, 20:90] = 0
    annotation = np.concatenate([np.tile(strokes, (2, 2)), np.full((30, 192), 2, np.uint8)])
    data = [annotated(seed=1), Annotated(barred, annotation)]
    config = TrainConfig(**(TINY | {"epochs": 2}))
    once = result(list(train_segmenter(data, CLASSES, config)))
    live = result(list(train_segmenter(data, CLASSES[::-1], config, changes=list)))
    assert once.sha256 == live.sha256


def test_preview_after_every_epoch() -> None:
    events = train(epochs=2, preview=(0, (slice(10, 60), slice(0, 96))))
    previews = only(events, PreviewDone)
    assert [type(event).__name__ for event in events].count("PreviewDone") == 2
    assert previews[0].classes.shape == (50, 96)
    assert previews[0].classes.dtype == np.uint8
    assert set(np.unique(previews[-1].classes)) <= {1, 2}


def test_preview_is_limited_and_must_lie_in_an_image() -> None:
    image, strokes = picture()
    image, strokes = np.tile(image, (12, 12))[:1088, :1088], np.pad(strokes, ((0, 992), (0, 992)))
    events = train([Annotated(image, strokes)], preview=(0, (slice(None), slice(None))))
    assert only(events, PreviewDone)[0].region == (slice(32, 1056), slice(32, 1056))
    with pytest.raises(ValueError, match="no training image 3"):
        train(preview=(3, (slice(0, 5), slice(0, 5))))
    with pytest.raises(ValueError, match="outside the image"):
        train(preview=(0, (slice(200, 300), slice(0, 5))))


def test_start_from_a_model(tmp_path: Path) -> None:
    torch.manual_seed(3)
    three = (*CLASSES, ClassInfo(id=3, name="crack", colour="#009e73"))
    path = save_model(Model(UNet(UNetConfig(width=4, depth=2, classes=3)), three), tmp_path / "start")
    model = result(train(init=str(path), learning_rate=1e-9))
    started = load_model(path).net.state_dict()
    for name, value in model.net.named_parameters():
        if not name.startswith("head."):
            assert torch.allclose(value, started[name], atol=1e-5)
    events = train(init=str(path), width=8)
    assert "does not fit" in only(events, Notice)[0].message


def test_unknown_start_is_refused_but_the_default_may_be_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shipped, "WEIGHTS", tmp_path)
    with pytest.raises(ModelError, match="no model 'steel'"):
        train(init="steel")
    assert "training starts from scratch" in only(train(init="grain-boundaries"), Notice)[0].message


def blank(value: int = 0) -> np.ndarray:
    return np.full((96, 96), value, np.uint8)


@pytest.mark.parametrize(
    ("data", "classes", "message"),
    [
        ([], CLASSES, "no image to train on"),
        ([annotated(annotation=blank())], CLASSES, "Nothing is annotated; paint"),
        ([annotated(annotation=blank(1))], CLASSES, r"no pixel of the class 'ligament' \(2\); paint"),
        ([annotated(annotation=blank(7))], CLASSES, "^image: .*holds the value 7, which is no class"),
        ([annotated(image=blank(9))], CLASSES, "same value, there is nothing to learn"),
        ([annotated()], CLASSES[:1], "at least two classes"),
        ([annotated()], (CLASSES[0], CLASSES[0]), "different ids"),
        ([annotated()], (ClassInfo(id=0, name="a", colour="#000000"), CLASSES[0]), "cannot be a class"),
        ([annotated(), Annotated(*picture(3))], CLASSES, r"same number of channels \(image: 1, image: 3\)"),
        ([annotated(validation=True)], CLASSES, "Nothing is annotated"),
    ],
)
def test_mistakes_are_answered_in_one_sentence(data: list[Annotated], classes: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        result_of(train_segmenter(data, classes, TrainConfig(**TINY)))
    assert str(caught.value).count("\n") == 0


def test_the_spread_of_the_iou_is_told_and_kept() -> None:
    events = train([annotated(), annotated(seed=1, name="kept", validation=True)], epochs=2)
    best = [epoch for epoch in only(events, EpochDone) if epoch.best][-1]
    told = result(events).provenance["validation"]
    assert told["on"] == "images marked for validation: kept"
    assert (told["mean_iou"], told["spread"], told["epoch"]) == (best.iou, best.iou_spread, best.epoch)
    assert 0 < best.iou_spread < 0.5


def test_many_held_out_images_are_what_the_spread_is_over() -> None:
    held = [annotated(seed=seed, name=str(seed), validation=True) for seed in range(1, 5)]
    events = train([annotated(), *held])
    assert result(events).provenance["validation"]["method"] == "bootstrap over images"


def band(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return noise with a bright layer, and masks of what lies above and below it: only from afar they differ."""
    rng = np.random.default_rng(seed)
    below = np.zeros((192, 192), np.uint8)
    below[90 + seed :] = 1
    image = rng.normal(100, 10, (192, 192))
    image[86 + seed : 90 + seed] = 220
    image[:4] = 20
    return image.clip(0, 255).astype(np.uint8), below


def test_strokes_on_large_images_are_learnt_in_the_overview_too() -> None:
    image, below = band()
    strokes = np.zeros_like(below)
    strokes[20:60:6, 20:170:3] = 1
    strokes[120:180:6, 20:170:3] = 2
    data = [Annotated(image, strokes)]
    assert result(train(data, epochs=2)).overview
    assert not result(train(data, epochs=2, preset="thin")).overview
    assert not result(train([annotated()], epochs=2, patch=64)).overview


def test_masks_tell_whether_the_overview_helps() -> None:
    classes = tuple(ClassInfo(id=index, name=name, colour="#0072b2") for index, name in enumerate(("above", "below")))
    data = [Annotated(*band(seed), validation=seed == 3) for seed in range(4)]
    far = result(train(data, classes, dense=True, epochs=30))
    assert far.overview
    fine = (np.indices((192, 192)).sum(0) % 4 < 2).astype(np.uint8)  # gone at a quarter of the magnification
    checks = [Annotated(fine * 90 + 80, fine, validation=True), Annotated(fine * 90 + 80, fine)]
    assert not result(train(checks, classes, dense=True, epochs=12)).overview


def test_the_preview_is_what_the_model_will_say() -> None:
    image, below = band()
    strokes = np.zeros_like(below)
    strokes[20:60:6, 20:170:3] = 1
    strokes[120:180:6, 20:170:3] = 2
    whole = (slice(0, 192), slice(0, 192))
    events = train([Annotated(image, strokes)], epochs=4, preview=(0, whole))
    shown = only(events, PreviewDone)[-1].classes
    model = result(events)
    said: Segmentation = result_of(segment(Micrograph(image), model, SegmentConfig(orientations=1)))
    assert model.overview
    assert (shown == said.classes).mean() > 0.99
