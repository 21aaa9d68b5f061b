"""The learning curves of all folds, read back from the SVG's text and lines."""

import re

import pytest

from crtcore.training.engine.history import EpochReport
from crtcore.training.finetuning.cross_validation import fold_metric
from search.report.drawing.folds import fold_aucs, fold_curves_figure
from tests.search.svg import texts


def report(epoch: int, **metrics: float) -> EpochReport:
    return EpochReport(
        stage="finetune",
        epoch=epoch,
        num_epochs=3,
        metrics={"auc": 0.6, "auc_sd": 0.1, **metrics},
        num_images=8,
        seconds=1.0,
    )


def folds(*values: float) -> dict[str, float]:
    return {fold_metric(0, number): value for number, value in enumerate(values)}


@pytest.mark.parametrize("has_loss", [True, False])
def test_loss_is_drawn_where_there_is_one(has_loss: bool) -> None:
    loss = {"loss": 0.5} if has_loss else {}
    found = texts(fold_curves_figure([report(epoch, **loss) for epoch in ((1, 2, 3) if has_loss else (3,))]))
    assert ("training loss (dashed)" in found) == has_loss
    assert "AUC, mean ± SD over folds" in found


def test_every_fold_has_its_curve() -> None:
    reports = [report(1, **folds(0.4, 0.8, 0.6)), report(2, **folds(0.5, 0.9, 0.4))]
    assert fold_aucs(reports).tolist() == [[0.4, 0.5], [0.8, 0.9], [0.6, 0.4]]
    svg = fold_curves_figure(reports)
    assert "each of 3 folds" in texts(svg)
    without = fold_curves_figure([report(1), report(2)])
    assert len(re.findall("stroke: #999999", svg)) > len(re.findall("stroke: #999999", without)) == 0


def test_a_history_with_means_alone_has_no_curves_of_folds() -> None:
    assert fold_aucs([report(1), report(2)]).shape == (0, 2)
    assert not any("folds" in text and "each" in text for text in texts(fold_curves_figure([report(3)])))
