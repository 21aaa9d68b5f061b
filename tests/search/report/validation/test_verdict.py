"""The validation in words, for results that are chosen."""

import math
from dataclasses import replace
from typing import Any

import pytest

from crtcore.evaluation.cohort_difference import Difference
from crtcore.evaluation.intervals import Interval
from search.report.validation.verdict import NOT_CHECKED, NOT_COMPARED, validation_verdict
from search.results.validation import Refusal, Validation


def with_auc(found: Validation, estimate: float, low: float, high: float, **changes: Any) -> Validation:
    auc = Interval(estimate=estimate, low=low, high=high)
    return replace(found, performance=replace(found.performance, auc=auc), **changes)


EXPECTED = {"corrected_auc": {"estimate": 0.8, "low": 0.6, "high": 0.9}}


@pytest.mark.parametrize(
    ("auc", "first", "second"),
    [
        ((0.9, 0.85, 0.95), "better than chance.", "does better here than expected"),
        ((0.7, 0.55, 0.85), "better than chance.", "interval here includes the expected AUC"),
        ((0.5, 0.4, 0.6), "not shown to be better than chance", "The model loses here"),
        ((0.3, 0.2, 0.4), "worse than chance", "The model loses here"),
    ],
)
def test_the_auc_is_judged_against_chance_and_what_was_expected(
    validated: Validation, auc: tuple[float, float, float], first: str, second: str
) -> None:
    sentences = validation_verdict(with_auc(validated, *auc, model_card=EXPECTED))
    assert first in sentences[0]
    assert second in sentences[1]
    assert "Its sweep expects 0.800 (0.600 to 0.900)" in sentences[1]


def test_counts_at_the_threshold_are_named(validated: Validation) -> None:
    at, total = validated.performance.at_threshold, validated.performance.num_positive
    text = " ".join(validation_verdict(validated))
    assert f"it calls {at.true_positive} of {total} patients with label 1 (responder) right" in text


def test_the_largest_differences_come_first_without_their_units(validated: Validation) -> None:
    chosen = tuple(
        Difference(name=name, training=None, here=None, standardised=value)
        for name, value in (("ksqi", -0.7), ("amplitude_mv", 0.2), ("sampling_rate_hz", -math.inf))
    )
    text = " ".join(validation_verdict(replace(validated, cohort_differences=chosen)))
    assert "half an SD or more in: sampling rate, kSQI." in text
    none = " ".join(validation_verdict(replace(validated, cohort_differences=chosen[1:2])))
    assert "In no variable do these patients differ" in none


def test_what_an_old_bundle_lacks_is_said(validated: Validation) -> None:
    old = validation_verdict(replace(validated, cohort_differences=None, was_checked_for_leaks=False))
    assert NOT_CHECKED in old
    assert NOT_COMPARED in old
    assert NOT_CHECKED not in validation_verdict(validated)


def test_refusals_are_counted_by_reason(validated: Validation) -> None:
    refused = tuple(Refusal(row=place, patient=place, reason="flagged flat") for place in (2, 3))
    text = " ".join(validation_verdict(replace(validated, refused=refused)))
    assert "2 of 24 recordings were refused (2 flagged flat)" in text


def test_findings_and_the_small_number_of_patients_are_said(validated: Validation) -> None:
    text = " ".join(validation_verdict(replace(validated, findings=("A copy: rows 2 and 3.",))))
    assert "Found in the recordings: A copy: rows 2 and 3." in text
    assert "have the rarer outcome. A sound validation has 100 of each" in text
