"""Live teaching: what changes while a network learns, and what it makes of the view meanwhile."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from napari_microcnn.config import ClassInfo
from napari_microcnn.events import (
    Alive,
    AnnotationChanged,
    Change,
    ClassesChanged,
    Event,
    ImageAdded,
    Notice,
    Paused,
    Resumed,
    ViewChanged,
)
from napari_microcnn.models import Model
from napari_microcnn.nets import UNet
from napari_microcnn.train.growing import GrowingData
from napari_microcnn.train.heads import change_optimiser, change_outputs, kept_outputs
from napari_microcnn.train.loop import Lesson, Training
from napari_microcnn.train.preparation import TrainingData, check_classes, in_order, named
from napari_microcnn.train.preview import Preview

__all__ = [
    "AnnotationChanged",
    "Change",
    "ClassesChanged",
    "ImageAdded",
    "LiveTeaching",
    "Paused",
    "Resumed",
    "ViewChanged",
]

FIRST_STEPS = 3
"""Steps before the first preview: about a second, and better than the weights at the start."""

_NAP = 0.05

Teach = Callable[[TrainingData, Sequence[ClassInfo], UNet], Lesson]
"""Makes the lesson of prepared data for some classes and the network that learns them."""


class LiveTeaching:
    """Follows the changes between the steps of a training, and previews the view by the clock.

    Parameters
    ----------
    changes : callable
        Returns the changes since its last call.
    data : GrowingData
    classes : sequence of ClassInfo
    teach : callable
        See `Teach`.
    preview : Preview or None
    dense : bool
        Whether 0 is a class.
    """

    def __init__(
        self,
        changes: Callable[[], Sequence[Change]],
        data: GrowingData,
        classes: Sequence[ClassInfo],
        teach: Teach,
        preview: Preview | None,
        dense: bool,
    ) -> None:
        self._changes, self._data, self._teach, self._preview = changes, data, teach, preview
        self._classes, self._dense = tuple(classes), dense
        self._wanted: tuple[ClassInfo, ...] | None = None
        """Other classes, until two of them are annotated."""
        self._told_waiting: tuple[ClassInfo, ...] | None = None
        self._paused, self._steps = False, 0
        self._taken = self._learnt = 0
        self._told_unlearnt: set[int] = set()

    def unlearnt(self) -> Iterator[Notice]:
        """Tell once of every class that has no stroke yet."""
        fresh = [info for info in self._data.unlearnt if info.id not in self._told_unlearnt]
        self._told_unlearnt |= {info.id for info in fresh}
        if fresh:
            yield Notice(
                f"{named(fresh)} is not learnt yet: nothing is painted with it. Paint a stroke of it at any time."
            )

    def __call__(self, training: Training) -> Iterator[Event]:
        """Take over what has changed and preview; called between two steps."""
        self._steps += 1
        self._learnt = self._taken  # a step was taken since
        yield from self._follow(training)
        while self._paused:
            yield Alive()
            time.sleep(_NAP)
            if self._preview is not None and self._preview.asked:
                yield from self._show(training)
            yield from self._follow(training)
        if self._preview is not None and self._steps >= FIRST_STEPS and self._preview.due:
            yield from self._show(training)

    def _show(self, training: Training) -> Iterator[Event]:
        if self._preview is not None:
            lesson = training.lesson
            net, ids = lesson.ready(training.averaged.net), [info.id for info in self._classes]
            yield from self._preview.predict(net, ids, self._learnt, overview=lesson.overview())

    def _follow(self, training: Training) -> Iterator[Event]:
        learn_again = False
        for change in self._changes():
            try:
                learn_again |= self._take(change, training)
            except ValueError as error:  # the training must not end for what it cannot use
                yield Notice(f"{error} The training goes on without it.")
        if learn_again:
            try:
                yield from self._adopt(training)
                training.learn(self._teach(self._data.prepared(), self._classes, training.net))
            except ValueError as error:
                yield Notice(f"{error} The training goes on with what was there before.")
                return
            training.clock.learn_again()
            training.averaged.forget()
            training.judge_again()
            yield Alive()
            yield from self.unlearnt()

    def _adopt(self, training: Training) -> Iterator[Notice]:
        """Take over the classes that are wanted, as soon as two of them are annotated: until then the old ones stay."""
        if (wanted := self._wanted) is None:
            return
        self._data.set_classes(wanted)
        try:
            self._data.prepared()
        except ValueError as error:
            self._data.set_classes(self._classes)
            if self._told_waiting is not wanted:
                self._told_waiting = wanted
                yield Notice(f"{error} Until then the training goes on with the classes that were there before.")
            return
        self._change_classes(wanted, training)
        self._wanted = None

    def _take(self, change: Change, training: Training) -> bool:
        """Take over one change; return whether there is something else to learn now."""
        if isinstance(change, AnnotationChanged):
            self._data.change(change)
            self._taken += 1
            return True
        if isinstance(change, ImageAdded):
            self._data.add(change.data)
            self._taken += 1
            return True
        if isinstance(change, ClassesChanged):
            check_classes(change.classes, self._dense)
            self._wanted = in_order(change.classes)
            return True
        if isinstance(change, ViewChanged):
            if not self._data.usable(change.image):
                return False
            if self._preview is None:
                self._preview = Preview(self._data.images, change)
            else:
                self._preview.look_at(self._data.images, change)
            return False
        self._paused = isinstance(change, Paused)
        if self._paused:
            training.clock.pause()
        else:
            training.clock.resume()
        return False

    def _change_classes(self, classes: tuple[ClassInfo, ...], training: Training) -> None:
        before, after = [info.id for info in self._classes], [info.id for info in classes]
        outputs = kept_outputs(before, after)
        self._classes = classes
        if before != after:
            if training.best is not None:  # those who were told of it keep it as it is
                training.best = replace(training.best, net=copy.deepcopy(training.best.net))
            nets = [training.net, training.averaged.net, *([training.best.net] if training.best else [])]
            for net in {id(net): net for net in nets}.values():  # without averaging the first two are one
                replaced = change_outputs(net, outputs, seed=len(after))
                if net is training.net:
                    change_optimiser(training.optimiser, replaced, outputs)
        if training.best is not None:
            training.best = _with_classes(training.best, classes)


def _with_classes(model: Model, classes: tuple[ClassInfo, ...]) -> Model:
    """Return the model with other classes, for a network that has as many outputs already."""
    rule = model.objects
    objects = rule if rule is not None and any(info.id == rule.class_id for info in classes) else None
    return replace(model, classes=classes, objects=objects)
