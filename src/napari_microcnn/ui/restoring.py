"""Bringing back what was kept: strokes into a layer, as one step that can be undone, and the rest into the dock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from napari.layers import Labels

from napari_microcnn.config import ClassInfo, TrainConfig
from napari_microcnn.io.blocks import At, block_starts, region_of
from napari_microcnn.io.sessions import Found
from napari_microcnn.ui.models import read_model_file
from napari_microcnn.ui.pairing import FilePair

if TYPE_CHECKING:
    from napari_microcnn.ui.annotate import AnnotateDock

Mine = Literal["ask", "keep", "replace"]
Array = np.ndarray[Any, Any]


def is_untouched(labels: Labels, original: Array | None) -> bool:
    """Return whether nothing was painted since an annotation was opened; `original` as for `merge`."""
    now = np.asarray(labels.data)
    return not now.any() if original is None else np.array_equal(now, original)


def merge(labels: Labels, found: Found, original: Array | None, mine: Mine) -> tuple[int, Callable[[], None]]:
    """Prepare to put kept strokes into an annotation; what was painted since it was opened stays.

    Parameters
    ----------
    labels : Labels
        Of the shape of `found`.
    found : Found
    original : numpy.ndarray or None
        The annotation as it was when it was opened; None: empty.
    mine : {"ask", "keep", "replace"}
        What becomes of pixels that were painted since, where `found` has another class.

    Returns
    -------
    int
        Number of those pixels.
    callable
        Does it, as one step that can be undone.

    Raises
    ------
    ReadError
        If the session is damaged.
    """
    contradictions = 0
    changes: list[tuple[At, Array, Array]] = []
    for at in found.blocks if original is None else block_starts(found.shape):
        region = region_of(at, found.shape)
        now = np.asarray(labels.data[region])
        before = np.zeros_like(now) if original is None else original[region].astype(now.dtype)
        kept = found.pixels(at).astype(now.dtype) if at in found.blocks else np.zeros_like(now)
        disputed = (now != before) & (kept != before) & (now != kept)
        contradictions += int(np.count_nonzero(disputed))
        taken = (kept != now) & ((now == before) | (disputed if mine == "replace" else False))
        if taken.any():
            changes.append((at, taken, kept))
    return contradictions, lambda: _apply(labels, changes)


def _apply(labels: Labels, changes: list[tuple[At, Array, Array]]) -> None:
    with labels.block_history():
        for at, taken, kept in changes:
            indices = tuple(index + start for index, start in zip(np.nonzero(taken), at, strict=True))
            labels.data_setitem(indices, kept[taken], refresh=False)
    labels.refresh()


def state_of(dock: AnnotateDock) -> dict[str, Any]:
    """Return classes, settings, best model and pairs of files of a dock, as JSON can hold them."""
    try:
        settings = dock.settings().model_dump(mode="json")
    except ValueError:  # a text that is half typed
        settings = {}
    model = dock.best_model
    classes = [info.model_dump(mode="json") for info in dock.classes.classes]
    models = {"model": model.path if model else None, "training": dock.training_file}
    pairs = [[str(pair.image), str(pair.labels), pair.validation] for pair in dock.pairs.files]
    names = {name: path and str(path) for name, path in models.items()}
    return {"classes": classes, "settings": settings, **names, "pairs": pairs}


def show_state(dock: AnnotateDock, state: Mapping[str, Any], alone: bool) -> list[str]:
    """Bring back classes, settings, model and pairs of files; those that the user has chosen meanwhile stay.

    Parameters
    ----------
    dock : AnnotateDock
    state : mapping
        As `state_of` returned it, perhaps in another version.
    alone : bool
        Whether nothing was annotated in the dock before.

    Returns
    -------
    list of str
        Sentences on what could not be brought back.
    """
    return list(_show_state(dock, state, alone))


def _show_state(dock: AnnotateDock, state: Mapping[str, Any], alone: bool) -> Iterator[str]:
    try:
        classes = [ClassInfo.model_validate(entry) for entry in state.get("classes", ())]
    except (ValueError, TypeError):
        yield "Their classes cannot be read."
    else:
        _show_classes(dock, classes, alone)
    try:
        settings = TrainConfig.model_validate(state.get("settings") or {})
    except ValueError:
        yield "The settings are of another version and were left as they are."
    else:
        if alone and state.get("settings"):
            _show_settings(dock, settings)
    if dock.best_model is None:
        yield from _show_model(dock, state.get("model"), state.get("training"))
    yield from _show_files(dock, state.get("pairs") or ())


def _show_files(dock: AnnotateDock, kept: Sequence[Any]) -> Iterator[str]:
    """Bring back the pairs of files that are still there."""
    try:
        pairs = [FilePair(Path(image), Path(labels), bool(marked)) for image, labels, marked in kept]
    except (ValueError, TypeError):
        yield "Their pairs of files cannot be read."
        return
    listed = {pair.image for pair in dock.pairs.files}
    there = [pair for pair in pairs if pair.image.is_file() and pair.labels.is_file()]
    if new := [pair for pair in there if pair.image not in listed]:
        dock.pairs.add_files(new)
    if lost := len(pairs) - len(there):
        yield f"{lost} of their pairs of files are not there any more."


def _show_model(dock: AnnotateDock, *files: str | None) -> Iterator[str]:
    """Bring back the model that was being trained, or else the one before; the first is older."""
    named = [Path(str(file)) for file in files if file]
    for path in reversed(named):
        try:
            dock.model = read_model_file(path)
        except ValueError:  # stopped before its first epoch, moved, or on a drive that is not there
            continue
        dock.session.add(dock.model)
        dock.set_running(dock.job is not None)
        return
    if files[0]:
        yield f"Their model {Path(str(files[0])).stem!r} is not there any more."


def _show_classes(dock: AnnotateDock, classes: list[ClassInfo], alone: bool) -> None:
    now = dock.classes.classes
    here, kept = {info.id for info in now}, {info.id for info in classes}
    if alone and classes:
        own = (info for info in now if info.id not in kept and info.name != f"class {info.id}")
        dock.classes.set_classes([*classes, *own])
    elif kept - here:
        dock.classes.set_classes([*now, *(info for info in classes if info.id not in here)])


def _show_settings(dock: AnnotateDock, settings: TrainConfig) -> None:
    dock.form.set_value(settings)
    dock.advanced.set_value(settings)
    dock.preset.set_value(settings.preset, settings.focus)
    if settings.init is None:
        dock.init.setCurrentIndex(dock.init.findText("from scratch"))
    else:
        dock.init.choose(settings.init)
