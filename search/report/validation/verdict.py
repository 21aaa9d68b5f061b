"""The validation in words, the most important first."""

import re
from collections import Counter
from typing import Final

from crtcore.evaluation.cohort_difference import Difference
from crtcore.evaluation.comparators import Comparison
from crtcore.signal.measures import MEASURES
from search.report.verdict import SMALL_P
from search.results.training_record import FLAGGED, OUTCOME
from search.results.validation import Validation

ENOUGH_OF_EACH: Final = 100
"""Patients of each outcome for a sound validation (Vergouwe et al. 2005, J. Clin. Epidemiol. 58:475)."""
MAX_NAMED: Final = 4
NAMES: Final = MEASURES | {FLAGGED: "recordings with a quality flag (%)", OUTCOME: "label 1 (%)"}
"""What the variables of a cohort are called."""
NOT_CHECKED: Final = (
    "This bundle does not know its training recordings, so nobody can tell whether some of them are here. "
    "Export it again."
)
NOT_COMPARED: Final = (
    "How these patients differ from the training cohort is not available: the bundle does not describe its "
    "training cohort. Export it again."
)


def validation_verdict(found: Validation) -> tuple[str, ...]:
    """The result in sentences."""
    sentences = (
        _auc(found),
        _expected(found),
        _at_threshold(found),
        _calibration(found),
        _rules(found),
        _comparators(found),
        _differences(found),
        _size(found),
        _left_out(found),
        "No recording is among those that trained or pre-trained the model, by file and by signal."
        if found.was_checked_for_leaks
        else NOT_CHECKED,
        *(f"Found in the recordings: {finding}" for finding in found.findings),
    )
    return tuple(sentence for sentence in sentences if sentence)


def _auc(found: Validation) -> str:
    auc = found.performance.auc
    if auc.high < 0.5:
        return (
            "On these patients the model is worse than chance: the interval of its AUC lies below 0.5. Check "
            "that label 1 means the same here as in training."
        )
    if auc.low <= 0.5:
        return (
            "On these patients the model is not shown to be better than chance: the interval of its AUC "
            "includes 0.5."
        )
    return "On these patients the model is better than chance."


def _expected(found: Validation) -> str:
    """The AUC here against the one that the sweep expects on new patients of the same source."""
    expected = found.model_card.get("corrected_auc")
    auc = found.performance.auc
    here = f"The AUC here is {auc.estimate:.3f} (95 % interval {auc.low:.3f} to {auc.high:.3f})."
    if not isinstance(expected, dict) or not {"estimate", "low", "high"} <= set(expected):
        return here
    own = f"{expected['estimate']:.3f} ({expected['low']:.3f} to {expected['high']:.3f})"
    if auc.high < expected["estimate"]:
        relation = "The model loses here: the whole interval lies below the expected AUC"
    elif auc.low > expected["estimate"]:
        relation = "The model does better here than expected"
    else:
        relation = "The interval here includes the expected AUC"
    return f"{here} Its sweep expects {own} on new patients of the training cohort's source. {relation}."


def _at_threshold(found: Validation) -> str:
    at, (negative, positive) = found.performance.at_threshold, found.classes
    num_positive = found.performance.num_positive
    num_negative = found.performance.num_patients - num_positive
    return (
        f"At its own threshold of {found.performance.threshold:.3f}, it calls {at.true_positive} of "
        f"{num_positive} patients with label 1 ({positive}) right, and {at.false_positive} of {num_negative} "
        f"with label 0 ({negative}) wrong."
    )


def _calibration(found: Validation) -> str:
    ratio = found.performance.calibration.observed_expected
    sentence = (
        f"Label 1 is {ratio.estimate:.2f} times as frequent as the model predicts ({ratio.low:.2f} to "
        f"{ratio.high:.2f})"
    )
    slope = found.performance.calibration.slope
    if slope is None:
        return f"{sentence}; the calibration slope is not defined here."
    meaning = (
        "its probabilities are too extreme"
        if slope.high < 1
        else "its probabilities are not extreme enough"
        if slope.low > 1
        else "the interval includes 1, which is perfect"
    )
    return (
        f"{sentence}; the calibration slope is {slope.estimate:.2f} ({slope.low:.2f} to {slope.high:.2f}): "
        f"{meaning}."
    )


def _rules(found: Validation) -> str:
    if not found.rules:
        return "No rule is available here, so it is unknown whether a simple rule does as well."
    return _against("rule", "", found.rules)


def _comparators(found: Validation) -> str:
    return _against("simple model", " of its sweep", found.comparators) if found.comparators else ""


def _against(kind: str, where: str, others: tuple[Comparison, ...]) -> str:
    best = max(others, key=lambda other: other.auc.estimate)
    test = best.test
    if test.p_value >= SMALL_P:
        relation = "no difference is shown"
    else:
        relation = "the model is better" if test.difference > 0 else f"the {kind} is better"
    return (
        f"The best {kind}{where} is {best.name} with an AUC of {best.auc.estimate:.3f}. The model's AUC "
        f"minus this is {test.difference:+.3f} ({test.low:+.3f} to {test.high:+.3f}): {relation}."
    )


def _differences(found: Validation) -> str:
    if found.cohort_differences is None:
        return NOT_COMPARED
    large = sorted((each for each in found.cohort_differences if each.is_large), key=_size_of, reverse=True)
    if not large:
        return "In no variable do these patients differ from the training cohort by half an SD or more."
    named = ", ".join(_short(each.name) for each in large[:MAX_NAMED])
    more = f" and {len(large) - MAX_NAMED} more" if len(large) > MAX_NAMED else ""
    return f"These patients differ from the training cohort by half an SD or more in: {named}{more}."


def _short(name: str) -> str:
    """The name of a variable without its unit and explanation."""
    return re.split(r"[,:(]", NAMES.get(name, name))[0].strip()


def _size_of(difference: Difference) -> float:
    return abs(difference.standardised or 0.0)


def _size(found: Validation) -> str:
    num_positive = found.performance.num_positive
    fewest = min(num_positive, found.performance.num_patients - num_positive)
    if fewest >= ENOUGH_OF_EACH:
        return ""
    return (
        f"Only {fewest} patients have the rarer outcome. A sound validation has {ENOUGH_OF_EACH} of each, so "
        "read the intervals and not the estimates alone."
    )


def _left_out(found: Validation) -> str:
    if not found.refused:
        return "Every recording was used."
    reasons = Counter(each.reason for each in found.refused)
    named = "; ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    lost = found.num_listed - found.performance.num_patients
    return (
        f"{len(found.refused)} of {found.num_recordings} recordings were refused ({named}), and {lost} of "
        f"{found.num_listed} patients have no other."
    )
