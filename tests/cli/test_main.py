from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from napari_microcnn.cli import main, window
from napari_microcnn.cli import main as cli_main


@pytest.fixture
def module():
    """Return the module, which the function of the same name hides."""
    return sys.modules["napari_microcnn.cli.main"]


def failing(monkeypatch, module, error: BaseException) -> None:
    app = typer.Typer()

    @app.callback()
    def group(debug: bool = False) -> None:
        pass

    @app.command("demo")
    def demo() -> None:
        raise error

    monkeypatch.setattr(module, "app", app)


_NO_MEMORY = "The memory is too small for this; close other programs, or take fewer or smaller images.\n"


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (ValueError("Too\nsmall."), 2, "Too small.\n"),
        (FileNotFoundError(2, "No such file or directory", "x.tif"), 2, "x.tif: No such file or directory.\n"),
        (RuntimeError("can't start new thread"), 2, _NO_MEMORY),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 36000000 bytes."),
            2,
            _NO_MEMORY.replace(" for this", " for this, at least 36 MB more are needed"),
        ),
        (KeyboardInterrupt(), 130, "Interrupted.\n"),
    ],
)
def test_how_a_command_ends(monkeypatch, capsys, module, error: BaseException, code: int, told: str) -> None:
    failing(monkeypatch, module, error)
    assert main(["demo"]) == code
    assert capsys.readouterr().err == told


@pytest.mark.parametrize("error", [TypeError("wrong"), RuntimeError("wrong")])
def test_our_own_mistakes_are_not_hidden(monkeypatch, module, error: Exception) -> None:
    failing(monkeypatch, module, error)
    with pytest.raises(type(error)):
        main(["demo"])


def test_debug_shows_where(monkeypatch, module) -> None:
    failing(monkeypatch, module, ValueError("small"))
    with pytest.raises(ValueError, match="small"):
        main(["--debug", "demo"])


@pytest.mark.parametrize(
    "words",
    [
        ["segment"],
        ["segment", "--modle", "x"],
        ["train", "--images", "here"],
        ["synth"],
        ["measure"],
        ["--unknown"],
        ["segmnet"],
        ["nothing.tif"],
    ],
)
def test_a_usage_mistake_is_one_line(capsys, words: list[str]) -> None:
    assert main(words) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1, told.err


@pytest.mark.parametrize("words", [[], ["train"], ["segment"], ["synth", "voronoi"]])
def test_help(capsys, words: list[str]) -> None:
    assert main([*words, "--help"]) == 0
    assert "Usage: napari-microcnn" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command",
    ["demo", "synth voronoi", "train", "segment", "models list", "models info", "measure grains"],
)
def test_every_command_takes_a_device(capsys, command: str) -> None:
    assert main([*command.split(), "--help"]) == 0
    assert "--device" in capsys.readouterr().out


def test_version(capsys) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == "0.1.0\n"


def test_the_script_is_installed() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "napari-microcnn", "gone.tif"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "gone.tif" in done.stderr
    assert "Traceback" not in done.stderr


def test_files_open_in_the_window(monkeypatch, tmp_path) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr(window.runpy, "run_module", lambda *_, **__: seen.append(sys.argv[1:]))
    monkeypatch.setattr(sys, "argv", ["napari-microcnn"])
    monkeypatch.setenv("DISPLAY", ":1")
    (tmp_path / "a.tif").touch()
    assert cli_main([]) == 0
    assert cli_main([str(tmp_path / "a.tif")]) == 0
    assert seen == [[], [str(tmp_path / "a.tif")]]


def test_without_napari_we_say_how_to_install_it(monkeypatch, capsys) -> None:
    monkeypatch.setattr(window.importlib.util, "find_spec", lambda _: None)
    assert main([]) == 2
    assert "pip install 'napari-microcnn[all]'" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is a screen")
def test_without_a_screen_we_say_so(monkeypatch, capsys) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert main([]) == 2
    assert "There is no screen" in capsys.readouterr().err
