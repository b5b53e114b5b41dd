from __future__ import annotations

from typing import Literal

import pytest
import typer
from pydantic import Field
from typer.testing import CliRunner

from napari_microcnn.cli.options import build, describe, takes_settings
from napari_microcnn.config import SegmentConfig, Settings, TrainConfig
from napari_microcnn.io.errors import one_line


class Oven(Settings):
    """Something with every kind of setting."""

    minutes: float | None = Field(1.0, gt=0, le=10, description="Time limit")
    shelves: int = Field(3, ge=1, le=9, description="How many")
    heat: Literal["top", "bottom"] = Field("top", description="Where from")
    fan: bool = Field(True, description="Moving air")
    recipe: str | None = Field("bread", description="What to bake")


@pytest.fixture
def bake():
    app = typer.Typer()
    seen: list[Oven] = []

    @app.command()
    @takes_settings("oven", Oven)
    def command(oven: Oven, guests: int = 1) -> None:
        seen.append(oven)

    def run(*words: str) -> Oven:
        result = CliRunner().invoke(app, words)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return seen[-1]

    return run


def test_without_options_the_defaults_of_the_settings_rule(bake) -> None:
    oven = bake()
    assert oven == Oven()
    assert oven.model_fields_set == set()


def test_every_kind_of_option_reaches_the_settings(bake) -> None:
    words = "--minutes 2.5 --shelves 4 --heat bottom --no-fan --recipe cake --guests 3"
    oven = bake(*words.split())
    assert oven == Oven(minutes=2.5, shelves=4, heat="bottom", fan=False, recipe="cake")
    assert oven.model_fields_set == set(Oven.model_fields)


def test_none_is_none_where_that_is_allowed(bake) -> None:
    assert bake("--minutes", "none", "--recipe", "none") == Oven(minutes=None, recipe=None)
    with pytest.raises(ValueError, match="--shelves 'none'"):
        bake("--shelves", "none")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--shelves", "99"), "--shelves '99': input should be less than or equal to 9 (1 to 9; default 3)."),
        (("--minutes", "0"), "more than 0 to 10; default 1.0"),
        (("--minutes", "soon"), "--minutes 'soon': input should be a valid number"),
        (("--heat", "sun"), "'top' or 'bottom'"),
    ],
)
def test_a_wrong_value_is_told_in_one_line(bake, words: tuple[str, ...], told: str) -> None:
    with pytest.raises(ValueError, match="--") as caught:
        bake(*words)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_help_shows_description_bounds_and_default() -> None:
    assert describe(TrainConfig.model_fields["patch"]) == "16 to 1024; default 128"
    assert describe(SegmentConfig.model_fields["tile"]) == "32 to 8192; default none"


def test_build_names_the_option_as_it_is_typed() -> None:
    with pytest.raises(ValueError, match=r"^--learning-rate '7'"):
        build(TrainConfig, {"learning_rate": "7"})


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("two\n  lines"), "two lines"),
        (PermissionError(13, "Permission denied", "out"), "out: Permission denied."),
        (OSError(28, "No space left on device"), "No space left on device."),
    ],
)
def test_one_line(error: Exception, line: str) -> None:
    assert one_line(error) == line
