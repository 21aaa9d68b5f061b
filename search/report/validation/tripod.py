"""The items of TRIPOD+AI that an external validation answers (Collins et al. 2024, BMJ 385:e078378)."""

from collections import Counter

from crtcore.evaluation.external import MIN_OF_EACH
from search.report.tripod import AUTHORS, TOPICS, Item
from search.results.model_card import INTENDED_USE
from search.results.validation import Validation


def validation_checklist(found: Validation, sentences: tuple[str, ...]) -> tuple[Item, ...]:
    """All items in order. `sentences` are the verdict's."""
    answers = _method(found) | _data(found) | _result(found, sentences)
    return tuple(
        Item(number=number, topic=topic, answer=answers.get(number, AUTHORS))
        for number, topic in TOPICS.items()
    )


def _method(found: Validation) -> dict[str, str]:
    return {
        "3b": INTENDED_USE,
        "4": "External validation of a finished model.",
        "7": "As in training: the model's folder holds all settings of the preparation.",
        "9b": f"Beats on leads {', '.join(found.leads)}, prepared as in training.",
        "12a": "For evaluation only. Nothing was trained, and no threshold was chosen, on these patients.",
        "12e": (
            "AUC (DeLong); sensitivity, specificity, PPV and NPV at the model's own threshold (Wilson); "
            "Brier score; observed : expected; calibration intercept and slope (Wald); calibration curve; "
            "decision curve; paired DeLong tests against simple rules and the sweep's simple models."
        ),
        "12f": "None. What a recalibration would do is shown apart, and is not the model's result.",
        "12g": "The logistic function of the mean logit of all beats of a patient, by the exported model.",
        "14": (
            f"Metrics by sex and age, for groups with {MIN_OF_EACH} or more patients of each outcome. "
            "Further assessment is for the authors."
        ),
        "15": (
            f"A probability of {found.classes[1]}. The threshold {found.performance.threshold:.3f} was "
            "chosen in training."
        ),
        "27a": "Recordings of poor quality or without a lead are refused; the table of refusals lists them.",
    }


def _data(found: Validation) -> dict[str, str]:
    metrics = found.performance
    num_empty = sum(value is None for patient in found.patients for value in patient.clinical.values())
    reasons = Counter(each.reason for each in found.refused)
    refused = "; ".join(f"{count} {reason}" for reason, count in reasons.most_common()) or "none"
    leaks = (
        "No recording is among those that trained or pre-trained the model (by file and signal)."
        if found.was_checked_for_leaks
        else "Whether recordings of the training are among them could not be checked."
    )
    return {
        "5a": f"Cohort manifest {found.manifest}. {leaks}",
        "6b": f"Recordings refused: {refused}. Further criteria are for the authors.",
        "8a": found.outcome,
        "10": (
            f"{metrics.num_patients} patients, {metrics.num_positive} with label 1: all that were available, "
            "not calculated."
        ),
        "11": (
            f"{num_empty} clinical values are missing. A clinical model takes the median of its training "
            "patients instead; the others do not use them."
        ),
        "16": (
            "See 20c. The preparation, the leads and the definition of beats are the same."
            if found.cohort_differences is not None
            else AUTHORS
        ),
        "20a": (
            f"{found.num_listed} patients with {found.num_recordings} recordings in the manifest, "
            f"{len(found.refused)} recordings refused, {metrics.num_patients} patients analysed."
        ),
        "20b": "Table 1 of this page.",
        "20c": (
            "The table of these patients and the training cohort, with standardised differences."
            if found.cohort_differences is not None
            else AUTHORS
        ),
        "21": f"{metrics.num_patients} patients ({metrics.num_positive} with label 1) in every analysis.",
    }


def _result(found: Validation, sentences: tuple[str, ...]) -> dict[str, str]:
    return {
        "22": "The exported model: weights, settings and threshold, identified by the SHA-256 below.",
        "23a": sentences[1],
        "23b": "By sex, age and the manifest's column subgroup, in the table of subgroups.",
        "24": "The table of recalibrations. It is fitted to these same patients.",
        "26": f"{sentences[0]} One cohort; subgroups are small.",
    }
