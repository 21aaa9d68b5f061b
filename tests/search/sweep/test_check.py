"""What `check` finds out about an experiment, before and after parts of it are built."""

import csv
import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.errors import ConfigError, DataError, SweepError
from crtcore.pipeline import open_store, plan, prepare, read_sources
from search.study.study import open_study
from search.sweep.check import check
from search.sweep.run import run_sweep
from search.sweep.stage_counts import StageCount

SPACE = {
    "pretrain.depth": (18, 34),
    "finetune.frozen_groups": (0, 4, 5),
    "finetune.batch_size": (64, 128),
}


def changed(tiny: Experiment, **sections: Any) -> Experiment:
    values = tiny.model_dump() | {"search": {"trials": 6, "space": SPACE}}
    return Experiment.model_validate(values | sections)


def counts(result: tuple[StageCount, ...]) -> dict[str, tuple[int, int]]:
    return {stage.name: (stage.num_stages, stage.num_built) for stage in result}


def test_a_fresh_experiment_is_counted_and_nothing_is_built(tiny: Experiment) -> None:
    seen: list[tuple[str, int, int]] = []
    result = check(changed(tiny), on_progress=lambda *progress: seen.append(progress))
    assert (result.num_records, result.num_patients, result.num_recordings) == (4, 12, 12)
    assert result.leads == ("II", "V1")
    assert 0 < result.num_responders < 12
    assert result.num_beats["N"] > 20
    assert (result.num_trials, result.num_trials_done, result.num_combinations) == (6, 0, 12)
    # Features exist where something is frozen: at 4 and 5 groups of two networks.
    assert counts(result.stages) == {
        "shard": (16, 0),
        "prepare": (2, 0),
        "pretrain": (2, 0),
        "features": (4, 0),
    }
    assert ("read database", 4, 4) in seen
    assert ("read cohort", 12, 12) in seen
    assert not Path(tiny.storage).exists()


def test_prepared_sets_and_finished_trials_are_counted(tiny: Experiment) -> None:
    config = changed(tiny)
    prepare(open_store(config), plan(config, read_sources(config)))
    study = open_study(config.storage, config.name, create=True)
    for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING):
        study.add_trial(
            create_trial(
                state=state,
                value=0.5 if state == TrialState.COMPLETE else None,
                params={"x": 1},
                distributions={"x": optuna.distributions.CategoricalDistribution([1])},
            )
        )
    result = check(config)
    assert result.num_trials_done == 2
    assert counts(result.stages)["shard"] == (16, 16)
    assert counts(result.stages)["prepare"] == (2, 2)
    assert counts(result.stages)["pretrain"] == (2, 0)
    sentences = " ".join(result.sentences())
    assert "4 of 6 trials left to run, over a search space of 12 combinations" in sentences
    assert "shard 16 of 16; prepare 2 of 2; pretrain 0 of 2; features 0 of 4" in sentences
    assert json.loads(result.to_json())["num_trials_done"] == 2


def test_a_range_makes_the_space_continuous_and_a_whole_number_range_counts_its_stages(
    tiny: Experiment,
) -> None:
    space = {
        "finetune.learning_rate": {"low": 1e-4, "high": 1e-2},
        "finetune.frozen_groups": {"low": 3, "high": 5},
    }
    result = check(changed(tiny, search={"space": space}))
    assert result.num_combinations is None
    assert "a continuous search space" in " ".join(result.sentences())
    assert counts(result.stages)["features"] == (3, 0)


def test_more_folds_than_patients_of_an_outcome_are_refused(tiny: Experiment) -> None:
    with pytest.raises(DataError, match=r"finetune\.folds"):
        check(changed(tiny, finetune={"folds": 9}))


def test_a_lead_that_a_recording_lacks_is_named(tiny: Experiment) -> None:
    cohort = {"manifest": "cohort/cohort.csv", "leads": ["II", "V9"]}
    with pytest.raises(DataError, match=r"sim001 has no lead V9 .*cohort\.leads"):
        check(changed(tiny, cohort=cohort))


def test_a_space_that_cannot_be_searched_is_refused(tiny: Experiment) -> None:
    space = {"pretrain.learning_rate": {"low": 1e-4, "high": 1e-2}}
    with pytest.raises(ConfigError, match=r"pretrain\.learning_rate must be a list"):
        check(changed(tiny, search={"space": space}))


@pytest.mark.parametrize(
    "changes", [{"finetune.model": "qrs"}, {"search.space": {"finetune.model": ["qrs"]}}]
)
def test_simple_models_are_refused_by_check_and_sweep(tiny: Experiment, changes: dict[str, Any]) -> None:
    experiment = override(tiny, changes)
    for refuses in (check, run_sweep):
        with pytest.raises(ConfigError, match=r"finetune\.model must be network in a sweep"):
            refuses(experiment)
    assert not Path(tiny.storage).exists()


def test_hours_and_bytes_are_estimated_from_what_is_not_built(tiny: Experiment) -> None:
    config = changed(tiny)
    whole = check(config).estimate
    assert whole is not None
    assert whole.num_pretrainings == 2
    weights = 4 * (11_170_000 + 21_280_000)  # of ResNet-18 and -34, the head aside
    assert weights * 0.99 < whole.num_bytes < weights * 1.2
    assert 0 < whole.hours < 1
    assert "(2 pre-trainings)" in whole.sentence()
    less = check(changed(tiny, search={"trials": 1, "space": SPACE})).estimate
    assert less is not None and less.num_pretrainings == 1
    assert 0 < less.hours < whole.hours
    # A guess before it is prepared; the number of images afterwards.
    prepare(open_store(config), plan(config, read_sources(config)))
    prepared = check(config).estimate
    assert prepared is not None and prepared.num_bytes == pytest.approx(whole.num_bytes, rel=0.1)


def test_a_trial_that_can_never_be_placed_is_refused(tiny: Experiment) -> None:
    greedy = changed(tiny, resources={"trial": {"cpus": 10_000}})
    with pytest.raises(SweepError, match=r"no node has 10000 CPUs .*; lower resources"):
        check(greedy)
    with pytest.raises(SweepError, match="there are: 64 CPUs, 8 GPUs"):
        check(greedy, nodes=[{"CPU": 64.0, "GPU": 8.0}])
    big = changed(tiny, resources={"trial": {"cpus": 64}})
    assert check(big, nodes=[{"CPU": 2.0}, {"CPU": 64.0}]).num_patients == 12


def test_findings_of_the_recordings_together_are_said(tiny: Experiment, tmp_path: Path) -> None:
    lines = tiny.manifest_path.read_text().splitlines()
    first = next(csv.DictReader(lines))
    again = f"./{first['recording']}"
    for patient, expected in ((first["patient_id"], None), ("somebody else", "under two patients")):
        cells = first | {"recording": again, "patient_id": patient}
        manifest = tiny.manifest_path.parent / f"{tmp_path.name}.csv"
        manifest.write_text("\n".join([*lines, ",".join(cells.values())]) + "\n")
        config = override(changed(tiny), {"cohort.manifest": manifest})
        try:
            if expected is None:
                said = "Found in the recordings: The same signal twice under one patient: rows 2 and 14."
                assert said in check(config).sentences()
            else:
                with pytest.raises(DataError, match=f"rows 2 and 14 of the manifest.*{expected}"):
                    check(config)
        finally:
            manifest.unlink()
