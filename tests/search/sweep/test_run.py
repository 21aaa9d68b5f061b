"""Sweeps with a real Ray, the real pipeline and a tiny data set: run whole, and killed and run again."""

import csv
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import ray
from ray._private.utils import get_num_cpus

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.data.sources import content_hash
from crtcore.errors import DataError, SweepError
from search.results.refit import load_refitted
from search.results.winner import find_winner
from search.study.attributes import DATA_FINDINGS
from search.study.folder import STUDY_FILE, driver_lock, sweep_dir, sweep_exists
from search.study.study import open_study
from search.study.update import TrialUpdate
from search.sweep.run import _study_errors, run_sweep
from tests.search.sweep_here import run_here, sweep_here

REPOSITORY = Path(__file__).resolve().parents[3]
NOWHERE = "127.0.0.1:1"  # an address at which no Ray answers

DRIVER = """
import sys
from crtcore.config import Experiment
from search.sweep.run import _study_errors, run_sweep
def tell(update):
    print(update.number, update.state, update.stage, update.epoch, flush=True)
run_sweep(Experiment.model_validate_json(sys.argv[1]), on_update=tell)
"""


def small_sweep(tiny: Experiment) -> Experiment:
    """Three trials, one at a time, that share one pretraining."""
    return override(
        tiny,
        {
            "finetune.epochs": 3,
            "finetune.frozen_groups": 5,
            "search.trials": 3,
            "search.scheduler": {"name": "asha", "grace_epochs": 1, "reduction_factor": 2},
            "search.space": {"finetune.learning_rate": {"low": 1e-3, "high": 1e-1, "log": True}},
            # More than half of the CPUs, so one at a time; Ray's own count knows of container quotas.
            "resources.trial.cpus": get_num_cpus() / 2 + 0.5,
        },
    )


def record(experiment: Experiment) -> list[tuple[Any, ...]]:
    study = open_study(experiment.storage, experiment.name, create=False)
    return [
        (
            trial.number,
            trial.state,
            trial.params,
            trial.value,
            trial.intermediate_values,
            trial.user_attrs["stages"],
        )
        for trial in study.trials
    ]


def kill_trial_process() -> None:
    """Kill the process of the running trial, which is a grandchild of this one, as a lost node would."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_text()
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            grandparent = Path("/proc", parent, "stat").read_text().rpartition(")")[2].split()[1]
        except FileNotFoundError:
            continue  # ended meanwhile
        # Ray titles it by our class, and by Tune's wrapper while it is in a method.
        is_trial = "ray::StagedTrial" in title or "ray::ResourceTrainable" in title
        if is_trial and grandparent == str(os.getpid()):
            os.kill(int(folder.name), signal.SIGKILL)
            return
    raise AssertionError("no trial process found")


@pytest.mark.ray
@pytest.mark.timeout(400)
def test_a_sweep_that_lost_its_driver_and_a_process_equals_one_without_ray(
    tiny: Experiment, tmp_path: Path
) -> None:
    whole = small_sweep(tiny)
    sweep_here(whole)

    killed = override(whole, {"storage": str(tmp_path / "killed")})
    command = [sys.executable, "-c", DRIVER, killed.model_dump_json()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as driver:
        assert driver.stdout is not None
        for line in driver.stdout:
            if line == "1 RUNNING finetune 1\n":
                break
        os.kill(driver.pid, signal.SIGKILL)
    assert [row[1].name for row in record(killed)][:2] == [record(whole)[0][1].name, "RUNNING"]

    updates: list[TrialUpdate] = []

    def on_update(update: TrialUpdate) -> None:
        is_first = not any(before.state == "RUNNING" and before.metrics for before in updates)
        updates.append(update)
        if update.state == "RUNNING" and update.metrics and is_first:
            kill_trial_process()

    leaderboard = run_sweep(killed, on_update=on_update)
    assert not ray.is_initialized()
    assert record(killed) == record(whole)
    messages = [update.message for update in updates if update.message]
    assert len(messages) == 1  # one trial lost its process once, and went on in another
    assert not any(update.stage == "pretrain" for update in updates)  # read, not built again
    assert sorted(row.number for row in leaderboard.rows) == [0, 1, 2]

    assert DATA_FINDINGS.of(open_study(killed.storage, killed.name, create=False)) == []
    again = run_sweep(killed, address=NOWHERE)  # would fail if it looked for a Ray
    assert again.to_json() == leaderboard.to_json()


def test_each_recording_is_hashed_once_in_a_sweep_and_its_refit(
    tiny: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: Counter[str] = Counter()

    def counted(path: Path, *, annotated: bool) -> str:
        hashed[str(path)] += 1
        return content_hash(path, annotated=annotated)

    monkeypatch.setattr("crtcore.data.sources.content_hash", counted)
    monkeypatch.setattr("search.cluster.tuner.run_on_ray", run_here)
    monkeypatch.setattr("search.sweep.run.REFIT_SHARE", 1e6)  # the refit is done, however long it takes
    experiment = small_sweep(tiny)
    board = run_sweep(experiment)
    assert len(hashed) == 4 + 12
    assert set(hashed.values()) == {1}
    assert board.count("COMPLETE") >= 1 and board.experiment == experiment
    winner = find_winner(experiment.storage, experiment.name)
    assert load_refitted(winner) is not None
    assert winner.leaderboard.to_json() == board.to_json()


def test_one_recording_under_two_patients_is_refused_before_a_study_is_made(
    tiny: Experiment, tmp_path: Path
) -> None:
    lines = tiny.manifest_path.read_text().splitlines()
    first = next(csv.DictReader(lines))
    twice = first | {"patient_id": "other", "recording": f"./{first['recording']}.dat"}
    records = tmp_path / first["recording"].split("/")[0]
    records.symlink_to(tiny.manifest_path.parent / records.name)
    (tmp_path / "m.csv").write_text("\n".join([*lines, ",".join(twice.values())]) + "\n")
    leaking = override(small_sweep(tiny), {"cohort.manifest": tmp_path / "m.csv"})
    with pytest.raises(DataError, match=r"rows 2 and 14 of the manifest.*under two patients"):
        run_sweep(leaking, address=NOWHERE)
    assert not sweep_exists(leaking.storage, leaking.name)


def test_a_sweep_that_another_process_runs_is_left_alone(tiny: Experiment) -> None:
    with (
        driver_lock(sweep_dir(tiny.storage, tiny.name)),
        pytest.raises(SweepError, match="sweep tiny is already being run by process"),
    ):
        run_sweep(small_sweep(tiny))


def test_a_study_that_cannot_be_written_is_told_with_its_cause(tmp_path: Path) -> None:
    study = open_study(str(tmp_path), "demo", create=True)
    sweep_dir(str(tmp_path), "demo").joinpath(STUDY_FILE).write_bytes(b"no database" * 1000)
    with (
        pytest.raises(SweepError, match=r"study of sweep demo can no longer be .*file is not a database"),
        _study_errors("demo"),
    ):
        study.set_user_attr("key", 1)
