"""The rules beside a leaderboard."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from crtcore.config import Experiment
from crtcore.data.manifest import Patient
from crtcore.errors import SweepError
from search.cli.tables import rules_table
from search.results.leaderboard import build_leaderboard
from search.results.out_of_fold import AlignedPredictions


def predictions() -> AlignedPredictions:
    return AlignedPredictions(
        patient_ids=("a", "b"),
        label_P=np.array([0, 1]),
        fold_RP=np.array([[0, 1]]),
        score_RPC=np.zeros((1, 2, 1)),
        numbers=(0,),
    )


def test_a_leaderboard_has_the_three_rules(finished: Experiment) -> None:
    board = build_leaderboard(finished.storage, finished.name)
    assert board.rules is not None
    assert [rule.name for rule in board.rules.comparisons] == [
        "guideline",
        "LBBB alone",
        "QRS duration alone",
    ]
    assert board.rules.remarks == ()
    assert set(board.rules.comparisons[1].metrics) >= {"accuracy", "sensitivity", "specificity"}
    assert rules_table(board.rules).row_count == 3
    assert "LBBB alone" in board.to_json()


def test_the_last_sentence_names_simulated_data(finished: Experiment) -> None:
    board = build_leaderboard(finished.storage, finished.name)
    assert board.caveat.startswith("SIMULATED DATA")
    assert board.sentences()[-1] == board.caveat


@contextlib.contextmanager
def rewritten(path: Path, old: str, new: str) -> Iterator[None]:
    """Replace `old` by `new` in a file, and restore the file at the end."""
    kept = path.read_text()
    assert old in kept
    try:
        path.write_text(kept.replace(old, new))
        yield
    finally:
        path.write_text(kept)


def test_a_missing_manifest_becomes_a_remark(finished: Experiment) -> None:
    config = Path(finished.storage) / "sweeps" / finished.name / "config.yaml"
    with rewritten(config, "cohort/cohort.csv", "cohort/gone.csv"):
        board = build_leaderboard(finished.storage, finished.name)
    assert board.rules is not None
    assert board.rules.comparisons == ()
    assert "gone.csv does not exist" in board.rules.remarks[0]


def test_a_rule_without_its_column_becomes_a_remark_that_names_the_column(finished: Experiment) -> None:
    assert finished.data is not None
    with rewritten(finished.data / "cohort" / "cohort.csv", ",lbbb", ",lbbb_unknown"):
        board = build_leaderboard(finished.storage, finished.name)
    assert board.rules is not None
    assert [rule.name for rule in board.rules.comparisons] == ["QRS duration alone"]
    assert "LBBB alone not available: it needs lbbb of every patient in the manifest" in board.rules.remarks


def test_patients_come_in_the_order_of_the_predictions() -> None:
    manifest = [Patient(patient_id=name, label=label) for name, label in (("c", 1), ("b", 1), ("a", 0))]
    assert [patient.patient_id for patient in predictions().in_order(manifest)] == ["a", "b"]


@pytest.mark.parametrize(
    ("manifest", "fault"),
    [
        ([Patient(patient_id="a", label=0)], "patient b is no longer in it"),
        (
            [Patient(patient_id="a", label=1), Patient(patient_id="b", label=1)],
            "patient a has another outcome",
        ),
    ],
)
def test_a_manifest_that_changed_is_refused(manifest: list[Patient], fault: str) -> None:
    with pytest.raises(SweepError, match=fault):
        predictions().in_order(manifest)
