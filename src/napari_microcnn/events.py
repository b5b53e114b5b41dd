"""What long jobs tell while they run: frozen events, the last one `Finished`; and what a training can be told."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    import numpy as np

    from napari_microcnn.config import ClassInfo
    from napari_microcnn.data.annotations import Annotated
    from napari_microcnn.data.scores import Predictions
    from napari_microcnn.models import Classifier, Model

T = TypeVar("T")


@dataclass(frozen=True)
class Event:
    """Base of all events."""


@dataclass(frozen=True)
class Notice(Event):
    """One sentence that the user should read; the job goes on."""

    message: str


@dataclass(frozen=True)
class Alive(Event):
    """Nothing new: a moment within a longer piece of work at which the job can be stopped."""


@dataclass(frozen=True)
class Progress(Event):
    """A step of `total` equal steps is done; `message` names the activity."""

    done: int
    total: int
    message: str = ""


@dataclass(frozen=True)
class FileDone(Event):
    """One of many files is done, was done before, or could not be done.

    Attributes
    ----------
    path : Path
    number, total : int
        Which one, counted from 1, of how many.
    written : tuple of Path
        Its results; none where an earlier run had written them.
    failure : str or None
        Why it could not be done, in a sentence.
    """

    path: Path
    number: int
    total: int
    written: tuple[Path, ...] = ()
    failure: str | None = None


@dataclass(frozen=True, eq=False)
class BatchDone(Event):
    """One optimisation step.

    Attributes
    ----------
    epoch, batch, batches : int
        Counted from 1; `batches` is the number of batches of an epoch.
    loss : float
        Loss of this batch.
    seconds_left : float or None
        Estimate for the whole training.
    """

    epoch: int
    batch: int
    batches: int
    loss: float
    seconds_left: float | None = None


@dataclass(frozen=True)
class Reached:
    """Where a training was when it had its best model, from which another one can go on.

    Attributes
    ----------
    epoch : int
        Epochs that were learnt.
    seconds : float
        What they took.
    score : tuple of float
        Score and negative validation loss that a better model must exceed.
    doubt : float
        By how much less a later score may be, because so little says nothing.
    settling : bool
        Whether what was held out is learnt too, so that nothing can judge the model any more.
    """

    epoch: int
    seconds: float
    score: tuple[float, float]
    doubt: float
    settling: bool


@dataclass(frozen=True, eq=False)
class EpochDone(Event):
    """One epoch with its validation.

    Attributes
    ----------
    epoch : int
        Counted from 1.
    loss, validation_loss : float
        Means over the epoch's batches and over the held-out annotation.
    iou : float
        Mean IoU on the held-out annotation.
    model : Model or None
        A detached copy of the weights when they are the best so far, otherwise None.
    seconds_left : float or None
        Estimate for the whole training.
    iou_spread : float or None
        Standard error of `iou`, from bootstrapping the held-out annotation; None where there is
        too little of it to tell.
    settling : bool
        Whether what was held out is learnt too by now: validation loss and IoU are those from before.
    reached : Reached or None
        From where another training can go on with `model`.
    """

    epoch: int
    loss: float
    validation_loss: float
    iou: float
    model: Model | None = None
    seconds_left: float | None = None
    iou_spread: float | None = None
    settling: bool = False
    reached: Reached | None = None

    @property
    def best(self) -> bool:
        """Whether this epoch is the best so far."""
        return self.model is not None

    @property
    def score(self) -> float:
        """What a training is judged by: the IoU."""
        return self.iou


@dataclass(frozen=True, eq=False)
class ClassifierEpoch(Event):
    """One epoch of a classifier with its validation.

    Attributes
    ----------
    epoch : int
        Counted from 1.
    loss, validation_loss : float
        Means over the epoch's batches and over the images held out.
    score : float
        Balanced accuracy on the images held out.
    predictions : Predictions
        What was predicted for them.
    model : Classifier or None
        A detached copy of the weights when they are the best so far, otherwise None.
    seconds_left : float or None
        Estimate for the whole training.
    settling : bool
        Whether what was held out is learnt too by now: loss and predictions are those from before.
    reached : Reached or None
        From where another training can go on with `model`; None while settling.
    """

    epoch: int
    loss: float
    validation_loss: float
    score: float
    predictions: Predictions
    model: Classifier | None = None
    seconds_left: float | None = None
    settling: bool = False
    reached: Reached | None = None

    @property
    def best(self) -> bool:
        """Whether this epoch is the best so far."""
        return self.model is not None


@dataclass(frozen=True, eq=False)
class PreviewDone(Event):
    """The running training's answer for one region of one training image.

    Attributes
    ----------
    image : int
        Index of the training image.
    region : tuple of slice
        Rows and columns of that image.
    classes : numpy.ndarray
        (Y, X) uint8 class map of the region.
    probability : numpy.ndarray or None
        (Y, X) uint8, 255 = certain, of the class that was asked for, if one was.
    changes : int
        Number of changes of the annotation that the network has learnt from.
    """

    image: int
    region: tuple[slice, slice]
    classes: np.ndarray[Any, Any]
    probability: np.ndarray[Any, Any] | None = None
    changes: int = 0


@dataclass(frozen=True, eq=False)
class TileDone(Event):
    """One tile of a prediction.

    Attributes
    ----------
    done, total : int
        Tiles done so far, and in all.
    plane : tuple of int
        Stack index; empty for a single image.
    region : tuple of slice
        Rows and columns of the plane, in pixels of the input image.
    classes : numpy.ndarray
        (Y, X) uint8 class map of the region.
    seconds_left : float or None
        Estimate for the whole prediction.
    uncertainty : numpy.ndarray or None
        (Y, X) uint8 of the region, where asked for: 0 = sure, 255 = all classes are equally probable.
    """

    done: int
    total: int
    plane: tuple[int, ...]
    region: tuple[slice, slice]
    classes: np.ndarray[Any, Any]
    seconds_left: float | None = None
    uncertainty: np.ndarray[Any, Any] | None = None


@dataclass(frozen=True, eq=False)
class Finished(Event, Generic[T]):
    """The last event of every job."""

    result: T


def score_of(epoch: EpochDone) -> str:
    """Return the IoU of an epoch with its spread, for people.

    Examples
    --------
    >>> score_of(EpochDone(1, 0.5, 0.5, 0.87, iou_spread=0.021))
    '0.870 ± 0.021'
    """
    spread = "" if epoch.iou_spread is None else f" ± {epoch.iou_spread:.3f}"
    return f"{epoch.iou:.3f}{spread}"


@dataclass(frozen=True, eq=False)
class AnnotationChanged:
    """The annotation of a region is another one now.

    Attributes
    ----------
    image : int
        Index of the training image.
    region : tuple of slice
        Rows and columns of that image.
    annotation : numpy.ndarray
        (h, w) integers, the new content of the region.
    """

    image: int
    region: tuple[slice, slice]
    annotation: np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class ImageAdded:
    """There is one image more, with its annotation; its index is the next one."""

    data: Annotated


@dataclass(frozen=True)
class ClassesChanged:
    """The classes are others now: added, renamed, recoloured or removed. A class stays the same by its id."""

    classes: tuple[ClassInfo, ...]


@dataclass(frozen=True)
class ViewChanged:
    """Another part of an image is looked at.

    Attributes
    ----------
    image : int
        Index of the training image.
    region : tuple of slice
        Rows and columns of that image.
    shown : int or None
        Id of the class whose probability is wanted; None where the class map is enough.
    """

    image: int
    region: tuple[slice, slice]
    shown: int | None = None


@dataclass(frozen=True)
class Paused:
    """The training shall wait; its clock stands still."""


@dataclass(frozen=True)
class Resumed:
    """The training shall go on."""


Change = AnnotationChanged | ImageAdded | ClassesChanged | ViewChanged | Paused | Resumed
"""What a running training can be told."""

Job = Generator[Event | Finished[T], None, None]
"""A long job: yields events and ends with ``Finished[T]``. Closing it stops the work."""


def result_of(job: Job[T]) -> T:
    """Run a job to its end and return its result.

    Examples
    --------
    >>> def job():
    ...     yield Progress(1, 1)
    ...     yield Finished("done")
    >>> result_of(job())
    'done'
    """
    for event in job:
        if isinstance(event, Finished):
            return event.result
    raise RuntimeError("The job ended without a result.")
