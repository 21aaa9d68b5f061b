"""The verdict in words, for known results."""

import pytest

from crtcore.evaluation.comparators import Comparison
from crtcore.evaluation.delong import PairedTest
from crtcore.evaluation.intervals import Interval
from crtcore.evaluation.permutation import SelectionTest
from crtcore.evaluation.selection import BbcEstimate
from search.report.competitors import Competition
from search.report.verdict import NOT_PRETRAINED, verdict

CASE_MIX = "responder 46, non-responder 25"
NOBODY = Competition(comparisons=(), missing={}, scores={})


def corrected(low: float, high: float = 0.9) -> BbcEstimate:
    return BbcEstimate(
        estimate=0.7,
        low=low,
        high=high,
        standard_error=0.1,
        naive=0.8,
        num_draws=1000,
        num_configurations=9,
        num_patients=71,
    )


def permuted(p_value: float) -> SelectionTest:
    return SelectionTest(best_auc=0.8, chance_mean=0.6, chance_95=0.7, p_value=p_value, num_permutations=2000)


def rival(name: str, auc: float, p_value: float) -> Comparison:
    difference = 0.8 - auc
    return Comparison(
        name=name,
        auc=Interval(estimate=auc, low=auc - 0.1, high=auc + 0.1),
        test=PairedTest(difference=difference, low=difference - 0.1, high=difference + 0.1, p_value=p_value),
        metrics={},
    )


@pytest.mark.parametrize(
    ("low", "p_value", "begins"),
    [
        (0.49, 0.001, "Nothing was found: the interval of the corrected AUC includes 0.5"),
        (0.5, 0.001, "Nothing was found: the interval"),
        (0.55, 0.05, "Nothing was found: with permuted outcomes, the best AUC is as high"),
        (0.55, 0.001, "Better than chance within this cohort."),
    ],
)
def test_something_is_found_only_if_interval_and_permutation_agree(
    low: float, p_value: float, begins: str
) -> None:
    assert verdict(corrected(low), permuted(p_value), NOBODY, case_mix=CASE_MIX, pretrained=True)[
        0
    ].startswith(begins)


def test_an_interval_below_chance_does_not_include_it() -> None:
    said = verdict(corrected(0.2, high=0.4), permuted(0.9), NOBODY, case_mix=CASE_MIX, pretrained=True)[0]
    assert said.startswith("Nothing was found. The interval lies below 0.5: worse than chance.")
    assert "includes 0.5" not in said


def test_the_best_competitor_is_named_with_its_lead() -> None:
    rivals = (rival("age", 0.6, 0.01), rival("QRS", 0.85, 0.5))
    sentences = verdict(
        corrected(0.6),
        permuted(0.01),
        Competition(comparisons=rivals, missing={}, scores={}),
        case_mix=CASE_MIX,
        pretrained=True,
    )
    assert f"new patients of the same source and case mix ({CASE_MIX}" in sentences[1]
    assert "crtsearch validate" in sentences[1]
    assert "The winner beats 1 of 2 competitors at p < 0.05" in sentences[3]
    assert "It is not ahead of the best of them, QRS, with an AUC of 0.850" in sentences[3]
    assert len(sentences) == 4


def test_a_winner_from_scratch_says_nothing_for_transfer_learning() -> None:
    assert (
        verdict(corrected(0.6), permuted(0.01), NOBODY, case_mix=CASE_MIX, pretrained=False)[-1]
        == NOT_PRETRAINED
    )
