"""The whole report of a sweep that was really trained."""

import base64
import csv
import json
import math
import re
from pathlib import Path

import pytest

from crtcore.config import Experiment
from crtcore.errors import SweepError
from search.report.page import PAGE, RESULTS, write_report
from search.results.leaderboard import build_leaderboard
from search.study.study import open_study


@pytest.fixture(scope="module")
def folder(finished: Experiment) -> Path:
    page = write_report(finished.storage, finished.name)
    assert page.name == PAGE
    return page.parent


def test_the_page_is_self_contained_and_names_simulated_data(folder: Path) -> None:
    page = (folder / PAGE).read_text()
    assert "SIMULATED DATA" in page
    fetched = re.findall(r'(?:src|href)="([^"]{0,40})', page)
    assert fetched
    assert all(address.startswith("data:") for address in fetched)
    assert "http" not in re.sub(r'src="data:[^"]*"', "", page)
    figures = ("roc", "calibration", "decision", "learning", "folds", "spectrograms", "grad_cam")
    for anchor in (*figures, "tripod"):
        assert f'id="{anchor}"' in page


def test_the_page_says_both_estimates_in_words(finished: Experiment, folder: Path) -> None:
    corrected = build_leaderboard(finished.storage, finished.name).corrected
    assert corrected is not None
    page = (folder / PAGE).read_text()
    assert f"all patients pooled, is {corrected.naive:.3f}. Corrected for picking" in page
    assert (
        f"{corrected.estimate:.3f} (95 % interval {corrected.low:.3f} to {corrected.high:.3f}, BBC-CV)"
        in page
    )


def test_every_competitor_has_scores_or_says_what_it_lacks(folder: Path) -> None:
    results = json.loads((folder / RESULTS).read_text())
    names = [other["name"] for other in results["competitors"]]
    for name in ("guideline", "LBBB alone", "QRS duration alone", "logistic regression on image pixels"):
        assert name in names
    assert "the best network from scratch (trial 2)" in names
    assert sum("random backbone" in name for name in names) == 3
    assert sum("the winner's deep features" in name for name in names) == 3
    with (folder / "competitors.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(names) + len(results["not_available"])


def test_no_patient_is_named(finished: Experiment, folder: Path) -> None:
    predictions = build_leaderboard(finished.storage, finished.name).predictions
    assert predictions is not None
    page = (folder / PAGE).read_text()
    shown = page + "".join(
        base64.b64decode(image).decode()
        for image in re.findall(r'src="data:image/svg\+xml;base64,([^"]*)"', page)
    )
    assert "patient 01" in shown or "patient 02" in shown or "patient 03" in shown
    assert not [patient_id for patient_id in predictions.patient_ids if patient_id in shown]


def test_the_results_hold_no_nan_and_agree_with_the_leaderboard(finished: Experiment, folder: Path) -> None:
    results = json.loads((folder / RESULTS).read_text(), parse_constant=pytest.fail)
    board = build_leaderboard(finished.storage, finished.name)
    assert board.best is not None
    assert results["winner"]["auc"] == board.best.auc
    assert results["simulated_data"] is True
    assert results["performance"]["over_folds"]["auc"]["mean"] == pytest.approx(board.best.auc, abs=1e-12)
    assert math.isfinite(results["hours_saved"])


def test_metrics_by_beat_are_in_their_own_table(folder: Path) -> None:
    with (folder / "beats.csv").open() as stream:
        reader = csv.DictReader(stream)
        rows = {row["metric"]: row for row in reader}
    assert reader.fieldnames == ["metric", "by beat, over folds, mean ± SD"]
    results = json.loads((folder / RESULTS).read_text())
    found = results["by_beat"]["auc"]
    assert rows["AUC"]["by beat, over folds, mean ± SD"] == f"{found['mean']:.3f} ± {found['sd']:.3f}"
    assert "by image, not by patient (24 beats, 48 images)" in (folder / PAGE).read_text()


def test_table_2_shows_the_paper_beside_this_sweep(folder: Path) -> None:
    with (folder / "table2_networks.csv").open() as stream:
        rows = {row["model"]: row for row in csv.DictReader(stream)}
    assert rows["ResNet-50"]["pretrained, paper"] == "0.721 ± 0.015 / 0.783 ± 0.011 / 0.792 ± 0.017"
    assert "AUC" in rows["ResNet-18"]["general, here"]
    assert "AUC" in rows["ResNet-18"]["pretrained, here"]
    assert rows["ResNet-18"]["pretrained, paper"] == "0.684 ± 0.012 / 0.6 ± 0.015 / 0.778 ± 0.018"


def test_a_sweep_without_a_winner_has_no_report(tmp_path: Path) -> None:
    open_study(str(tmp_path / "storage"), "young", create=True)
    with pytest.raises(SweepError, match="No trial of young is complete yet"):
        write_report(str(tmp_path / "storage"), "young")
    assert not list(tmp_path.rglob(PAGE))
