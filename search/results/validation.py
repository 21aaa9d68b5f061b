"""External validation of an exported model: the model as it is, on the patients of another manifest.

Legend: P patients.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crtcore.data.caveat import caveat, outcome_sentence
from crtcore.data.cohort_review import review_cohort
from crtcore.data.manifest import Patient
from crtcore.errors import DataError
from crtcore.evaluation.cohort_difference import Difference, differences, summarise
from crtcore.evaluation.comparators import Comparator, Comparison, compare
from crtcore.evaluation.external import ExternalPerformance, external_performance
from crtcore.pipeline import OnProgress
from crtcore.prediction.bundle_content import BUNDLE_FILE
from crtcore.prediction.bundle_file import (
    read_bundle,
    read_comparators,
    read_model_card,
    read_training_record,
)
from crtcore.prediction.predictor import Predictor
from crtcore.stages.store import sha256_of
from search.results.provenance import versions
from search.results.training_record import described_patients
from search.results.validation_cohort import Examined, cohort_of, examine, usable
from search.results.validation_others import (
    comparators_of,
    lacking_columns,
    patient_probabilities,
    rules_of,
)

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A recording that was left out: its row in the manifest, its patient's number, and the reason."""

    row: int
    patient: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Validation:
    """The result of `validate`. Patients are numbered from 1 in the order of the manifest; no field but
    `patients` holds an identifier.

    `comparators` are the simple models of the model's own sweep. `other_scores` are the scores of rules and
    comparators by name.

    `cohort_differences` is None if the bundle does not describe its training cohort. `was_checked_for_leaks`
    is false if the bundle does not know its training recordings.
    """

    bundle: str
    manifest: str
    model_card: Mapping[str, Any]
    classes: tuple[str, str]
    leads: tuple[str, ...]
    caveat: str
    outcome: str
    patients: tuple[Patient, ...]
    number_P: tuple[int, ...]
    probability_P: Float64Array
    num_listed: int
    num_recordings: int
    performance: ExternalPerformance
    rules: tuple[Comparison, ...]
    rules_missing: Mapping[str, str]
    comparators: tuple[Comparison, ...]
    comparators_missing: Mapping[str, str]
    other_scores: Mapping[str, Float64Array]
    cohort_differences: tuple[Difference, ...] | None
    was_checked_for_leaks: bool
    refused: tuple[Refusal, ...]
    findings: tuple[str, ...]
    provenance: Mapping[str, Any]

    def labels(self) -> npt.NDArray[np.int64]:
        """The patients' outcomes, shape (patients,)."""
        return np.array([patient.label for patient in self.patients], dtype=np.int64)

    def as_json(self) -> dict[str, Any]:
        """Everything but the patients' identifiers and clinical values."""
        return {
            "bundle": self.bundle,
            "manifest": self.manifest,
            "caveat": self.caveat,
            "outcome": self.outcome,
            "classes": list(self.classes),
            "leads": list(self.leads),
            "expected_auc": self.model_card.get("corrected_auc"),
            "num_patients_listed": self.num_listed,
            "num_recordings": self.num_recordings,
            "performance": asdict(self.performance),
            "rules": [rule.as_json() for rule in self.rules],
            "rules_not_available": dict(self.rules_missing),
            "comparators": [each.as_json() for each in self.comparators],
            "comparators_not_available": dict(self.comparators_missing),
            "cohort_differences": None
            if self.cohort_differences is None
            else [asdict(each) for each in self.cohort_differences],
            "was_checked_for_leaks": self.was_checked_for_leaks,
            "refused": [asdict(each) for each in self.refused],
            "findings": list(self.findings),
            "provenance": dict(self.provenance),
        }


