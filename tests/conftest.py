"""Fixtures that all tests share."""

from pathlib import Path

import pytest
import torch

from crtcore.config import Experiment
from crtcore.simulation.write import simulate

# One thread, as a trial has by default: two that wait for each other on a busy machine are far slower.
torch.set_num_threads(1)

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real recordings beside the repository: `mitdb/` and `ptbxl500/`."""
    folder = REPOSITORY.parent / "shared" / "data"
    missing = [name for name in ("mitdb", "ptbxl500") if not (folder / name).is_dir()]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)} in {folder}")
    return folder


@pytest.fixture(scope="session")
def simulated_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small simulated data set: `mitdb/` (4 records of 30 s) and `cohort/` (12 patients). Read only."""
    folder = tmp_path_factory.mktemp("simulated") / "data"
    simulate(folder, seed=1, num_records=4, minutes=0.5, num_patients=12)
    return folder


@pytest.fixture
def tiny(simulated_dir: Path, tmp_path: Path) -> Experiment:
    """An experiment on the small simulated data that trains in seconds, with storage of its own."""
    return Experiment.model_validate(
        {
            "name": "tiny",
            "storage": str(tmp_path / "storage"),
            "cache": tmp_path / "cache",
            "data": simulated_dir,
            "arrhythmia": {"database": "mitdb", "max_beats_per_record": 8},
            "cohort": {"manifest": "cohort/cohort.csv", "leads": ["II", "V1"], "max_beats_per_recording": 2},
            "pretrain": {"epochs": 1, "batch_size": 32},
            "finetune": {"epochs": 2, "folds": 2, "frozen_groups": 5, "batch_size": 16},
        }
    )
