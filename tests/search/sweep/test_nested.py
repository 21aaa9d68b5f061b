"""Nested cross-validation, with the trials of a small sweep trained in this process."""

import csv
from pathlib import Path

import numpy as np
import pytest

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.evaluation.metrics import auc
from crtcore.pipeline import plan, read_sources
from search.results.winner import find_winner
from search.sweep.nested import NestedEstimate, run_nested
from tests.search.finished_sweep import finish_sweep


def folders(experiment: Experiment, stage: str) -> set[Path]:
    return set(Path(experiment.storage, "stages", stage).iterdir())


@pytest.fixture(scope="module")
def nested(finished: Experiment) -> tuple[NestedEstimate, list[Experiment], set[Path]]:
    """The estimate, the inner experiments that were run, and the pretrained networks that were built."""
    before, inner = folders(finished, "pretrain"), []

    def search(experiment: Experiment) -> None:
        inner.append(experiment)
        finish_sweep(experiment)

    return run_nested(finished, search=search), inner, folders(finished, "pretrain") - before


def test_inner_sweeps_never_have_the_patients_they_are_scored_on(
    finished: Experiment, nested: tuple[NestedEstimate, list[Experiment], set[Path]]
) -> None:
    estimate, inner, _ = nested
    everyone = {patient.patient_id for patient in read_sources(finished).patients}
    left_out = [everyone - set(each.cohort.patients or ()) for each in inner]
    assert len(inner) == finished.finetune.folds
    assert left_out[0].isdisjoint(left_out[1])
    assert set.union(*left_out) == everyone == set(estimate.scores)
    for each in inner:
        predictions = find_winner(each.storage, each.name).leaderboard.predictions
        assert predictions is not None
        assert set(predictions.patient_ids) == set(each.cohort.patients or ())


def test_the_aucs_are_computed_from_the_scores(
    finished: Experiment, nested: tuple[NestedEstimate, list[Experiment], set[Path]]
) -> None:
    estimate, inner, _ = nested
    label = {patient.patient_id: patient.label for patient in read_sources(finished).patients}
    for fold, each in zip(estimate.folds, inner, strict=True):
        ids = sorted(set(label) - set(each.cohort.patients or ()))
        score = np.array([estimate.scores[name] for name in ids])
        assert fold.auc == auc(np.array([label[name] for name in ids]), score)
        assert fold.sweep == each.name
    assert estimate.auc == pytest.approx(np.mean([fold.auc for fold in estimate.folds]))
    assert estimate.pooled.low <= estimate.pooled.estimate <= estimate.pooled.high
    assert f"AUC {estimate.auc:.3f} ± {estimate.auc_sd:.3f} over 2 outer folds" in estimate.sentences()[0]


def test_pretraining_is_shared_with_the_sweep(
    nested: tuple[NestedEstimate, list[Experiment], set[Path]],
) -> None:
    assert nested[2] == set()


def test_outcomes_of_the_scored_patients_have_no_influence(
    finished: Experiment, nested: tuple[NestedEstimate, list[Experiment], set[Path]], tmp_path: Path
) -> None:
    """If their outcomes are swapped, the winner of fold 0 has exactly the same stages."""
    first = nested[1][0]
    winner = find_winner(first.storage, first.name)
    with finished.manifest_path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        if row["patient_id"] not in (first.cohort.patients or ()):
            row["label"] = str(1 - int(row["label"]))
    (tmp_path / "records").symlink_to(finished.manifest_path.parent / "records")
    with (tmp_path / "cohort.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    turned = override(winner.experiment, {"cohort.manifest": tmp_path / "cohort.csv"})
    assert plan(turned, read_sources(turned)) == winner.plan
