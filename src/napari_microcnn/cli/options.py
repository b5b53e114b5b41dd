"""Command line options made from the settings in `napari_microcnn.config`."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Collection
from functools import wraps
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import typer
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from napari_microcnn.config import Device, Settings

S = TypeVar("S", bound=Settings)

AnyDevice = Annotated[Device, typer.Option(help="Taken by every command; this one computes on the processor only.")]
"""``--device`` for commands that have nothing to put on a GPU, so that scripts can pass it to all."""


def takes_settings(
    parameter: str, model: type[Settings], *, without: Collection[str] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replace a command's parameter by one option per field of a settings model.

    The command gets the built model; which fields the user gave is in its `model_fields_set`.

    Parameters
    ----------
    parameter : str
        Name of the command's parameter.
    model : type of Settings
        Its fields give the options' names, help, defaults and bounds.
    without : collection of str
        Fields that the command does not offer, or sets itself.
    """
    fields = {name: info for name, info in model.model_fields.items() if name not in without}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        parameters = [
            entry.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for entry in signature.parameters.values()
            if entry.name != parameter
        ]
        parameters += [_parameter(name, info) for name, info in fields.items()]

        @wraps(command)
        def run(**given: Any) -> None:
            values = {name: given.pop(name) for name in fields}
            command(**given, **{parameter: build(model, values)})

        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {entry.name: entry.annotation for entry in parameters}
        del run.__wrapped__
        return run

    return decorate


def build(model: type[S], values: dict[str, Any]) -> S:
    """Build settings from what was typed; None means that an option was not given, ``"none"`` is None.

    Raises
    ------
    ValueError
        In one line, with the name of the option and what it may be.
    """
    given: dict[str, Any] = {}
    for name, value in values.items():
        if value is not None:
            given[name] = None if value == "none" and _split(model.model_fields[name].annotation)[1] else value
    try:
        return model(**given)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:  # settings that do not fit each other
            raise ValueError(first["msg"].removeprefix("Value error, ")) from None
        name = str(first["loc"][0])
        told = f"{first['msg'].lower()} ({describe(model.model_fields[name])})"
        raise ValueError(f"--{name.replace('_', '-')} {first['input']!r}: {told}.") from None


def describe(info: FieldInfo) -> str:
    """Return bounds and default of a field, such as ``"16 to 1024; default 128"``."""
    low = high = ""
    for rule in info.metadata:
        low = f"{rule.ge}" if hasattr(rule, "ge") else f"more than {rule.gt}" if hasattr(rule, "gt") else low
        high = f"{rule.le}" if hasattr(rule, "le") else f"less than {rule.lt}" if hasattr(rule, "lt") else high
    bounds = f"{low} to {high}" if low and high else low or high
    default = "none" if info.default is None else str(info.default)
    return "; ".join(part for part in (bounds, f"default {default}") if part)


def _parameter(name: str, info: FieldInfo) -> inspect.Parameter:
    kind, optional = _split(info.annotation)
    flag = f"--{name.replace('_', '-')}"
    help_text = f"{info.description or ''} ({describe(info)})"
    if kind is bool:
        option = typer.Option(f"{flag}/--no-{flag[2:]}", help=help_text, show_default=False)
        annotation: Any = Annotated[bool | None, option]
    else:  # text here: the settings themselves know best what is valid
        option = typer.Option(flag, help=help_text, metavar=_metavar(kind, optional), show_default=False)
        annotation = Annotated[str | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _split(annotation: Any) -> tuple[Any, bool]:
    """Return an annotation without its ``| None``, and whether it had one."""
    if get_origin(annotation) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
        return kinds[0], len(kinds) < len(get_args(annotation))
    return annotation, False


def _metavar(kind: Any, optional: bool) -> str:
    if get_origin(kind) is Literal:
        text = "|".join(str(choice) for choice in get_args(kind))
    else:
        text = {int: "INTEGER", float: "NUMBER"}.get(kind, "TEXT")
    return f"{text}|none" if optional else text
