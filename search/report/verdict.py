"""The result in words: what was found, what it is worth, and what it is not."""

from crtcore.evaluation.permutation import SelectionTest
from crtcore.evaluation.selection import BbcEstimate
from search.report.competitors import Competition

SMALL_P = 0.05
NOT_PRETRAINED = (
    "The winner's network was not pre-trained: whatever it is worth, transfer learning has no part in it."
)


def verdict(
    corrected: BbcEstimate, test: SelectionTest, competition: Competition, *, pretrained: bool
) -> tuple[str, ...]:
    """Sentences, the most important first. `pretrained` says that the winner's network was."""
    return (
        _found(corrected, test),
        (
            f"The search's own best AUC, all patients pooled, is {corrected.naive:.3f}; corrected for having "
            f"picked the best of {corrected.num_configurations} complete configurations it is "
            f"{corrected.estimate:.3f} (95 % interval {corrected.low:.3f} to {corrected.high:.3f}, BBC-CV). "
            "Expect the second number on new patients like these, not the first."
        ),
        (
            f"By chance alone, the best of these configurations would reach {test.chance_mean:.3f} on "
            f"average and {test.chance_95:.3f} in one of twenty cohorts (permutation of the outcomes, p = "
            f"{test.p_value:.4f}; the models were not trained again, so a small p is too optimistic)."
        ),
        _against(competition),
        *([] if pretrained else [NOT_PRETRAINED]),
    )


def _found(corrected: BbcEstimate, test: SelectionTest) -> str:
    if corrected.low <= 0.5:
        return (
            "Nothing was found: the interval of the corrected AUC includes 0.5, so the search did not show "
            "that its winner is better than chance."
        )
    if test.p_value >= SMALL_P:
        return (
            "Nothing was found: permuted outcomes give a best AUC as high as this one too often "
            f"(p = {test.p_value:.3f})."
        )
    return "Better than chance within this cohort. Whether it is so elsewhere, only new patients can show."


def _against(competition: Competition) -> str:
    if not competition.comparisons:
        return "No competitor is available, so nothing says whether a simpler model does as well."
    beaten = [
        other
        for other in competition.comparisons
        if other.test.difference > 0 and other.test.p_value < SMALL_P
    ]
    best = max(competition.comparisons, key=lambda other: other.auc.estimate)
    lead = "ahead of" if best.test.difference > 0 else "not ahead of"
    return (
        f"Of {len(competition.comparisons)} competitors the winner beats {len(beaten)} at p < {SMALL_P} "
        f"(uncorrected). It is {lead} the best of them, {best.name}, with an AUC of {best.auc.estimate:.3f}: "
        f"the difference is {best.test.difference:+.3f} ({best.test.low:+.3f} to {best.test.high:+.3f})."
    )
