"""The command line as its user meets it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crtcore.config import Experiment
from crtcore.signal.wfdb_reader import read_recording
from crtcore.simulation.write import simulate
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from search.cli.main import app
from search.results.leaderboard import build_leaderboard
from search.study.study import open_study

COMMANDS = ("prepare", "sweep", "best", "dashboard", "check", "gc", "simulate")
CONFIG = """
name: tiny
arrhythmia: {database: mitdb}
cohort: {manifest: cohort.csv}
search: {trials: 1}
"""
SMALL = """
name: small
arrhythmia: {database: mitdb, max_beats_per_record: 2}
cohort: {manifest: cohort/cohort.csv, max_beats_per_recording: 1}
finetune: {folds: 2}
search: {trials: 1}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(CONFIG)
    return path


def refused(*arguments: str) -> str:
    """The one sentence on stderr with which a command line is refused."""
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) == 1
    return result.stderr


@pytest.mark.parametrize("command", ["prepare", "sweep", "check"])
def test_a_misspelt_key_is_named_with_the_nearest(config: Path, command: str) -> None:
    sentence = refused(command, str(config), "--set", "finetune.learning_rat=0.1")
    assert "finetune.learning_rat'" in sentence
    assert "did you mean 'finetune.learning_rate'?" in sentence


@pytest.mark.parametrize("command", ["prepare", "sweep", "check"])
def test_a_missing_config_is_named_with_those_there_are(command: str) -> None:
    sentence = refused(command, "no_such_config")
    assert "no_such_config" in sentence
    assert "demo" in sentence


@pytest.mark.parametrize("command", ["prepare", "sweep", "check"])
def test_a_missing_database_is_named(config: Path, tmp_path: Path, command: str) -> None:
    (tmp_path / "cohort.csv").write_text("patient_id,recording,label\n")
    sentence = refused(
        command, str(config), "--set", f"data={tmp_path}", "--set", f"storage={tmp_path}/storage"
    )
    assert sentence.startswith("crtsearch: ")
    assert str(tmp_path) in sentence


@pytest.mark.parametrize("command", ["best", "dashboard"])
def test_an_unknown_sweep_is_named(tmp_path: Path, command: str) -> None:
    assert "nowhere" in refused(command, "nowhere", "--storage", str(tmp_path / "storage"))


def test_a_sweep_needs_a_name_that_can_be_a_folder(config: Path) -> None:
    assert "name" in refused("sweep", str(config), "--name", "../elsewhere")


