"""Live teaching: what changes while the network learns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from napari_microcnn.config import ClassInfo, TrainConfig, UNetConfig
from napari_microcnn.data import Annotated
from napari_microcnn.events import Alive, BatchDone, EpochDone, Event, Finished, Notice, PreviewDone
from napari_microcnn.models import Model
from napari_microcnn.nets import UNet
from napari_microcnn.train import segmenter, train_segmenter
from napari_microcnn.train.heads import change_optimiser, change_outputs
from napari_microcnn.train.live import (
    AnnotationChanged,
    Change,
    ClassesChanged,
    ImageAdded,
    Paused,
    Resumed,
    ViewChanged,
)

DARK = ClassInfo(id=1, name="dark", colour="#0072b2")
BRIGHT = ClassInfo(id=2, name="bright", colour="#e69f00")
GREY = ClassInfo(id=3, name="grey", colour="#009e73")
TINY: dict[str, Any] = {
    **{"minutes": None, "epochs": 6, "init": None, "patch": 32, "batch": 4, "width": 4, "depth": 2, "device": "cpu"},
    "learning_rate": 0.02,
}
VIEW = (slice(0, 96), slice(0, 96))


def picture() -> np.ndarray:
    """Return three stripes: dark, bright, grey."""
    noise = np.random.default_rng(0).normal(0, 5, (96, 96))
    return (np.repeat([60, 200, 130], 32)[None, :] + noise).clip(0, 255).astype(np.uint8)


def strokes(*classes: int, rows: slice = slice(10, 86)) -> np.ndarray:
    """Return strokes along the middle of the stripes of some classes."""
    annotation = np.zeros((96, 96), np.uint8)
    for number, left in ((1, 14), (2, 46), (3, 78)):
        if number in classes:
            annotation[rows, left : left + 4] = number
    return annotation


def annotated(*classes: int, **more: Any) -> Annotated:
    return Annotated(picture(), strokes(*classes), **more)


class Teaching:
    """A live training; changes are told when a batch is done."""

    def __init__(
        self,
        data: Sequence[Annotated],
        classes: Sequence[ClassInfo],
        told: dict[tuple[int, int], Sequence[Change]],
        preview: bool = True,
        **changes: Any,
    ) -> None:
        self._waiting: list[Change] = []
        self.events: list[Event] = []
        job = train_segmenter(
            data,
            classes,
            TrainConfig(**(TINY | changes)),
            preview=(0, VIEW) if preview else None,
            changes=self._changes,
        )
        for event in job:
            self.events.append(event)
            if isinstance(event, BatchDone):
                self._waiting += told.get((event.epoch, event.batch), [])

    def _changes(self) -> list[Change]:
        waiting, self._waiting = self._waiting, []
        return waiting

    def only(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def notices(self) -> list[str]:
        return [event.message for event in self.only(Notice)]

    @property
    def model(self) -> Model:
        last = self.events[-1]
        assert isinstance(last, Finished)
        return last.result


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmenter, "STEPS_PER_EPOCH", 8)


def answer(model: Model) -> np.ndarray:
    """Return the class in the middle of every stripe."""
    from napari_microcnn.data import intensity_limits, normalise

    images = torch.from_numpy(normalise(picture(), intensity_limits(picture())))[None]
    indices = model.net(images)[0].argmax(0).numpy()
    ids = np.array([info.id for info in model.classes])[indices]
    return np.array([np.bincount(ids[20:76, left : left + 16].ravel()).argmax() for left in (8, 40, 72)])


def stroke_of(number: int) -> AnnotationChanged:
    region = np.s_[10:86, 60:96]
    return AnnotationChanged(0, region, strokes(number)[region])


def test_a_class_without_a_stroke_is_learnt_as_soon_as_it_has_one() -> None:
    without = Teaching([annotated(1, 2)], (DARK, BRIGHT, GREY), {})
    assert answer(without.model)[:2].tolist() == [1, 2]
    assert [notice for notice in without.notices if "not learnt yet" in notice] == [
        "'grey' is not learnt yet: nothing is painted with it. Paint a stroke of it at any time."
    ]
    painted = Teaching(
        [annotated(1, 2)], (DARK, BRIGHT, GREY), {(2, 1): [stroke_of(3)]}, epochs=18, width=8, learning_rate=0.01
    )
    assert answer(painted.model).tolist() == [1, 2, 3]


def test_classes_come_and_go_and_keep_what_they_have_learnt() -> None:
    told = {(6, 8): [ClassesChanged((BRIGHT, DARK, GREY))]}
    added = Teaching([annotated(1, 2)], (DARK, BRIGHT), told, epochs=7, learning_rate=0.01)
    assert added.model.classes == (DARK, BRIGHT, GREY)
    assert answer(added.model)[:2].tolist() == [1, 2]
    assert 3 not in answer(added.model)  # nothing was painted with it
    assert any("'grey' is not learnt yet" in notice for notice in added.notices)

    crack = GREY.model_copy(update={"name": "crack", "colour": "#ff0000"})
    told = {(1, 2): [ClassesChanged((DARK, BRIGHT, crack))], (4, 1): [ClassesChanged((DARK, crack))]}
    fewer = Teaching([annotated(1, 2, 3)], (DARK, BRIGHT, GREY), told)
    assert fewer.model.classes == (DARK, crack)
    assert fewer.model.config.classes == 2
    assert answer(fewer.model)[[0, 2]].tolist() == [1, 3]


def test_one_class_alone_is_refused_and_the_training_goes_on() -> None:
    teaching = Teaching([annotated(1, 2)], (DARK, BRIGHT), {(1, 1): [ClassesChanged((DARK,))]}, epochs=2)
    assert any("at least two classes" in notice for notice in teaching.notices)
    assert teaching.model.classes == (DARK, BRIGHT)


def test_classes_wait_until_two_of_them_are_annotated() -> None:
    bright = AnnotationChanged(0, np.s_[10:86, 40:60], strokes(2)[10:86, 40:60])
    told = {(1, 2): [ClassesChanged((BRIGHT, GREY))], (4, 1): [bright]}
    teaching = Teaching([annotated(1, 3)], (DARK, BRIGHT, GREY), told, epochs=20, width=8, learning_rate=0.01)
    waiting = [notice for notice in teaching.notices if "Until then" in notice]
    assert len(waiting) == 1
    assert teaching.model.classes == (BRIGHT, GREY)
    assert answer(teaching.model)[1:].tolist() == [2, 3]


@pytest.mark.parametrize(("focus", "change", "about"), [(2, (DARK, GREY), 3), (None, (DARK, BRIGHT, GREY), 2)])
def test_a_preset_stays_about_the_same_class_while_it_is_there(
    focus: int | None, change: tuple[ClassInfo, ...], about: int
) -> None:
    classes = (DARK, BRIGHT, GREY) if focus else (DARK, BRIGHT)
    told = {(1, 2): [ClassesChanged(change)]}
    teaching = Teaching(
        [annotated(*(info.id for info in classes))], classes, told, epochs=2, preset="thin", focus=focus
    )
    assert teaching.model.classes == change
    assert teaching.model.objects is not None
    assert teaching.model.objects.class_id == about


def test_models_told_earlier_keep_their_classes() -> None:
    teaching = Teaching([annotated(1, 2)], (DARK, BRIGHT), {(3, 1): [ClassesChanged((DARK, BRIGHT, GREY))]})
    models = [epoch.model for epoch in teaching.only(EpochDone) if epoch.model is not None]
    assert models[0].config.classes == len(models[0].classes) == models[0].net.head.out_channels == 2
    assert teaching.model.config.classes == teaching.model.net.head.out_channels == 3


def test_the_optimiser_knows_replaced_outputs() -> None:
    net = UNet(UNetConfig(width=4, depth=1))
    optimiser = torch.optim.AdamW(net.parameters(), lr=0.1)
    net(torch.randn(1, 1, 16, 16)).square().sum().backward()
    optimiser.step()
    before = net.head.weight.detach().clone()
    known = optimiser.state[net.head.weight]["exp_avg"].clone()
    change_optimiser(optimiser, change_outputs(net, [1, None], seed=0), [1, None])
    assert torch.equal(net.head.weight[0], before[1])
    state = optimiser.state[net.head.weight]
    assert torch.equal(state["exp_avg"][0], known[1])
    assert not state["exp_avg"][1].any()
    optimiser.zero_grad()
    net(torch.randn(1, 1, 16, 16)).square().sum().backward()
    optimiser.step()
    assert not torch.equal(net.head.weight[0], before[1])
    assert len(optimiser.state) == len(list(net.parameters()))


def test_images_join() -> None:
    one = Annotated(picture(), strokes(1, 2), "first")
    told = {(1, 2): [ImageAdded(annotated(3, name="second"))], (1, 4): [ViewChanged(1, VIEW)]}
    teaching = Teaching([one], (DARK, BRIGHT, GREY), told, epochs=30)
    assert answer(teaching.model).tolist() == [1, 2, 3]
    assert teaching.only(PreviewDone)[-1].image == 1
    assert teaching.model.provenance["images"] == ["first", "second"]


def test_images_that_do_not_fit_are_refused_and_the_training_goes_on() -> None:
    coloured = Annotated(np.stack([picture()] * 3, -1), strokes(3))
    told = {(1, 1): [ImageAdded(coloured)], (1, 2): [AnnotationChanged(5, VIEW, strokes(1)), ViewChanged(1, VIEW)]}
    teaching = Teaching([annotated(1, 2)], (DARK, BRIGHT), told, epochs=2)
    assert any("same number of channels" in notice for notice in teaching.notices)
    assert any("no usable training image 5" in notice for notice in teaching.notices)


def test_the_view_is_previewed_before_the_first_validation_and_follows() -> None:
    told = {(1, 5): [ViewChanged(0, (slice(0, 40), slice(10, 70)), shown=2)]}
    teaching = Teaching([annotated(1, 2)], (DARK, BRIGHT), told, epochs=8)
    kinds = [type(event) for event in teaching.events]
    assert kinds.index(PreviewDone) < kinds.index(EpochDone)
    first, *_, last = teaching.only(PreviewDone)
    assert first.probability is None
    assert first.region == VIEW
    assert last.region == (slice(0, 40), slice(10, 70))
    assert last.probability.shape == last.classes.shape == (40, 60)
    assert last.probability.dtype == np.uint8
    sure = abs(last.probability.astype(int) - 127.5) > 1  # nearer to one half the rounding decides
    np.testing.assert_array_equal((last.probability > 127)[sure], (last.classes == 2)[sure])


def test_a_preview_says_what_it_has_learnt() -> None:
    told = {(1, 4): [stroke_of(3), ViewChanged(0, VIEW)], (1, 6): [ViewChanged(0, VIEW)]}
    teaching = Teaching([annotated(1, 2)], (DARK, BRIGHT, GREY), told)
    places = [(type(event), getattr(event, "changes", 0)) for event in teaching.events]
    at_once = next(change for kind, change in places[places.index((BatchDone, 0)) :] if kind is PreviewDone)
    assert at_once == 0
    assert teaching.only(PreviewDone)[-1].changes == 1


def test_while_paused_nothing_is_learnt_but_the_view_is_shown() -> None:
    naps = 0

    def changes() -> list[Change]:
        nonlocal naps
        naps += 1
        script: dict[int, Change] = {2: Paused(), 4: ViewChanged(0, (slice(0, 9), slice(0, 9))), 7: Resumed()}
        return [script[naps]] if naps in script else []

    job = train_segmenter([annotated(1, 2)], (DARK, BRIGHT), TrainConfig(**(TINY | {"epochs": 1})), changes=changes)
    events = list(job)
    second = [index for index, event in enumerate(events) if isinstance(event, BatchDone)][1]
    third = [index for index, event in enumerate(events) if isinstance(event, BatchDone)][2]
    between = events[second + 1 : third]
    assert [type(event) for event in between].count(Alive) >= 4
    assert [event.region for event in between if isinstance(event, PreviewDone)] == [(slice(0, 9), slice(0, 9))]
    assert isinstance(events[-1], Finished)


def test_a_late_stroke_gets_time_and_a_higher_rate() -> None:
    short = Teaching([annotated(1, 2)], (DARK, BRIGHT), {}, epochs=3)
    longer = Teaching([annotated(1, 2)], (DARK, BRIGHT), {(3, 8): [stroke_of(2)]}, epochs=3)
    assert len(short.only(EpochDone)) == 3
    assert len(longer.only(EpochDone)) == 6  # as much again as the whole limit, where that is short


def test_the_best_is_judged_again_on_what_is_held_out_now() -> None:
    """A correction that says the opposite makes earlier epochs bad, however good they once looked."""
    opposite = AnnotationChanged(0, VIEW, np.where(strokes(1, 2), 3 - strokes(1, 2), 0))
    teaching = Teaching([annotated(1, 2)], (DARK, BRIGHT), {(8, 8): [opposite]}, epochs=40)
    assert answer(teaching.model)[:2].tolist() == [2, 1]
    assert max(epoch.iou for epoch in teaching.only(EpochDone)[:8]) > 0.9


def test_erased_annotation_does_not_end_the_training() -> None:
    nothing = AnnotationChanged(0, VIEW, np.zeros((96, 96), np.uint8))
    teaching = Teaching([annotated(1, 2)], (DARK, BRIGHT), {(1, 1): [nothing]}, epochs=2)
    assert any("Fewer than two classes" in notice for notice in teaching.notices)
    assert teaching.model.classes == (DARK, BRIGHT)


def test_closing_in_the_middle_of_a_preview() -> None:
    job = train_segmenter([annotated(1, 2)], (DARK, BRIGHT), TrainConfig(**TINY), preview=(0, VIEW), changes=list)
    assert any(isinstance(event, Alive) for event in job)
    job.close()
    with pytest.raises(StopIteration):
        next(job)
