"""The leaderboard of real studies and stage stores, with small tables of predictions."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from crtcore.errors import StorageError, SweepError
from crtcore.evaluation.metrics import auc, classification
from crtcore.evaluation.selection import bbc_cv
from crtcore.stages.stage import Stage
from crtcore.stages.store import StageStore
from crtcore.training.finetuning.predictions import OutOfFold, encode_out_of_fold
from search.results.leaderboard import DRAWS_SEED, build_leaderboard
from search.study.attributes import DATA_FINDINGS
from search.study.study import open_study

LABELS = np.array([1] * 12 + [0] * 8)
PATIENTS = [f"p{number:02}" for number in range(20)]
SPACE: dict[str, BaseDistribution] = {
    "pretrain.depth": CategoricalDistribution([18, 34]),
    "finetune.learning_rate": FloatDistribution(1e-5, 1.0, log=True),
}


class Sweep:
    """A sweep named `test` with its own storage. Its methods add trials."""

    def __init__(self, folder: Path) -> None:
        self.storage = str(folder / "storage")
        self.store = StageStore(self.storage, cache=folder / "cache")
        self.study = open_study(self.storage, "test", create=True)

    def complete(
        self,
        learning_rate: float,
        score_RP: np.ndarray[Any, Any],
        *,
        patients: list[str] = PATIENTS,
        fold_P: np.ndarray[Any, Any] | None = None,
    ) -> float:
        """A complete trial whose predictions are `score_RP` (repeats, patients); returns its AUC."""
        num_repeats, num_patients = score_RP.shape
        folds = np.arange(num_patients) % 5 if fold_P is None else fold_P
        stage = Stage(name="finetune", config={"learning_rate": learning_rate}, inputs=("x",), version=1)
        found = OutOfFold(
            id_P=np.array(patients),
            label_P=LABELS,
            fold_RP=np.tile(folds, (num_repeats, 1)),
            score_RP=score_RP,
        )
        files = encode_out_of_fold(found, num_beats_P=np.ones(num_patients, np.int64), num_leads=1)
        value = float(np.mean([auc(LABELS, score_P) for score_P in score_RP]))
        facts = {
            "auc": value,
            "auc_sd": 0.05,
            "pooled_auc": value,
            **classification(LABELS, score_RP.mean(axis=0)),
            "num_patients": num_patients,
            "num_beats": 1234,
            "num_images": 14808,
            "seconds": 2.5,
        }
        self.store.commit(stage, files, facts)
        self.add(TrialState.COMPLETE, learning_rate, {1: 0.5, 2: value}, stage=stage)
        return value

    def add(
        self,
        state: TrialState,
        learning_rate: float,
        curve: dict[int, float],
        *,
        stage: Stage | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        digests = {"pretrain": "a" * 20, "features": None, "finetune": stage.digest if stage else "b" * 20}
        self.study.add_trial(
            create_trial(
                state=state,
                value=curve[max(curve)] if state == TrialState.COMPLETE else None,
                params={"pretrain.depth": 18, "finetune.learning_rate": learning_rate},
                distributions=SPACE,
                intermediate_values=curve,
                user_attrs={"stages": digests, "seconds": 3.5, **(attributes or {})},
            )
        )


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return Sweep(tmp_path)


def scores(seed: int, *, signal: float = 0.0, num_repeats: int = 1) -> np.ndarray[Any, Any]:
    noise_RP = np.random.default_rng(seed).random((num_repeats, len(LABELS)))
    return noise_RP + signal * LABELS


def test_complete_trials_come_by_auc_then_number_and_the_others_after_them(sweep: Sweep) -> None:
    good = scores(1, signal=0.4)
    sweep.add(TrialState.PRUNED, 0.5, {1: 0.4, 2: 0.99})
    sweep.add(TrialState.FAIL, 0.6, {}, attributes={"reason": "the node was lost"})
    poor_auc = sweep.complete(0.1, scores(0))
    good_auc = sweep.complete(0.2, good)
    sweep.complete(0.3, good)
    sweep.add(TrialState.RUNNING, 0.7, {1: float("nan")})
    board = build_leaderboard(sweep.storage, "test")
    assert [(row.number, row.state) for row in board.rows] == [
        (3, "COMPLETE"),
        (4, "COMPLETE"),
        (2, "COMPLETE"),
        (0, "PRUNED"),
        (5, "RUNNING"),
        (1, "FAIL"),
    ]
    assert [row.auc for row in board.rows] == [good_auc, good_auc, poor_auc, None, None, None]
    assert board.best is board.rows[0]
    assert (board.rows[3].last_auc, board.rows[3].num_epochs) == (0.99, 2)
    assert board.rows[4].last_auc is None
    assert board.rows[5].reason == "the node was lost"


def test_the_corrected_estimate_is_bbc_cv_over_the_complete_trials_in_order_of_number(sweep: Sweep) -> None:
    tables = [scores(seed, signal=0.2) for seed in range(4)]
    for number, table in enumerate(tables):
        sweep.complete(0.01 * (number + 1), table)
    sweep.add(TrialState.PRUNED, 0.5, {1: 0.99})
    board = build_leaderboard(sweep.storage, "test")
    expected = bbc_cv(LABELS, np.stack([table[0] for table in tables], axis=1), num_folds=5, seed=DRAWS_SEED)
    assert board.corrected == expected
    assert expected.low < expected.estimate < expected.high


def test_trials_that_share_a_finetune_stage_are_one_configuration(sweep: Sweep) -> None:
    for learning_rate, seed in ((0.1, 0), (0.2, 1), (0.1, 0)):
        sweep.complete(learning_rate, scores(seed))
    board = build_leaderboard(sweep.storage, "test")
    assert len(board.rows) == 3
    assert board.corrected is not None
    assert board.corrected.num_configurations == 2


def test_a_patient_s_score_is_the_mean_over_repeats(sweep: Sweep) -> None:
    score_RP = scores(0, signal=0.3, num_repeats=3)
    sweep.complete(0.1, score_RP)
    board = build_leaderboard(sweep.storage, "test")
    assert board.corrected == bbc_cv(LABELS, score_RP.mean(axis=0)[:, None], num_folds=5, seed=DRAWS_SEED)
    assert board.corrected.naive == pytest.approx(auc(LABELS, score_RP.mean(axis=0)))


@pytest.mark.parametrize("column", ["patient_id", "fold"])
def test_scores_on_other_patients_or_folds_do_not_compare(sweep: Sweep, column: str) -> None:
    sweep.complete(0.1, scores(0))
    if column == "fold":
        sweep.complete(0.2, scores(1), fold_P=np.arange(20) % 4)
    else:
        sweep.complete(0.2, scores(1), patients=[*PATIENTS[:-1], "stranger"])
    with pytest.raises(SweepError, match=f"trials 0 and 1 were scored .*column {column} .*under a new name"):
        build_leaderboard(sweep.storage, "test")


def test_a_complete_trial_without_its_stage_is_a_storage_error(sweep: Sweep) -> None:
    sweep.add(TrialState.COMPLETE, 0.1, {1: 0.7})
    with pytest.raises(StorageError, match=r"trial 0 is complete but its stage finetune/b+ is not in "):
        build_leaderboard(sweep.storage, "test")


def test_an_unknown_sweep_is_a_sweep_error(tmp_path: Path) -> None:
    with pytest.raises(SweepError, match="nowhere"):
        build_leaderboard(str(tmp_path / "storage"), "nowhere")


def test_a_sweep_without_a_complete_trial_has_no_winner(sweep: Sweep) -> None:
    sweep.add(TrialState.PRUNED, 0.1, {1: 0.6})
    board = build_leaderboard(sweep.storage, "test")
    assert board.best is None
    assert board.corrected is None
    assert board.sentences() == ("No trial of test is complete yet (1 pruned).",)


def test_the_sentences_name_patients_beats_images_and_both_estimates(sweep: Sweep) -> None:
    value = sweep.complete(0.1, scores(0, signal=0.3))
    board = build_leaderboard(sweep.storage, "test")
    best, corrected, _ = board.sentences()
    assert board.corrected is not None
    assert f"trial 0, AUC {value:.3f} ± 0.050" in best
    assert "20 patients, 1,234 beats and 14,808 images" in best
    assert f"AUC {board.corrected.estimate:.3f}, 95 % interval" in corrected
    assert f"{board.corrected.naive:.3f}" in corrected


@pytest.mark.parametrize(("signal", "is_shown"), [(0.0, True), (2.0, False)])
def test_the_sentences_say_if_better_than_chance_is_not_shown(
    sweep: Sweep, signal: float, is_shown: bool
) -> None:
    sweep.complete(0.1, scores(0, signal=signal))
    _, corrected, _ = build_leaderboard(sweep.storage, "test").sentences()
    assert ("better than chance is not shown" in corrected) is is_shown


def test_json_holds_every_row_and_the_estimate(sweep: Sweep) -> None:
    sweep.complete(0.1, scores(0, signal=0.3))
    sweep.add(TrialState.FAIL, 0.2, {}, attributes={"reason": "diverged"})
    board = build_leaderboard(sweep.storage, "test")
    content = json.loads(board.to_json())
    assert board.corrected is not None
    assert content["best"] == 0
    assert content["corrected"]["estimate"] == board.corrected.estimate
    assert [row["state"] for row in content["rows"]] == ["COMPLETE", "FAIL"]
    assert content["rows"][0]["params"] == {"pretrain.depth": 18, "finetune.learning_rate": 0.1}
    assert content["rows"][0]["counts"] == {"num_patients": 20, "num_beats": 1234, "num_images": 14808}
    assert content["rows"][1]["reason"] == "diverged"


def test_an_interval_below_chance_is_called_worse_than_chance(sweep: Sweep) -> None:
    sweep.complete(0.1, scores(0, signal=-3.0))
    said = " ".join(build_leaderboard(sweep.storage, "test").sentences())
    assert "The interval lies below 0.5: worse than chance." in said
    assert "includes 0.5" not in said


def test_what_was_found_in_the_recordings_is_said_and_older_studies_say_nothing(sweep: Sweep) -> None:
    sweep.complete(0.1, scores(0))
    before = build_leaderboard(sweep.storage, "test")
    assert before.findings is None
    DATA_FINDINGS.write(sweep.study, ["Implausible amplitude: row 6 (II spans 31 mV)."])
    after = build_leaderboard(sweep.storage, "test")
    assert after.sentences() == (
        *before.sentences(),
        "Found in the recordings: Implausible amplitude: row 6 (II spans 31 mV).",
    )
    assert json.loads(after.to_json())["findings"] == ["Implausible amplitude: row 6 (II spans 31 mV)."]
