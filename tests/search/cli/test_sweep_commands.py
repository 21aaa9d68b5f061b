"""simulate, check, prepare, sweep and gc as their user sees them."""

import json
import os
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from crtcore.config import Experiment
from crtcore.signal.wfdb_reader import read_recording
from crtcore.simulation.write import simulate
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from search.cli.main import app
from search.study.study import open_study
from tests.search.program import END_TIMEOUT_S, running

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


def test_a_sweep_needs_a_name_that_can_be_a_folder(config: Path) -> None:
    assert "name" in refused("sweep", str(config), "--name", "../elsewhere")


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


def test_an_interrupted_sweep_says_how_to_resume(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(experiment: Experiment, **settings: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("search.sweep.run.run_sweep", interrupted)
    result = CliRunner().invoke(app, ["sweep", str(config), "--name", "17"])
    assert result.exit_code == 130
    assert result.stdout == ""
    assert result.stderr == "crtsearch: 17 was interrupted; the same command resumes it\n"


def test_a_sweep_is_either_here_or_there(config: Path, tmp_path: Path) -> None:
    sentence = refused("sweep", str(config), "--address", "auto", "--cluster", str(tmp_path / "cluster.yaml"))
    assert sentence == "crtsearch: give --address or --cluster, not both\n"


def test_leaving_a_sweep_on_a_cluster_says_that_it_is_still_running(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[Path, str, str | None]] = []

    def left(cluster: Path, config: str, overrides: object, *, name: str | None, **settings: object) -> None:
        sent.append((cluster, config, name))
        raise KeyboardInterrupt

    monkeypatch.setattr("search.cluster.remote.job.sweep_on_cluster", left)
    cluster = tmp_path / "cluster.yaml"
    result = CliRunner().invoke(app, ["sweep", str(config), "--cluster", str(cluster), "--name", "far"])
    assert sent == [(cluster, str(config), "far")]
    assert result.exit_code == 130
    assert result.stderr == "crtsearch: the sweep is still running; the same command follows it again\n"


@pytest.mark.ray
@pytest.mark.timeout(240)
def test_a_stopped_sweep_leaves_no_process_and_says_how_to_resume(
    simulated_dir: Path, tmp_path: Path
) -> None:
    config = tmp_path / "stopped.yaml"
    content = {
        "name": "stopped",
        "storage": str(tmp_path / "storage"),
        "cache": str(tmp_path / "cache"),
        "data": str(simulated_dir),
        "arrhythmia": {"database": "mitdb", "max_beats_per_record": 4},
        "cohort": {"manifest": "cohort/cohort.csv", "leads": ["II"], "max_beats_per_recording": 1},
        "pretrain": {"objective": "none"},
        "finetune": {"epochs": 2, "folds": 2, "frozen_groups": 5},
        "search": {
            "trials": 1000,
            "scheduler": {"name": "none"},
            "space": {"finetune.learning_rate": {"low": 0.001, "high": 0.1, "log": True}},
        },
    }
    config.write_text(json.dumps(content), encoding="utf-8")
    with running("sweep", str(config)) as sweep:
        assert sweep.stderr is not None
        lines = iter(sweep.stderr.readline, "")
        assert any(line.startswith("trial 0 running") for line in lines)
        started = psutil.Process(sweep.pid).children(recursive=True)
        assert any("raylet" in process.name() for process in started)
        sweep.terminate()
        printed, errors = sweep.communicate(timeout=END_TIMEOUT_S)
    assert sweep.returncode == 143
    assert printed == ""
    assert errors.splitlines()[-1] == "crtsearch: stopped was interrupted; the same command resumes it"
    _, alive = psutil.wait_procs(started, timeout=END_TIMEOUT_S)
    assert alive == []
    trials = open_study(str(tmp_path / "storage"), "stopped", create=False).get_trials()
    assert {trial.state.name for trial in trials} <= {"RUNNING", "WAITING", "COMPLETE"}
