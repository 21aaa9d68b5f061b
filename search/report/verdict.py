"""The result in words: what the search found, and what that is worth."""

from typing import Final

from crtcore.evaluation.permutation import SelectionTest
from crtcore.evaluation.selection import BbcEstimate
from search.report.competitors import Competition
from search.results.leaderboard import WORSE_THAN_CHANCE

SMALL_P: Final = 0.05
NOT_PRETRAINED: Final = (
    "The winner's network was not pre-trained, so this result says nothing for transfer learning."
)


def verdict(
    corrected: BbcEstimate,
    test: SelectionTest,
    competition: Competition,
    *,
    case_mix: str,
    pretrained: bool,
) -> tuple[str, ...]:
    """The result in sentences, the most important first. `case_mix` says how many patients had which outcome,
    and `pretrained` whether the winner's network was pre-trained.
    """
    return (
        _found(corrected, test),
        (
            f"The best AUC in the search, all patients pooled, is {corrected.naive:.3f}. Corrected for "
            f"picking the best of {corrected.num_configurations} complete configurations, it is "
            f"{corrected.estimate:.3f} (95 % interval {corrected.low:.3f} to {corrected.high:.3f}, BBC-CV). "
            f"Expect the corrected AUC on new patients of the same source and case mix ({case_mix}; "
            "Table 1). For another hospital, export the model and run crtsearch validate on patients "
            "from there."
        ),
        (
            f"By chance alone, the best of these configurations would reach {test.chance_mean:.3f} on "
            f"average, and {test.chance_95:.3f} or more in one of twenty cohorts (permutation of the "
            f"outcomes, p = {test.p_value:.4f}; the models were not trained again, so a small p is too "
            "optimistic)."
        ),
        _against(competition),
        *([] if pretrained else [NOT_PRETRAINED]),
    )


def _found(corrected: BbcEstimate, test: SelectionTest) -> str:
    if corrected.high < 0.5:
        return f"Nothing was found. {WORSE_THAN_CHANCE}"
    if corrected.low <= 0.5:
        return (
            "Nothing was found: the interval of the corrected AUC includes 0.5, so the search did not show "
            "that its winner is better than chance."
        )
    if test.p_value >= SMALL_P:
        return (
            "Nothing was found: with permuted outcomes, the best AUC is as high as this one too often "
            f"(p = {test.p_value:.3f})."
        )
    return (
        "Better than chance within this cohort. Only new patients can show whether it is better than chance "
        "elsewhere."
    )


def _against(competition: Competition) -> str:
    if not competition.comparisons:
        return "No competitor is available, so it is unknown whether a simpler model does as well."
    beaten = [
        other
        for other in competition.comparisons
        if other.test.difference > 0 and other.test.p_value < SMALL_P
    ]
    best = max(competition.comparisons, key=lambda other: other.auc.estimate)
    lead = "ahead of" if best.test.difference > 0 else "not ahead of"
    return (
        f"The winner beats {len(beaten)} of {len(competition.comparisons)} competitors at p < {SMALL_P} "
        f"(uncorrected). It is {lead} the best of them, {best.name}, with an AUC of {best.auc.estimate:.3f}: "
        f"the difference is {best.test.difference:+.3f} ({best.test.low:+.3f} to {best.test.high:+.3f})."
    )
