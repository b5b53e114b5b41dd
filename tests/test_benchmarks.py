"""The runner of ``python -m benchmarks``: one table of all bars, and no benchmark ends the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.common import Table
from benchmarks.running import rows_of, run_each, summary

_FAKES = {
    "good": "table.add('a', 1.0); table.at_most('seconds', 1.5, 2); table.at_least('share', 0.9, 0.92)",
    "bad": "raise RuntimeError('no peers here')",
    "dying": "import os; os._exit(9)",
}


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a package of benchmarks of which two fail."""
    (tmp_path / "fakes").mkdir()
    for name, line in _FAKES.items():
        code = (
            f"from benchmarks.common import Table\ndef run():\n  table = Table('T', 'xy')\n  {line}\n  return table\n"
        )
        (tmp_path / "fakes" / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(command, "NAMES", tuple(_FAKES))
    monkeypatch.setattr(command, "_RESULTS", tmp_path)
    monkeypatch.setattr(command, "_SUMMARY", tmp_path / "summary.md")
    monkeypatch.setattr(command, "run_each", lambda names: run_each(names, "fakes"))
    return "fakes"


def test_a_benchmark_that_fails_does_not_end_the_others(
    fakes: str, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert command.main(["bad", "dying", "good", "--keep"]) == 1
    out, err = capfd.readouterr()
    assert "no peers here" in err
    assert "Failed, as told above: bad, dying." in err
    rows = [[cell.strip() for cell in line.split("|")[1:-2]] for line in out.splitlines() if line.startswith("| ")][3:]
    assert rows == [
        ["good", "seconds", "1.5", "2", "yes"],
        ["good", "share", "0.9", "0.92", "no"],
        ["bad", "runs to its end", "", "", "no"],
        ["dying", "runs to its end", "", "", "no"],
    ]
    assert (tmp_path / "good.md").exists()
    assert not (tmp_path / "bad.md").exists()
    assert command.main(["good"]) == 0


def test_rows_of_earlier_runs_stay_until_they_are_measured_again() -> None:
    order = ("tiles", "workers", "cap")
    before = summary([("workers", "twice", "1.6", "1.7", "no", "2026-01-01"), ("cap", "dies", "0", "0", "yes", "x")],
                     "", order)  # fmt: skip
    table = Table("T", "xy")
    table.at_least("twice", 1.81, 1.7)
    both = summary(rows_of("workers", table), f"{before}\n", order)
    assert [row[:5] for row in both.rows] == [
        ["workers", "twice", "1.81", "1.7", "yes"],
        ["cap", "dies", "0", "0", "yes"],
    ]
    assert both.rows[1][5] == "x"
    assert summary([], str(both), order).rows == both.rows


def test_a_figure_that_is_none_holds_no_bar() -> None:
    table = Table("T", "xy")
    table.at_most("seconds", float("nan"), 1)
    table.at_least("share", float("nan"), 1)
    assert not any(bar.held for bar in table.bars)


def test_a_row_may_end_early() -> None:
    table = Table("T", ("image", "seconds", "MB"))
    table.add("30000", "skipped: no room")
    assert "| 30000 | skipped: no room |" in str(table)
