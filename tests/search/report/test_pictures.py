"""The report's figures with their captions, of a sweep that was really trained."""

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from crtcore.config import Experiment
from crtcore.configfile import override
from search.report.competitors import Competition, compete
from search.report.pictures import all_figures
from search.results.winner import Winner, find_winner
from tests.search.svg import images, texts


@pytest.fixture(scope="module")
def winner(finished: Experiment) -> Winner:
    return find_winner(finished.storage, finished.name)


@pytest.fixture(scope="module")
def competition(winner: Winner) -> Competition:
    return compete(winner, winner.predictions.in_order(winner.sources.patients))


def test_every_figure_is_an_svg_element_with_a_caption(winner: Winner, competition: Competition) -> None:
    figures = all_figures(winner, competition, lambda what, done, total: None)
    expected = {"roc", "calibration", "decision", "learning", "folds", "parallel", "spectrograms", "grad_cam"}
    assert expected <= set(figures) <= expected | {"importance"}
    for figure in figures.values():
        assert ElementTree.fromstring(figure.svg).tag.endswith("svg")
        assert figure.caption.endswith((".", ")."))
    assert f"trial {winner.row.number}, is red" in figures["learning"].caption
    assert winner.base.cohort.class_names[1] in figures["grad_cam"].caption
    assert len(images(figures["spectrograms"].svg)) == len(images(figures["grad_cam"].svg)) == 6 * 2


def test_the_roc_has_the_best_competitors_and_the_decision_curve_the_yes_no_rules(
    winner: Winner, competition: Competition
) -> None:
    figures = all_figures(winner, competition, lambda what, done, total: None)
    best_first = sorted(competition.comparisons, key=lambda other: -other.auc.estimate)
    shown = [text for text in texts(figures["roc"].svg) if text in competition.scores]
    assert shown == [other.name for other in best_first[:5]]
    decided = [text for text in texts(figures["decision"].svg) if text in competition.scores]
    assert decided == ["guideline", "LBBB alone"]


@pytest.mark.parametrize(
    ("changes", "left_out"),
    [
        ({"pretrain.architecture": "resnet1d", "pretrain.objective": "none"}, {"spectrograms", "grad_cam"}),
        ({"finetune.head": "svm", "finetune.frozen_groups": 5}, {"grad_cam"}),
    ],
)
def test_figures_that_the_network_does_not_allow_are_left_out(
    winner: Winner, competition: Competition, changes: dict[str, object], left_out: set[str]
) -> None:
    other = replace(winner, experiment=override(winner.experiment, changes))
    figures = all_figures(other, competition, lambda what, done, total: None)
    assert {"spectrograms", "grad_cam"} - set(figures) == left_out
