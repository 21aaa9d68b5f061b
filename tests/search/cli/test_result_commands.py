"""best, dashboard, report, nested, export and predict as their user sees them."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crtcore.config import Experiment
from search.cli.main import app
from search.results.leaderboard import build_leaderboard
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


@pytest.mark.parametrize("command", ["best", "dashboard", "report", "nested"])
def test_an_unknown_sweep_is_named(tmp_path: Path, command: str) -> None:
    code, said, errors = run(command, "nowhere", "--storage", str(tmp_path / "storage"))
    assert (code, said) == (2, "")
    assert "nowhere" in errors
    assert len(errors.splitlines()) == 1


def test_best_shows_a_sweep_as_text_and_as_json(tmp_path: Path) -> None:
    storage = str(tmp_path / "storage")
    open_study(storage, "young", create=True)
    code, text, _ = run("best", "young", "--storage", storage)
    assert code == 0
    assert "No trial of young is complete yet" in text
    _, as_json, _ = run("best", "young", "--storage", storage, "--json")
    assert json.loads(as_json) == json.loads(build_leaderboard(storage, "young").to_json())


def test_report_prints_where_the_page_is(finished: Experiment) -> None:
    code, page, _ = run("report", finished.name, "--storage", finished.storage)
    assert code == 0
    assert Path(page.strip()).read_text(encoding="utf-8").lstrip().lower().startswith("<!doctype html")


def test_the_dashboard_of_a_cluster_names_both_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forward(cluster: Path, name: str, *, port: int, on_ready: Callable[[str, str], None]) -> None:
        on_ready(f"http://ray-of-{cluster.stem}", f"http://optuna:{port}")
        raise KeyboardInterrupt

    monkeypatch.setattr("search.cluster.remote.dashboards.forward_dashboards", forward)
    code, said, errors = run("dashboard", "far", "--cluster", str(tmp_path / "mine.yaml"), "--port", "99")
    assert (code, errors) == (130, "crtsearch: both dashboards ended\n")
    assert said == "Ray: http://ray-of-mine\nfar: http://optuna:99 (Ctrl-C ends both)\n"


def test_validate_writes_a_page_and_says_what_it_found(
    model_folder: Path, elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said, errors = run("validate", str(model_folder), str(elsewhere))
    assert code == 0
    assert said.splitlines()[-1] == "model_on_cohort/validation.html"
    assert (tmp_path / "model_on_cohort" / "validation.html").is_file()
    assert "The AUC here is 0." in said
    assert "SIMULATED DATA" in errors
    code, text, _ = run("validate", str(model_folder), str(elsewhere), "-o", "mine", "--json")
    assert code == 0
    assert text == (tmp_path / "mine" / "results.json").read_text()


def test_validate_refuses_its_own_training_cohort_by_row(
    finished: Experiment, model_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    code, said, errors = run("validate", str(model_folder), str(finished.manifest_path), "-o", str(out))
    assert (code, said) == (2, "")
    assert "trained on these recordings of the manifest: rows 2, 3, 4" in errors
    assert not out.exists()
