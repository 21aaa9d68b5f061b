"""The figures of a sweep, read back from their text and lines."""

from collections.abc import Sequence

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from search.report.drawing.style import OTHER_COLOURS, WINNER_COLOUR
from search.report.drawing.sweep import curves_of, importance_figure, learning_figure, parallel_figure
from search.study.study import Direction
from tests.search.svg import areas, lines, texts


def study(values: Sequence[float], directions: Sequence[Direction] = ("maximize",)) -> optuna.Study:
    """Complete trials whose value depends on the learning rate alone, and a pruned one."""
    made = optuna.create_study(directions=list(directions))
    for number, value in enumerate(values):
        made.add_trial(
            create_trial(
                values=[value] * len(directions),
                params={"finetune.learning_rate": 10**-value, "pretrain.depth": (18, 34)[number % 2]},
                distributions={
                    "finetune.learning_rate": FloatDistribution(1e-3, 1.0, log=True),
                    "pretrain.depth": CategoricalDistribution((18, 34)),
                },
                intermediate_values={2: value, 1: 0.5},
            )
        )
    made.add_trial(create_trial(state=TrialState.PRUNED, values=None))
    return made


def test_curves_are_by_epoch_and_only_of_trials_that_reported() -> None:
    found = curves_of(study([0.6, 0.7]).get_trials(deepcopy=False))
    assert found == {0: {1: 0.5, 2: 0.6}, 1: {1: 0.5, 2: 0.7}}
    assert [list(curve) for curve in found.values()] == [[1, 2], [1, 2]]


def test_the_winner_is_the_only_red_learning_curve() -> None:
    svg = learning_figure({0: {1: 0.5, 2: 0.6}, 1: {1: 0.5, 2: 0.7, 3: 0.8}, 2: {1: 0.4}}, winner=1)
    assert [len(line) for line in lines(svg, WINNER_COLOUR) if line[0, 0] != line[-1, 0]] == [3]
    assert "AUC, mean over folds" in texts(svg)


def test_importance_names_each_hyperparameter_and_the_one_that_matters_has_the_longest_bar() -> None:
    svg = importance_figure(study([0.6, 0.65, 0.7, 0.75, 0.8, 0.85]))
    assert svg is not None
    assert {"finetune.learning_rate", "pretrain.depth"} <= set(texts(svg))
    bars = areas(svg, OTHER_COLOURS[0])
    assert len(bars) == 2
    # The most important one is at the top.
    top, bottom = sorted(bars, key=lambda bar: bar[:, 1].min())
    assert top[:, 0].max() > bottom[:, 0].max()
    assert [text for text in texts(svg) if "." in text and text[0].isalpha()][-1] == "finetune.learning_rate"


@pytest.mark.parametrize("values", [[], [0.7], [0.7, 0.7]])
def test_importance_needs_two_trials_that_differ(values: list[float]) -> None:
    assert importance_figure(study(values)) is None


@pytest.mark.parametrize("directions", [("maximize",), ("maximize", "minimize")])
def test_parallel_coordinates_have_an_axis_for_each_hyperparameter(directions: tuple[Direction, ...]) -> None:
    svg = parallel_figure(study([0.6, 0.7, 0.8], directions))
    assert svg is not None
    found = texts(svg)
    assert {"AUC", "pretrain.depth"} <= set(found)
    assert any(text.startswith("finetune.learning") for text in found)  # Optuna shortens long names


def test_parallel_coordinates_need_two_complete_trials() -> None:
    assert parallel_figure(study([0.7])) is None
