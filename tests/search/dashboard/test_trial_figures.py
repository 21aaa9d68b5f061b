"""The figures of a trial, read back from the text of their SVG."""

import numpy as np

from crtcore.evaluation.delong import auc_interval
from search.dashboard.trial_figures import confusion_figure, roc_with_interval
from tests.search.svg import texts

LABEL_P = np.array([0] * 10 + [1] * 10)
SCORE_P = np.concatenate([np.linspace(0.1, 0.6, 10), np.linspace(0.4, 0.9, 10)])


def test_roc_names_the_auc_with_delongs_interval_and_shades_a_band() -> None:
    svg = roc_with_interval(LABEL_P, SCORE_P, 5)
    interval = auc_interval(LABEL_P, SCORE_P, num_folds=5)
    label = f"pooled AUC {interval.estimate:.3f} ({interval.low:.3f} to {interval.high:.3f})"
    assert label in texts(svg)
    assert "opacity: 0.15" in svg
    assert svg == roc_with_interval(LABEL_P, SCORE_P, 5)


def test_the_confusion_matrix_counts_patients_at_a_probability_of_one_half() -> None:
    found = texts(confusion_figure(LABEL_P, SCORE_P, ("ill", "well")))
    false_alarms = int((SCORE_P[:10] >= 0.5).sum())
    missed = int((SCORE_P[10:] < 0.5).sum())
    assert "20 patients" in found
    counts = [int(text) for text in found if text.isdigit()]
    assert counts == [10 - false_alarms, false_alarms, missed, 10 - missed]


def test_class_names_with_dollar_signs_are_drawn_as_they_are() -> None:
    svg = confusion_figure(np.array([0, 1]), np.array([0.1, 0.9]), ("cost $100", "$\\frac{$"))
    assert "cost $100" in texts(svg) and "$\\frac{$" in texts(svg)
