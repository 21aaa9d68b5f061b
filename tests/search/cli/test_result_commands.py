"""report, export and predict as their user meets them."""

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crtcore.config import Experiment
from search.cli.main import app
from search.study.study import open_study


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments)
    assert "Traceback" not in result.stderr
    return result.exit_code, result.stdout, result.stderr


def test_export_then_predict(finished: Experiment, tmp_path: Path) -> None:
    bundle = str(tmp_path / "bundle")
    code, said, _ = run("export", finished.name, "-o", bundle, "--storage", finished.storage)
    assert code == 0
    assert "Corrected for the search" in said
    record = str(sorted(finished.manifest_path.parent.glob("records/*.hea"))[0])
    code, table, errors = run("predict", bundle, record)
    assert code == 0
    assert errors.startswith("crtsearch: the model's data: SIMULATED DATA")
    assert len(errors.splitlines()) == 1
    (row,) = csv.DictReader(io.StringIO(table))
    assert 0 < float(row["probability"]) < 1
    code, table, errors = run("predict", bundle, record, str(tmp_path / "gone.csv"), "--json")
    assert code == 2
    assert [line.startswith("crtsearch: ") for line in errors.splitlines()] == [True, True]
    assert "gone.csv" in errors.splitlines()[1]
    assert [entry["probability"] is None for entry in json.loads(table)] == [False, True]


@pytest.mark.parametrize("command", ["report", "export"])
def test_an_unfinished_sweep_is_one_sentence_and_exit_2(tmp_path: Path, command: str) -> None:
    storage = str(tmp_path / "storage")
    open_study(storage, "young", create=True)
    options = ["-o", str(tmp_path / "out")] if command == "export" else []
    code, said, errors = run(command, "young", *options, "--storage", storage)
    assert (code, said) == (2, "")
    assert errors.startswith("crtsearch: No trial of young is complete yet")
    assert len(errors.splitlines()) == 1


def test_a_foreign_bundle_is_one_sentence_and_exit_2(tmp_path: Path) -> None:
    code, said, errors = run("predict", str(tmp_path), "record")
    assert (code, said) == (2, "")
    assert "is no bundle" in errors


@pytest.mark.parametrize("command", ["report", "nested", "export", "predict"])
def test_help_fits_a_screen_and_holds_an_example(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"})
    assert f"Example: crtsearch {command} " in result.stdout
    assert len(result.stdout.splitlines()) <= 24
