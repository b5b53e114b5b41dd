"""Training a classifier, on pictures small enough for seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_microcnn.config import ClassifierConfig, ClassifierTrainConfig, ClassInfo, UNetConfig
from napari_microcnn.data.collections import Collection
from napari_microcnn.data.partition import hold_out
from napari_microcnn.events import BatchDone, ClassifierEpoch, Event, Finished, Notice, Progress, result_of
from napari_microcnn.models import Classifier, Model, load_classifier, save_classifier, save_model
from napari_microcnn.models.looking import fitted_temperature, probabilities
from napari_microcnn.nets import UNet
from napari_microcnn.nets.classifiers import build_classifier
from napari_microcnn.train import classifier as module
from napari_microcnn.train.classifier import train_classifier
from napari_microcnn.train.cross_validation import cross_validate
from napari_microcnn.train.looks import choose_looks, endless_batches
from napari_microcnn.train.transfer import started

TINY: dict[str, Any] = {
    **{"architecture": "conv-pool", "minutes": None, "epochs": 2, "init": None, "filters": 4, "blocks": 2, "batch": 4},
    **{"device": "cpu", "dropout": 0.0},
}
Pictures = Callable[..., Collection]


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STEPS_PER_EPOCH", 4)


def settings(**changes: Any) -> ClassifierTrainConfig:
    return ClassifierTrainConfig(**{**TINY, **changes})


def train(collection: Collection, **changes: Any) -> list[Event]:
    return list(train_classifier(collection, settings(**changes)))


def test_gratings_are_learnt_and_the_best_is_finished(pictures: Pictures) -> None:
    events = train(pictures(10), epochs=14, learning_rate=1e-2)
    epochs = [event for event in events if isinstance(event, ClassifierEpoch)]
    assert len(epochs) == 14
    assert epochs[0].best
    assert max(event.score for event in epochs) == 1
    assert any(event.settling for event in epochs)
    assert isinstance(events[-1], Finished)
    found = events[-1].result
    assert found is [event for event in epochs if event.best][-1].model
    assert [info.name for info in found.classes] == ["coarse", "fine"]
    assert found.provenance["held_out_confusion"] == [[2, 0], [0, 2]]
    assert len([event for event in events if isinstance(event, BatchDone)]) == 14 * 4


def test_the_same_seed_gives_the_same_classifier(pictures: Pictures) -> None:
    shas = [result_of(train_classifier(pictures(), settings(dropout=0.3, seed=seed))).sha256 for seed in (1, 1, 2)]
    assert shas[0] == shas[1] != shas[2]


def test_images_that_are_held_out_by_the_caller_are_never_learnt(pictures: Pictures) -> None:
    collection = pictures()
    held = np.arange(12) < 4
    spoilt = replace(
        collection,
        images=tuple(
            replace(image, pixels=np.roll(image.pixels, 7) if out else image.pixels)
            for image, out in zip(collection.images, held, strict=True)
        ),
    )
    # The held-out images only choose the epoch: with a single one they cannot even do that.
    results = [
        result_of(train_classifier(one, settings(epochs=1), held_out=held)).sha256 for one in (collection, spoilt)
    ]
    assert results[0] == results[1]


def test_stopping_stops_within_a_batch_and_keeps_the_best(pictures: Pictures, tmp_path: Path) -> None:
    job = train_classifier(pictures(), settings(epochs=50), checkpoint=tmp_path / "best.safetensors")
    for event in job:
        if isinstance(event, BatchDone) and event.epoch == 2:
            job.close()
            break
    assert load_classifier(tmp_path / "best.safetensors").classes[1].name == "fine"


def test_a_full_disk_does_not_end_a_training(pictures: Pictures, tmp_path: Path) -> None:
    events = list(train_classifier(pictures(), settings(), checkpoint=tmp_path / "missing" / "best.safetensors"))
    assert any(isinstance(event, Notice) and "could not be saved" in event.message for event in events)
    assert isinstance(events[-1], Finished)


def test_rare_classes_count_as_much_as_frequent_ones() -> None:
    weights = module._class_weights(np.array([0] * 9 + [1]), 2)
    assert weights * [9, 1] == pytest.approx([5, 5])


@pytest.mark.parametrize("architecture", ["mlp", "lenet", "resnet18", "resnet56", "conv-pool", "unet-encoder"])
def test_every_architecture_trains_and_comes_back_from_its_file(
    pictures: Pictures, tmp_path: Path, architecture: str
) -> None:
    found = result_of(train_classifier(pictures(4), settings(architecture=architecture, epochs=1)))
    path = save_classifier(found, tmp_path / "model")
    back = load_classifier(path)
    assert back.sha256 == found.sha256
    assert {**back.info()} == {**found.info()}


def test_what_grey_values_mean_is_kept_with_the_classifier(pictures: Pictures, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    collection = pictures()
    spins = tuple(replace(image, pixels=rng.integers(0, 2, (32, 32), np.uint8)) for image in collection.images)
    found = result_of(train_classifier(replace(collection, images=spins), settings(epochs=1)))
    assert found.limits is not None  # black and white means the same in all of them
    back = load_classifier(save_classifier(found, tmp_path / "spins.safetensors"))
    np.testing.assert_array_equal(back.limits.centre, found.limits.centre)
    assert result_of(train_classifier(collection, settings(epochs=1))).limits is None


# What is refused, and what is told


def test_images_of_different_kinds(pictures: Pictures) -> None:
    grey, colour, many = (pictures(3, channels=channels) for channels in (0, 3, 5))

    def mixed(*parts: Collection) -> Collection:
        return replace(grey, images=tuple(image for part in parts for image in part.images))

    looks = choose_looks(mixed(grey, colour), settings())
    assert looks.view.channels == 1
    assert "6 of 12 images are in colour" in looks.notices[0]
    with pytest.raises(ValueError, match=r"different numbers of channels: 1 \(6 images\), 5 \(6 images\)"):
        choose_looks(mixed(grey, many), settings())
    deep = pictures(3, dtype=np.uint16)
    assert choose_looks(mixed(grey, deep), settings()).view.limits is None
    with pytest.raises(ValueError, match="different depths: uint16, uint8"):
        choose_looks(mixed(grey, deep), settings(same_scale="yes"))


def test_windows_follow_the_images(pictures: Pictures) -> None:
    assert choose_looks(pictures(2, side=200), settings()).view.side == 128
    assert choose_looks(pictures(2, side=50), settings()).view.side == 48
    large = choose_looks(pictures(2, side=1024), settings()).view
    assert (large.side, large.magnification) == (128, 0.5)
    assert choose_looks(pictures(2, side=40), settings(side=64)).view.side == 64


def test_images_of_many_sizes_make_windows_of_one(pictures: Pictures) -> None:
    config = settings(rotation="any")
    images = [np.random.default_rng(0).random((1, *shape)).astype(np.float32) for shape in ((20, 90), (64, 33))]
    batches = endless_batches(images, np.array([0, 1]), 32, config, np.random.default_rng(0), torch.device("cpu"))
    for _ in range(3):
        windows, targets = next(batches)
        assert windows.shape == (4, 1, 32, 32)
        assert set(targets.tolist()) == {0, 1}


def test_what_cannot_be_learnt_is_refused(pictures: Pictures) -> None:
    one_class = replace(pictures(), images=pictures().images[::2])
    with pytest.raises(ValueError, match="All images are of the class 'coarse'"):
        train(one_class)
    with pytest.raises(ValueError, match="There is no model"):
        train(pictures(), architecture="unet-encoder", init="nowhere")


# Transfer


def test_a_segmenter_lends_its_encoder(tmp_path: Path) -> None:
    torch.manual_seed(0)
    classes = tuple(ClassInfo(id=i, name=str(i), colour="#000000") for i in (1, 2))
    unet = UNet(UNetConfig(width=3, depth=3))
    path = save_model(Model(unet, classes), tmp_path / "segmenter.safetensors")
    start = started(settings(architecture="unet-encoder", init=str(path)), 1, 4, 32)
    assert (start.net.config.filters, start.net.config.blocks) == (3, 3)
    own, lent = start.net.state_dict(), unet.state_dict()
    for name in own:
        assert name.startswith("dense") or torch.equal(own[name], lent[name]), name
    assert start.transferred == {name for name, _ in start.net.named_parameters() if not name.startswith("dense")}
    colour = started(settings(architecture="unet-encoder", init=str(path)), 3, 4, 32).net
    grey = torch.randn(2, 1, 16, 16)
    torch.testing.assert_close(
        colour.eval()(grey.expand(2, 3, 16, 16)) - colour.dense.bias,
        _with_head(start.net, colour)(grey) - colour.dense.bias,
        atol=1e-5,
        rtol=1e-4,
    )


def _with_head(net: torch.nn.Module, other: torch.nn.Module) -> torch.nn.Module:
    net.dense.load_state_dict(other.dense.state_dict())
    return net.eval()


def test_the_shipped_encoder_is_the_default() -> None:
    assert started(ClassifierTrainConfig(), 1, 3, 64).transferred
    assert not started(ClassifierTrainConfig(architecture="resnet18"), 1, 3, 64).notice


def test_weights_of_other_programs_and_of_classifiers_transfer(tmp_path: Path) -> None:
    foreign = build_classifier(ClassifierConfig(architecture="resnet18", channels=3, classes=10))
    torch.save(foreign.state_dict(), tmp_path / "imagenet.pth")
    start = started(settings(architecture="resnet18", init=str(tmp_path / "imagenet.pth")), 1, 2, 64)
    own, theirs = start.net.state_dict(), foreign.state_dict()
    torch.testing.assert_close(own["conv1.weight"], theirs["conv1.weight"].sum(dim=1, keepdim=True))
    assert torch.equal(own["layer4.1.conv2.weight"], theirs["layer4.1.conv2.weight"])
    assert "fc.weight" not in start.transferred
    trained = Classifier(start.net, tuple(ClassInfo(id=i, name=str(i), colour="#000000") for i in (0, 1)), 64)
    path = save_classifier(trained, tmp_path / "own.safetensors")
    again = started(settings(architecture="resnet18", init=str(path)), 1, 5, 64)
    assert torch.equal(again.net.state_dict()["conv1.weight"], own["conv1.weight"])
    other = started(settings(architecture="lenet", init=str(path)), 1, 5, 32)
    assert "from scratch" in other.notice


def test_transferred_layers_are_frozen_and_thaw(pictures: Pictures, tmp_path: Path) -> None:
    torch.manual_seed(0)
    classes = tuple(ClassInfo(id=i, name=str(i), colour="#000000") for i in (1, 2))
    unet = UNet(UNetConfig(width=4, depth=2))
    path = save_model(Model(unet, classes), tmp_path / "segmenter.safetensors")
    lent = unet.state_dict()["encoder.0.0.weight"]
    kept = {}
    for thaw in (0.0, 0.5, 1.0):
        changes = {"architecture": "unet-encoder", "init": str(path), "thaw": thaw, "epochs": 2}
        models = [event.model for event in train(pictures(), **changes) if isinstance(event, ClassifierEpoch)]
        kept[thaw] = [model and torch.equal(model.net.state_dict()["encoder.0.0.weight"], lent) for model in models]
    assert kept[0.0][0] is False
    assert kept[0.5][0] is True
    assert False in kept[0.5] or kept[0.5][1] is None
    assert False not in kept[1.0]


# Judging


def test_the_temperature_makes_probabilities_honest() -> None:
    rng = np.random.default_rng(0)
    honest = rng.normal(0, 1.5, (4000, 3)).astype(np.float32)
    drawn = np.array([rng.choice(3, p=row / row.sum()) for row in probabilities(honest).astype(float)])
    for factor in (0.3, 1, 4):
        assert fitted_temperature(honest * factor, drawn) == pytest.approx(factor, rel=0.1)
    sure = np.array([[9, -9]] * 5 + [[-9, 9]] * 5, np.float32)
    found = fitted_temperature(sure, np.array([0] * 5 + [1] * 5))
    assert 0.95 < probabilities(sure, found).max() < 0.9999
    one_wrong = np.array([[9, -9], [9, -9], [-9, 9]], np.float32)
    assert 1 < fitted_temperature(one_wrong, np.zeros(3, np.int64)) < 6  # three images are no proof


def test_cross_validation_judges_every_image_once(pictures: Pictures) -> None:
    collection = pictures(9)
    events = list(cross_validate(collection, settings(epochs=1), 3))
    found = events[-1].result
    assert sorted(found.predictions.names) == sorted(image.name for image in collection.images)
    assert len(found.folds) == 3
    scores = [fold["balanced accuracy"] for fold in found.folds]
    assert found.mean_and_spread("balanced accuracy") == pytest.approx((np.mean(scores), np.std(scores, ddof=1)))
    assert "±" in str(found)
    assert [event.done for event in events if isinstance(event, Progress)] == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="10 folds need"):
        list(cross_validate(collection, settings(epochs=1), 10))


def test_no_micrograph_trains_and_judges(pictures: Pictures) -> None:
    collection = pictures(8)
    shared = tuple(
        replace(image, micrograph=f"m{number // 4}-{image.class_id}") for number, image in enumerate(collection.images)
    )
    collection = replace(collection, images=shared)
    epoch = next(event for event in train(collection) if isinstance(event, ClassifierEpoch))
    held, _ = hold_out(collection, np.random.default_rng(0))
    assert set(epoch.predictions.names) == {
        image.name for image, out in zip(collection.images, held, strict=True) if out
    }
    outside = {image.micrograph for image, out in zip(collection.images, held, strict=True) if not out}
    assert not outside & set(epoch.predictions.micrographs)