def validate(
    bundle: Path, manifest: Path, *, on_progress: OnProgress = lambda what, done, total: None
) -> Validation:
    """Score the model in `bundle` on the patients of `manifest`, at its own threshold.

    StorageError if `bundle` is none. DataError, which names rows of the manifest, if it cannot be read, if a
    recording trained the model, if no recording can be used, if it lacks a column that the model needs, or if
    only one outcome is left.
    """
    predictor, simple = read_bundle(bundle), read_comparators(bundle)
    training = read_training_record(bundle)
    experiment, sources = cohort_of(manifest, predictor)
    _check_columns(manifest, sources.patients, predictor)
    examined = examine(predictor, sources, training, comparators=simple, on_progress=on_progress)
    used = usable(sources, examined)
    _check_outcomes(manifest, used.patients, examined)
    number = {patient.patient_id: place for place, patient in enumerate(sources.patients, 1)}
    probability_P = patient_probabilities(
        used.patients,
        [(each.source.patient_id, each.logit_B) for each in examined if each.logit_B is not None],
        reads_beats=predictor.reads_beats,
    )
    assert probability_P is not None  # patients without a usable recording were left out
    performance = external_performance(used.patients, probability_P, threshold=predictor.threshold)
    rules = rules_of(used.patients, examined)
    comparators = comparators_of(used.patients, examined, simple)
    label_P = np.array([patient.label for patient in used.patients])
    here = summarise([each.measures for each in examined if each.measures is not None])
    card = read_model_card(bundle)
    return Validation(
        bundle=bundle.resolve().name,
        manifest=manifest.name,
        model_card=card,
        classes=predictor.classes,
        leads=predictor.preparation.leads,
        caveat=_caveat(str(card.get("caveat", "")), caveat(experiment)),
        outcome=outcome_sentence(experiment),
        patients=used.patients,
        number_P=tuple(number[patient.patient_id] for patient in used.patients),
        probability_P=probability_P,
        num_listed=len(sources.patients),
        num_recordings=len(sources.cohort),
        performance=performance,
        rules=compare(label_P, probability_P, rules),
        rules_missing=_missing(rules),
        comparators=compare(label_P, probability_P, comparators),
        comparators_missing=_missing(comparators),
        other_scores={
            each.name: np.asarray(each.score_P, dtype=np.float64)
            for each in (*rules, *comparators)
            if each.score_P is not None
        },
        cohort_differences=None
        if training.cohort is None
        else differences(training.cohort, here | described_patients(used.patients)),
        was_checked_for_leaks=training.files is not None,
        refused=tuple(
            Refusal(row=each.source.row, patient=number[each.source.patient_id], reason=each.refused)
            for each in examined
            if each.refused is not None
        ),
        findings=review_cohort(used, on_progress),
        provenance={
            "bundle_sha256": sha256_of(bundle / BUNDLE_FILE),
            "manifest_sha256": sha256_of(manifest),
            "versions": versions(),
        },
    )


def _missing(others: Sequence[Comparator]) -> dict[str, str]:
    """What each rule or model lacks that has no scores, by name."""
    return {each.name: each.missing_column for each in others if each.missing_column is not None}


def _check_columns(manifest: Path, patients: Sequence[Patient], predictor: Predictor) -> None:
    """DataError unless the manifest has the columns that a clinical model reads."""
    lacking = lacking_columns(patients, predictor)
    if lacking:
        raise DataError(
            f"{manifest} has no values in {', '.join(lacking)}, and the model needs them "
            f"({', '.join(predictor.columns)}); add these columns, or validate another model"
        )


def _check_outcomes(manifest: Path, patients: Sequence[Patient], examined: Sequence[Examined]) -> None:
    """DataError unless both outcomes have two patients or more."""
    num_refused = sum(each.refused is not None for each in examined)
    for label in (0, 1):
        found = sum(patient.label == label for patient in patients)
        if found < 2:
            raise DataError(
                f"{manifest} has {found} {'patient' if found == 1 else 'patients'} with label {label} whose "
                f"recordings can be used ({num_refused} of {len(examined)} recordings are refused); a "
                "validation needs two or more of each outcome"
            )


def _caveat(of_model: str, of_cohort: str) -> str:
    """What must be said of the data, each sentence once."""
    parts = [f"The model: {of_model}"] if of_model else []
    if of_cohort and of_cohort != of_model:
        parts.append(f"These patients: {of_cohort}")
    return " ".join(parts) if of_cohort != of_model else of_model
