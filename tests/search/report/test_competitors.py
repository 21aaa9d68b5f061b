"""The winner against its competitors, on a sweep that was really trained."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.evaluation.delong import paired_test
from crtcore.pipeline import plan
from search.report.competitors import FROM_SCRATCH, Competition, backbones, compete, patient_means
from search.results.winner import Winner, find_winner


@pytest.fixture(scope="module")
def winner(finished: Experiment) -> Winner:
    return find_winner(finished.storage, finished.name)


@pytest.fixture(scope="module")
def competition(winner: Winner) -> Competition:
    return compete(winner, winner.predictions.in_order(winner.sources.patients))


def from_scratch(winner: Winner) -> Winner:
    """The same sweep with the trial of the random backbone as the winner."""
    row = next(row for row in winner.leaderboard.rows if row.params["pretrain.objective"] == "none")
    experiment = override(winner.base, row.params)
    return replace(winner, row=row, experiment=experiment, plan=plan(experiment, winner.sources))


def test_each_competitor_is_compared_with_the_winner_on_the_same_patients(
    winner: Winner, competition: Competition
) -> None:
    predictions = winner.predictions
    assert [other.name for other in competition.comparisons] == list(competition.scores)
    for other in competition.comparisons:
        score_P = competition.scores[other.name]
        assert score_P.shape == predictions.label_P.shape
        assert other.test == paired_test(
            predictions.label_P, winner.scores(), score_P, num_folds=predictions.num_folds
        )


def test_pixels_are_scored_out_of_fold(winner: Winner, competition: Competition) -> None:
    """Compared with a direct computation: the mean image of each patient, in blocks of 4 x 4 pixels."""
    predictions, images = winner.predictions, winner.images
    pixel_PD = np.stack(
        [
            images.image_NFT[images.patient_N == name]
            .reshape(-1, 2, 16, 4, 16, 4)
            .mean(axis=(3, 5))
            .mean(axis=0)
            .ravel()
            for name in predictions.patient_ids
        ]
    )
    expected_P = np.empty(len(pixel_PD))
    (fold_P,) = predictions.fold_RP
    for fold in np.unique(fold_P):
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
        model.fit(pixel_PD[fold_P != fold], predictions.label_P[fold_P != fold])
        expected_P[fold_P == fold] = model.predict_proba(pixel_PD[fold_P == fold])[:, 1]
    assert competition.scores["logistic regression on image pixels"] == pytest.approx(expected_P, abs=1e-6)


def test_the_best_network_from_scratch_is_a_competitor_of_a_pretrained_winner(
    winner: Winner, competition: Competition
) -> None:
    column = winner.predictions.numbers.index(2)
    expected_P = winner.predictions.scores()[:, column]
    assert (competition.scores[f"{FROM_SCRATCH} (trial 2)"] == expected_P).all()
    assert FROM_SCRATCH not in competition.missing


def test_without_such_a_trial_the_network_from_scratch_is_missing(winner: Winner) -> None:
    board = winner.leaderboard
    rows = tuple(row for row in board.rows if row.params["pretrain.objective"] != "none")
    alone = replace(winner, leaderboard=replace(board, rows=rows))
    found = compete(alone, winner.predictions.in_order(winner.sources.patients))
    assert found.missing[FROM_SCRATCH] == "a complete trial with pretrain.objective none in this sweep"


def test_a_winner_from_scratch_has_only_the_random_backbone(winner: Winner) -> None:
    scratch = from_scratch(winner)
    assert list(backbones(scratch)) == ["a random backbone's features"]
    assert list(backbones(winner)) == ["the winner's deep features", "a random backbone's features"]
    found = compete(scratch, winner.predictions.in_order(winner.sources.patients))
    assert not [name for name in (*found.scores, *found.missing) if FROM_SCRATCH in name]


def test_qrs_area_is_missing_if_one_recording_cannot_be_measured(winner: Winner, tmp_path: Path) -> None:
    flat = tmp_path / "flat.npz"
    leads = np.array(["I", "II", "V1", "V2", "V3", "V4", "V5", "V6"])
    np.savez(flat, signal=np.zeros((8, 5000), np.float32), leads=leads, sampling_rate_hz=500.0)
    first, *others = winner.sources.cohort
    sources = replace(winner.sources, cohort=(replace(first, path=flat), *others))
    found = compete(replace(winner, sources=sources), winner.predictions.in_order(winner.sources.patients))
    assert any(name.startswith("QRS area alone") for name in found.missing)


def test_means_are_by_patient_with_leads_side_by_side(winner: Winner) -> None:
    images = winner.images
    value_ND = np.arange(2.0 * images.num_images).reshape(-1, 2)
    name = str(images.patient_N[0])
    (mean,) = patient_means(images, value_ND, (name,))
    rows = np.flatnonzero(images.patient_N == name)  # beat-major, two leads
    expected = [value_ND[rows[0::2]].mean(axis=0), value_ND[rows[1::2]].mean(axis=0)]
    assert mean == pytest.approx(np.concatenate(expected))
