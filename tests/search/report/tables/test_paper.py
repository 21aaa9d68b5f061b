"""Table 2: the paper's numbers, whole, beside those of rows that are known."""

import numpy as np

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.evaluation.comparators import Comparator, compare
from search.report.tables.paper import PAPER, paper_table
from tests.search.known_rows import board, row

LABELS = np.array([1, 1, 1, 0, 0])


def test_each_network_has_its_best_trial_beside_the_paper(finished: Experiment) -> None:
    pretrained = override(finished, {"pretrain.objective": "aami5", "pretrain.depth": 50})
    table = paper_table(
        board(
            row(4, {"pretrain.depth": 50}, auc=0.9),
            row(2, {"pretrain.depth": 50}, auc=0.8),
            row(3, {"pretrain.depth": 34, "pretrain.objective": "none"}),
            row(1, {"pretrain.depth": 101}, state="PRUNED"),
        ),
        pretrained,
        (),
    )
    rows = {name: cells for name, *cells in table.rows}
    assert rows["ResNet-50"] == [
        "not in this sweep",
        "0.612 ± 0.012 / 0.53 ± 0.015 / 0.73 ± 0.012",
        "0.700 / 0.800 / 0.600; AUC 0.900 ± 0.050",
        "0.721 ± 0.015 / 0.783 ± 0.011 / 0.792 ± 0.017",
    ]
    assert rows["ResNet-34"][0] == "0.700 / 0.800 / 0.600; AUC 0.750 ± 0.050"
    assert rows["ResNet-34"][1:] == ["not given", "not in this sweep", "not given"]
    assert rows["ResNet-101"] == [
        "not in this sweep",
        "0.629 ± 0.012 / 0.531 ± 0.016 / 0.732 ± 0.013",
        "not in this sweep",  # it was pruned
        "0.693 ± 0.015 / 0.674 ± 0.011 / 0.748 ± 0.013",
    ]


def test_the_guideline_and_plain_models_stand_beside_those_of_the_paper(finished: Experiment) -> None:
    guideline = Comparator(name="guideline", score_P=np.array([1.0, 1.0, 0.0, 1.0, 0.0]))
    forest = Comparator(
        name="random forest on clinical variables",
        trained=True,
        score_P=np.array([0.9, 0.8, 0.7, 0.6, 0.2]),
    )
    competitors = compare(LABELS, np.array([0.9, 0.8, 0.7, 0.1, 0.2]), [guideline, forest])
    rows = {name: cells for name, *cells in paper_table(board(), finished, competitors).rows}
    assert rows["guideline"] == ["0.600 / 0.667 / 0.500", "0.6 / 0.93 / 0.038", "", ""]
    assert rows["SVM"][:2] == ["not available", "0.58 ± 0.014 / 0.8 ± 0.016 / 0.333 ± 0.011"]
    assert rows["random forest"][:2] == [
        "0.800 / 1.000 / 0.500",
        "0.58 ± 0.014 / 0.91 ± 0.017 / 0.125 ± 0.015",
    ]


def test_every_number_of_the_paper_is_shown(finished: Experiment) -> None:
    cells = [cell for cells in paper_table(board(), finished, ()).rows for cell in cells]
    assert set(PAPER.values()) <= set(cells)


def test_a_network_on_waveforms_has_its_own_row(finished: Experiment) -> None:
    params = {"pretrain.architecture": "resnet1d", "pretrain.depth": 18, "pretrain.objective": "none"}
    names = [cells[0] for cells in paper_table(board(row(0, params)), finished, ()).rows]
    assert "1-D ResNet-18" in names
