"""Fixtures of the tests on a finished sweep."""

from pathlib import Path

import pytest

from crtcore.config import Experiment
from crtcore.simulation.write import simulate
from search.results.bundle import export_bundle
from tests.search.finished_sweep import finish_sweep


@pytest.fixture(scope="session")
def finished(simulated_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """A sweep of three complete trials on simulated data. Reports and refits may be added to its storage."""
    folder = tmp_path_factory.mktemp("finished")
    experiment = Experiment.model_validate(
        {
            "name": "finished",
            "storage": str(folder / "storage"),
            "cache": folder / "cache",
            "data": simulated_dir,
            "arrhythmia": {"database": "mitdb", "max_beats_per_record": 4},
            "cohort": {"manifest": "cohort/cohort.csv", "leads": ["II", "V1"], "max_beats_per_recording": 2},
            "pretrain": {"epochs": 1, "batch_size": 32},
            "finetune": {"epochs": 2, "folds": 2, "batch_size": 16},
        }
    )
    finish_sweep(experiment)
    return experiment


@pytest.fixture(scope="session")
def model_folder(finished: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The winner of the finished sweep, exported. Read only."""
    folder = tmp_path_factory.mktemp("exported") / "model"
    export_bundle(finished.storage, finished.name, folder)
    return folder


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of another simulated cohort: 24 patients of whom the model has seen none. Read only."""
    folder = tmp_path_factory.mktemp("elsewhere") / "data"
    simulate(folder, seed=2, num_records=1, minutes=0.5, num_patients=24)
    return folder / "cohort" / "cohort.csv"