def test_other_errors_keep_their_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(folder: Path, **settings: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("crtcore.simulation.write.simulate", broken)
    result = CliRunner().invoke(app, ["simulate", str(tmp_path / "new")])
    assert isinstance(result.exception, ZeroDivisionError)


def test_the_list_of_commands_fits_a_screen() -> None:
    result = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"})
    assert all(f" {command} " in result.stdout for command in COMMANDS)
    example = "Try it: crtsearch simulate data/simulated && crtsearch sweep demo && crtsearch report demo "
    assert example in " ".join(result.stdout.split())
    assert "crtsearch --install-completion" in result.stdout
    assert len(result.stdout.splitlines()) <= 24


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_screen_and_holds_an_example(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"})
    assert result.exit_code == 0
    assert f"Example: crtsearch {command} " in result.stdout
    assert len(result.stdout.splitlines()) <= 24


def loaded_by(*command_lines: tuple[str, ...]) -> set[str]:
    """The top-level packages that a process has loaded after these commands."""
    code = (
        "import json, sys; from search.cli.main import app\n"
        "for words in json.loads(sys.argv[1]): app(words, standalone_mode=False)\n"
        "print(json.dumps([name for name in sys.modules if '.' not in name or name == 'scipy.stats']))"
    )
    run = [sys.executable, "-c", code, json.dumps(command_lines)]
    ran = subprocess.run(run, capture_output=True, text=True, check=True)
    return set(json.loads(ran.stdout.splitlines()[-1]))


def test_help_loads_no_heavy_library() -> None:
    loaded = loaded_by(("--help",), *((command, "--help") for command in COMMANDS))
    assert "typer" in loaded
    assert loaded.isdisjoint({"torch", "torchvision", "ray", "optuna", "numpy", "pyarrow"})


def test_a_leaderboard_loads_no_more_than_it_needs(finished: Experiment) -> None:
    loaded = loaded_by(("best", finished.name, "--storage", finished.storage))
    assert "optuna" in loaded
    heavy = {"torch", "torchvision", "ray", "pandas", "sklearn", "wfdb", "numba", "matplotlib", "scipy.stats"}
    assert loaded.isdisjoint(heavy)


def test_simulate_check_prepare_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    small = {"num_records": 2, "minutes": 0.5, "num_patients": 10}
    monkeypatch.setattr(simulate, "__kwdefaults__", {**(simulate.__kwdefaults__ or {}), **small})
    simulated = CliRunner().invoke(app, ["simulate", str(data), "--seed", "3"])
    assert simulated.exit_code == 0
    assert simulated.stdout == f"simulated recordings in {data}\n"
    assert "simulate patients: 10 of 10" in simulated.stderr

    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    settings = [str(path), "--set", f"data={data}", "--set", f"storage={tmp_path}/storage"]
    before = CliRunner().invoke(app, ["check", *settings, "--json"])
    assert before.exit_code == 0
    assert json.loads(before.stdout)["num_patients"] == 10
    assert "read cohort: 10 of 10" in before.stderr

    prepared = CliRunner().invoke(app, ["prepare", *settings])
    assert prepared.exit_code == 0
    assert prepared.stdout.splitlines() == [
        f"arrhythmia: 2 patients, 4 beats, {4 * num_leads(data)} images in {tmp_path}/storage",
        f"cohort: 10 patients, 10 beats, 120 images in {tmp_path}/storage",
    ]
    after = CliRunner().invoke(app, ["check", *settings])
    assert "shard 12 of 12; prepare 2 of 2; pretrain 0 of 1" in after.stdout


def num_leads(data: Path) -> int:
    first = sorted((data / "mitdb").glob("*.hea"))[0]
    return len(read_recording(first.with_suffix("")).leads)


def test_gc_lists_and_removes_only_what_no_sweep_refers_to(tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    open_study(str(storage), "young", create=True)
    store = StageStore(str(storage), cache=tmp_path)
    old = Stage(name="toy", config={}, inputs=(), version=1)
    store.commit(old, {"a": b"12345"}, {})
    folder = storage / "stages" / "toy" / old.digest
    for path in (*folder.iterdir(), folder):
        os.utime(path, (0, 0))
    listed = CliRunner().invoke(app, ["gc", "--storage", str(storage)])
    assert listed.exit_code == 0, listed.output
    assert old.digest in listed.stdout and "--remove" in listed.stdout and folder.is_dir()
    removed = CliRunner().invoke(app, ["gc", "--storage", str(storage), "--remove", "--json"])
    assert json.loads(removed.stdout)["num_removed"] == 1 and not folder.exists()


def test_simulate_refuses_a_folder_with_other_things_in_it(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert str(tmp_path) in refused("simulate", str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_best_shows_a_sweep_as_words_and_as_json(tmp_path: Path) -> None:
    storage = str(tmp_path / "storage")
    open_study(storage, "young", create=True)
    shown = CliRunner().invoke(app, ["best", "young", "--storage", storage])
    assert shown.exit_code == 0
    assert "No trial of young is complete yet" in shown.stdout
    as_json = CliRunner().invoke(app, ["best", "young", "--storage", storage, "--json"])
    assert json.loads(as_json.stdout) == json.loads(build_leaderboard(storage, "young").to_json())


def test_an_interrupted_sweep_says_how_to_go_on(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(experiment: Experiment, **settings: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("search.sweep.run.run_sweep", interrupted)
    result = CliRunner().invoke(app, ["sweep", str(config), "--name", "17"])
    assert result.exit_code == 130
    assert result.stdout == ""
    assert result.stderr == "crtsearch: 17 interrupted; the same command again resumes it\n"
