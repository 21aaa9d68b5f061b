"""Fixtures of the training tests. All tests share one store; each has its own stages."""

import pytest

from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from crtcore.training.pretraining.pretrain import pretrain_stage, run_pretrain
from tests.crtcore.training.tiny_sets import CPU, Prepared, Source, commit_set, experiment_with


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """20 annotated beats in four MIT-BIH records; 12 patients, 5 of them responders, with 1 to 3 beats."""
    tmp_path = tmp_path_factory.mktemp("tiny")
    store = StageStore(str(tmp_path / "storage"), cache=tmp_path / "cache")
    symbols = ["N", "V", "N", "L", "Q"]
    levels = [0.0, 0.9, 0.0, 0.4, 0.7]
    arrhythmia = commit_set(
        store,
        "arrhythmia",
        [
            Source(patient_id=name, record_id=name, label=-1, symbol_B=symbols, level_B=levels)
            for name in ("100", "101", "103", "106")
        ],
    )
    cohort = commit_set(
        store,
        "cohort",
        [
            Source(
                patient_id=f"p{number}",
                record_id=f"r{number}",
                label=int(number < 5),
                symbol_B=[""] * (1 + number % 3),
                level_B=[0.6 if number < 5 else 0.3] * (1 + number % 3),
            )
            for number in range(12)
        ],
    )
    return Prepared(store=store, arrhythmia=arrhythmia, cohort=cohort)


@pytest.fixture(scope="session")
def untrained(prepared: Prepared) -> Stage:
    """A committed `pretrain` stage of a randomly initialised network, on one thread."""
    experiment = experiment_with(pretrain={"objective": "none"})
    stage = pretrain_stage(experiment, prepared.arrhythmia)
    list(run_pretrain(prepared.store, stage, experiment, prepared.arrhythmia, CPU))
    return stage
