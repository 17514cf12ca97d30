"""What a measurement leaves, and what it is told where it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from bench.results import results_in
from sdjscc.errors import SdjsccError


def test_facts_and_tables_are_written_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "folder"
    with results_in(out, "speed") as write:
        write({"rate": 3}, "# Speed\n")
    assert json.loads((out / "speed.json").read_text()) == {"rate": 3}
    assert (out / "speed.md").read_text() == "# Speed\n"
    assert "Speed" in capsys.readouterr().out


def test_a_folder_that_cannot_be_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = pytest.raises(click.ClickException, match=r"cannot be written .*; give another --out")
    with told, results_in(tmp_path / "file" / "folder", "speed"):
        pytest.fail("measured")


def test_what_cannot_be_written_is_shown_all_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "speed.json").mkdir()
    with results_in(tmp_path, "speed") as write, pytest.raises(click.ClickException, match="Is a directory"):
        write({}, "# Speed\n")
    assert "Speed" in capsys.readouterr().out


def test_only_our_own_errors_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match="give more"), results_in(tmp_path, "speed"):
        raise SdjsccError("too few; give more --seconds")
    with pytest.raises(FileNotFoundError), results_in(tmp_path, "speed"):
        (tmp_path / "elsewhere").read_text()
