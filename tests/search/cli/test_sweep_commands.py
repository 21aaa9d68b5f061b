"""A sweep as a program of its own that is stopped from outside."""

import json
from pathlib import Path

import psutil
import pytest

from search.study.study import open_study
from tests.search.program import END_TIMEOUT_S, running


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
    assert errors.splitlines()[-1] == "crtsearch: stopped interrupted; the same command again resumes it"
    _, alive = psutil.wait_procs(started, timeout=END_TIMEOUT_S)
    assert alive == []
    trials = open_study(str(tmp_path / "storage"), "stopped", create=False).get_trials()
    assert {trial.state.name for trial in trials} <= {"RUNNING", "WAITING", "COMPLETE"}
