"""Strokes are found again by the content of their image, wherever it went, and offered for no other."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest

from napari_microcnn.io import blocks, sessions
from napari_microcnn.io.atomic import WriteError
from napari_microcnn.io.blocks import content_key
from napari_microcnn.io.errors import ReadError
from napari_microcnn.io.journal import Journal, Record
from napari_microcnn.io.recorder import Recorder

STATE = {"classes": [{"id": 1, "name": "grain", "colour": "#e69f00"}], "model": None}


@pytest.fixture(autouse=True)
def _user_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(sessions.SESSIONS_VARIABLE, str(tmp_path / "user"))


@pytest.fixture
def pixels() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 255, (600, 700), np.uint8)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "pictures" / "steel.tif"
    path.parent.mkdir()
    path.write_bytes(b"the file itself is not looked at")
    return path


def painted(shape: tuple[int, ...] = (600, 700)) -> np.ndarray[Any, Any]:
    annotation = np.zeros(shape, np.uint8)
    annotation[..., 300:310, 20:90] = 1
    annotation[..., 590:600, 680:700] = 2
    return annotation


def restored(found: sessions.Found) -> np.ndarray[Any, Any]:
    annotation = np.zeros(found.shape, np.uint8)
    for at in found.blocks:
        annotation[blocks.region_of(at, found.shape)] = found.pixels(at)
    return annotation


def keep(pixels: Any, image: Path | None, annotation: Any) -> Recorder:
    recorder = Recorder(lambda: content_key(pixels), "steel", image, saved=False)
    recorder.look(annotation, STATE)
    return recorder


def close(recorder: Recorder) -> None:
    """Let go of a session, as a process that has ended does."""
    recorder.journal = None


def found(pixels: Any, image: Path | None) -> list[sessions.Found]:
    return sessions.find(content_key(pixels), image)[0]


def test_strokes_and_state_come_back(pixels: np.ndarray, image: Path) -> None:
    annotation = painted()
    recorder = keep(pixels, image, annotation)
    assert recorder.journal.path == image.with_name("steel.tif.microcnn")
    annotation[5:20, 5:20] = 3
    annotation[300:310, 20:90] = 0
    recorder.look(annotation, {**STATE, "model": "/models/steel 1.safetensors"})
    close(recorder)
    (session,) = found(pixels, image)
    np.testing.assert_array_equal(restored(session), annotation)
    assert session.state == {**STATE, "model": "/models/steel 1.safetensors"}
    assert session.name == "steel"


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.int32, np.int64, np.uint64, ">i4"])
def test_every_dtype_of_labels_comes_back(pixels: np.ndarray, image: Path, dtype: Any) -> None:
    annotation = painted().astype(dtype)
    close(keep(pixels, image, annotation))
    np.testing.assert_array_equal(restored(found(pixels, image)[0]), annotation.astype(np.uint8))


def test_stacks_come_back(image: Path) -> None:
    pixels = np.zeros((3, 600, 700), np.uint8)
    annotation = painted(pixels.shape)
    annotation[1] = 0
    close(keep(pixels, image, annotation))
    (session,) = found(pixels, image)
    assert {at[0] for at in session.blocks} == {0, 2}
    np.testing.assert_array_equal(restored(session), annotation)


def test_nothing_is_written_without_a_change(pixels: np.ndarray, image: Path) -> None:
    recorder = keep(pixels, image, np.zeros((600, 700), np.uint8))
    assert recorder.journal is None
    annotation = painted()
    recorder = keep(pixels, image, annotation)
    assert recorder.look(annotation, STATE) == 0


def test_an_annotation_that_was_read_is_kept_from_the_first_change(pixels: np.ndarray, image: Path) -> None:
    annotation = painted()
    recorder = Recorder(lambda: content_key(pixels), "steel", image, saved=True)
    assert recorder.look(annotation, STATE) == 0
    np.testing.assert_array_equal(recorder.original, annotation)
    annotation[0, 0] = 1
    assert recorder.look(annotation, STATE) > 0
    close(recorder)
    np.testing.assert_array_equal(restored(found(pixels, image)[0]), annotation)


def test_bytes_are_in_proportion_to_the_change(pixels: np.ndarray) -> None:
    annotation = np.random.default_rng(1).integers(0, 3, (2048, 2048)).astype(np.uint8)
    recorder = keep(pixels, None, annotation)
    whole = recorder.journal.written
    annotation[700, 700] = 3
    small = recorder.look(annotation, STATE)
    annotation[:512, :512] = 3
    large = recorder.look(annotation, STATE)
    assert small < whole / 40
    assert large < whole / 15


def test_a_moved_and_renamed_image_finds_its_strokes(pixels: np.ndarray, image: Path, tmp_path: Path) -> None:
    close(keep(pixels, image, painted()))
    moved = tmp_path / "elsewhere" / "ferrite.tif"
    moved.parent.mkdir()
    image.rename(moved)
    np.testing.assert_array_equal(restored(found(pixels, moved)[0]), painted())


def test_a_moved_folder_finds_its_strokes(
    pixels: np.ndarray, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close(keep(pixels, image, painted()))
    shutil.move(image.parent, tmp_path / "archive")
    monkeypatch.setenv(sessions.SESSIONS_VARIABLE, str(tmp_path / "another computer"))
    renamed = (tmp_path / "archive" / "steel.tif").rename(tmp_path / "archive" / "new name.tif")
    assert sessions.any_kept(renamed)
    assert len(found(pixels, renamed)) == 1


def test_another_image_of_the_same_name_is_offered_nothing(pixels: np.ndarray, image: Path) -> None:
    close(keep(pixels, image, painted()))
    other = pixels.copy()
    other[299, 300] ^= 1
    assert found(other, image) == []
    close(keep(other, image, painted() * 2))
    np.testing.assert_array_equal(restored(found(pixels, image)[0]), painted())
    np.testing.assert_array_equal(restored(found(other, image)[0]), painted() * 2)


def test_where_nothing_can_be_written_beside_the_image_the_users_folder_is_taken(
    pixels: np.ndarray, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = Path.open

    def only_read(self: Path, mode: str = "r", *args: Any, **more: Any) -> Any:
        if self.parent == image.parent and mode != "rb":
            raise OSError(30, "Read-only file system")
        return really(self, mode, *args, **more)

    monkeypatch.setattr(Path, "open", only_read)
    recorder = keep(pixels, image, painted())
    assert recorder.journal.path.parent == tmp_path / "user"
    close(recorder)
    assert [path.name for path in image.parent.iterdir()] == ["steel.tif"]
    np.testing.assert_array_equal(restored(found(pixels, image)[0]), painted())


def test_an_image_that_is_no_file_is_kept_in_the_users_folder(pixels: np.ndarray, tmp_path: Path) -> None:
    recorder = keep(pixels, None, painted())
    assert recorder.journal.path.parent == tmp_path / "user"
    close(recorder)
    assert len(found(pixels, None)) == 1


def test_a_place_that_goes_away_is_replaced_by_the_users_folder(
    pixels: np.ndarray, image: Path, tmp_path: Path
) -> None:
    annotation = painted()
    recorder = keep(pixels, image, annotation)
    shutil.rmtree(image.parent)
    annotation[0, :50] = 1
    recorder.look(annotation, STATE)
    assert recorder.journal.path.parent == tmp_path / "user"
    close(recorder)
    np.testing.assert_array_equal(restored(found(pixels, None)[0]), annotation)


def test_what_cannot_be_written_now_is_written_later(pixels: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "user").write_text("in the way")
    recorder = Recorder(lambda: content_key(pixels), "steel", None, saved=False)
    with pytest.raises(WriteError, match="could not be created"):
        recorder.look(painted(), STATE)
    (tmp_path / "user").unlink()
    recorder.look(painted(), STATE)
    close(recorder)
    np.testing.assert_array_equal(restored(found(pixels, None)[0]), painted())


def test_a_torn_session_gives_back_what_is_whole(pixels: np.ndarray, image: Path) -> None:
    annotation = painted()
    recorder = keep(pixels, image, annotation)
    size = recorder.journal.path.stat().st_size
    recorder.look(annotation + 1, STATE)
    os.truncate(recorder.journal.path, size + 30)
    close(recorder)
    np.testing.assert_array_equal(restored(found(pixels, image)[0]), annotation)


def test_a_session_that_was_only_just_begun_is_nothing_to_tell(pixels: np.ndarray, image: Path) -> None:
    image.with_name("steel.tif.microcnn").touch()  # killed between the making of the file and its first byte
    close(keep(pixels, image, painted()))
    offered, troubles = sessions.find(content_key(pixels), image)
    assert [one.path.name for one in offered] == ["steel.tif 2.microcnn"]
    assert troubles == []


def test_a_foreign_file_is_told_and_left(pixels: np.ndarray, image: Path) -> None:
    foreign = image.with_name("steel.tif.microcnn")
    foreign.write_text("a letter")
    recorder = keep(pixels, image, painted())
    assert recorder.journal.path.name == "steel.tif 2.microcnn"
    close(recorder)
    offered, troubles = sessions.find(content_key(pixels), image)
    assert len(offered) == 1
    assert troubles == ["steel.tif.microcnn is not a session of this program, or is damaged; it is left as it is."]
    assert foreign.read_text() == "a letter"


@pytest.mark.parametrize(
    "head",
    [
        {"at": [0, 4096], "dtype": "|u1"},
        {"at": [0], "dtype": "|u1"},
        {"at": [0, 0], "dtype": "|O"},
        {"at": [0, 0], "dtype": "nonsense"},
        {"dtype": "|u1"},
        {"at": [0, 0], "dtype": "<i8"},
    ],
)
def test_blocks_that_make_no_sense_are_refused(pixels: np.ndarray, image: Path, head: dict[str, Any]) -> None:
    recorder = keep(pixels, image, painted())
    bad = Record({"name": "block bad", **head}, zlib.compress(bytes(256 * 256)))
    recorder.journal.append([bad])
    close(recorder)
    offered, troubles = sessions.find(content_key(pixels), image)
    assert offered == []
    assert len(troubles) == 1


def test_a_block_that_grows_without_end_is_refused(pixels: np.ndarray, image: Path) -> None:
    recorder = keep(pixels, image, painted())
    head = {"name": "block 0 0", "at": [0, 0], "dtype": "|u1"}
    recorder.journal.append([Record(head, zlib.compress(bytes(50 << 20)))])
    session = sessions.read_session(image.with_name("steel.tif.microcnn"), "another")
    assert session is None
    close(recorder)
    session = sessions.read_session(image.with_name("steel.tif.microcnn"), content_key(pixels))
    with pytest.raises(ReadError, match="damaged"):
        session.pixels((0, 0))


@pytest.mark.parametrize("about", [{}, {"key": 5, "writer": {}}, {"key": "k", "writer": "me", "shape": [1]}])
def test_a_session_without_its_head_is_refused(tmp_path: Path, about: dict[str, Any]) -> None:
    journal = Journal(tmp_path / "a.microcnn", [Record({"name": "session", **about})])
    if about.get("key") == 5:
        assert sessions.read_session(journal.path, "k") is None
        return
    with pytest.raises(ReadError, match="left as it is"):
        sessions.read_session(journal.path, "k")


def test_what_is_being_written_here_is_not_offered(pixels: np.ndarray, image: Path) -> None:
    recorder = keep(pixels, image, painted())
    assert found(pixels, image) == []
    second = keep(pixels, image, painted())
    assert second.journal.path != recorder.journal.path
    close(recorder)
    assert len(found(pixels, image)) == 1


_WRITER = """
import sys
from pathlib import Path
import numpy as np
from napari_microcnn.io.recorder import Recorder
annotation = np.ones((600, 700), np.uint8)
recorder = Recorder(lambda: sys.argv[1], "steel", Path(sys.argv[2]), False)
recorder.look(annotation, {})
print("written", flush=True)
sys.stdin.read()
"""


def test_what_another_window_writes_is_offered_when_it_is_gone(pixels: np.ndarray, image: Path) -> None:
    key = content_key(pixels)
    command = [sys.executable, "-c", _WRITER, key, str(image)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "written\n"
        assert sessions.find(key, image) == ([], [])
        other.kill()
        other.wait()
        assert len(sessions.find(key, image)[0]) == 1


def test_an_erased_annotation_is_not_offered(pixels: np.ndarray, image: Path) -> None:
    annotation = painted()
    recorder = keep(pixels, image, annotation)
    recorder.look(np.zeros_like(annotation), STATE)
    close(recorder)
    assert found(pixels, image) == []


def test_the_newest_is_offered_first(pixels: np.ndarray, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (1, 2):
        close(keep(pixels, image, painted() * value))
    first, second = found(pixels, image)
    assert first.time >= second.time


def test_what_is_put_away_can_be_got_back(pixels: np.ndarray, image: Path, tmp_path: Path) -> None:
    close(keep(pixels, image, painted()))
    sessions.put_away(found(pixels, image)[0])
    assert found(pixels, image) == []
    assert list((tmp_path / "user" / "index").iterdir()) == []
    (away,) = (tmp_path / "user" / "discarded").iterdir()
    away.rename(image.with_name("back.microcnn"))
    np.testing.assert_array_equal(restored(found(pixels, image)[0]), painted())


def test_the_key_is_that_of_the_content(pixels: np.ndarray) -> None:
    key = content_key(pixels)
    assert content_key(da.from_array(pixels, chunks=100)) == key
    assert content_key(np.asfortranarray(pixels)) == key
    assert content_key(pixels.astype(np.int16)) != key
    assert content_key(pixels.astype(">u2")) == content_key(pixels.astype("<u2"))
    assert content_key(pixels.reshape(700, 600)) != key


def test_a_large_lazy_image_is_read_in_a_few_places_only() -> None:
    read = 0

    def block(block_info: Any = None) -> np.ndarray:
        nonlocal read
        read += 1
        where = block_info[None]["chunk-location"]
        return np.full((1000, 1000), sum(where) % 251, np.uint8)

    large = da.map_blocks(block, chunks=((1000,) * 20, (1000,) * 20), dtype=np.uint8, meta=np.empty((0, 0), np.uint8))
    key = content_key(large)
    assert 36 <= read < 150
    assert content_key(large) == key
    assert content_key(large + 1) != key
    stack = da.broadcast_to(large[:5000, :5000], (4, 5000, 5000))
    assert content_key(stack) != content_key(da.broadcast_to(large[:5000, :5000] + 1, (4, 5000, 5000)))
    colour = da.stack([large[:6000, :6000]] * 3, axis=-1)
    assert len(content_key(colour)) == 32
