"""The recordings of an external cohort, each read once: what the model says of it, or why it is refused.

Legend: B beats.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from crtcore.config import Experiment, SimpleModel
from crtcore.data.sources import Source, Sources, cohort_sources
from crtcore.errors import DataError
from crtcore.evaluation.qrs_area import QrsMeasurement, measure_qrs
from crtcore.pipeline import OnProgress
from crtcore.prediction.predictor import BeatInputs, Predictor, Preparation
from crtcore.prediction.training_record import TrainingRecord
from crtcore.signal.fingerprint import fingerprint
from crtcore.signal.formats import read_any
from crtcore.signal.leads import derive_leads
from crtcore.signal.recording import Recording
from search.results.training_record import described

MAX_NAMED: Final = 10  # rows of the manifest in one message
UNREADABLE: Final = "cannot be read as an ECG"
LACKS_LEADS: Final = "lacks a lead that the model needs"


@dataclass(frozen=True, kw_only=True)
class Examined:
    """A recording of the cohort. `logit_B` has one value per beat, or one if beats do not count, and is None
    if `refused` says why not.

    `refused` names no patient and no file. `comparators` are the logits of the simple models that can score
    the recording, by kind. `measures` are None if the recording cannot be measured; `qrs` is
    None if it lacks the leads or the beats for it.
    """

    source: Source
    logit_B: npt.NDArray[np.floating] | None = None
    refused: str | None = None
    comparators: Mapping[SimpleModel, npt.NDArray[np.floating]] = field(default_factory=dict)
    measures: dict[str, float] | None = None
    qrs: QrsMeasurement | None = None


def cohort_of(manifest: Path, predictor: Predictor) -> tuple[Experiment, Sources]:
    """The cohort of a manifest with the leads and classes of a model.

    DataError, as `read_manifest` raises it, and if a recording is missing.
    """
    experiment = Experiment.model_validate(
        {
            "name": "validation",
            "data": manifest.parent,
            "arrhythmia": {"database": "."},  # not used
            "cohort": {
                "manifest": manifest.name,
                "leads": predictor.preparation.leads,
                "class_names": predictor.classes,
            },
        }
    )
    recordings, patients, leads = cohort_sources(experiment)
    return experiment, Sources(arrhythmia=(), cohort=recordings, patients=patients, cohort_leads=leads)


def examine(
    predictor: Predictor,
    sources: Sources,
    training: TrainingRecord,
    *,
    comparators: Mapping[SimpleModel, Predictor] = MappingProxyType({}),
    on_progress: OnProgress,
) -> tuple[Examined, ...]:
    """Every recording in manifest order.

    DataError that names the rows of recordings that trained the model, or if every recording is refused.
    """
    examined: list[Examined] = []
    seen: list[Source] = []
    clinical = {patient.patient_id: patient.clinical for patient in sources.patients}
    for done, source in enumerate(sources.cohort):
        on_progress("read and predict", done, len(sources.cohort))
        try:
            recording = read_any(source.path, patient_id=source.patient_id)
        except DataError:  # the others can still be validated
            examined.append(Examined(source=source, refused=UNREADABLE))
            continue
        if training.files is not None and training.has_seen(source.sha256, fingerprint(recording)):
            seen.append(source)
        else:
            values = clinical[source.patient_id]
            examined.append(_examine(predictor, comparators, source, recording, values))
    on_progress("read and predict", len(sources.cohort), len(sources.cohort))
    if seen:
        raise DataError(_leak(seen))
    if all(each.refused is not None for each in examined):
        raise DataError(_unusable(predictor, examined))
    return tuple(examined)


def usable(sources: Sources, examined: tuple[Examined, ...]) -> Sources:
    """The sources with the recordings that were predicted, and their patients."""
    cohort = tuple(each.source for each in examined if each.logit_B is not None)
    ids = {source.patient_id for source in cohort}
    patients = tuple(patient for patient in sources.patients if patient.patient_id in ids)
    return replace(sources, cohort=cohort, patients=patients)


def _examine(
    predictor: Predictor,
    comparators: Mapping[SimpleModel, Predictor],
    source: Source,
    recording: Recording,
    clinical: Mapping[str, Any],
) -> Examined:
    preparation = predictor.preparation
    try:
        raw = derive_leads(recording, preparation.leads)
    except DataError:
        return Examined(source=source, refused=LACKS_LEADS)
    try:
        measures, flags = described(raw)
    except DataError:
        return Examined(source=source, refused="too few samples per second")
    named = [flag for flag in flags if flag in preparation.refused]
    if named:
        return Examined(source=source, refused=f"flagged {', '.join(named)}", measures=measures)
    try:
        inputs = preparation.inputs(recording)
    except DataError:
        return Examined(source=source, refused="no whole beat that can be used", measures=measures)
    try:
        logit_B = predictor.logits(recording, inputs, clinical)
    except DataError:
        return Examined(source=source, refused="a clinical value that cannot be used", measures=measures)
    return Examined(
        source=source,
        logit_B=logit_B,
        comparators=dict(_compared(comparators, {preparation: inputs}, recording, clinical)),
        measures=measures,
        qrs=_qrs(recording),
    )


def _compared(
    comparators: Mapping[SimpleModel, Predictor],
    prepared: dict[Preparation, BeatInputs],
    recording: Recording,
    clinical: Mapping[str, Any],
) -> Iterator[tuple[SimpleModel, npt.NDArray[np.floating]]]:
    """The logits of each comparator that can score the recording. Inputs are prepared once for all."""
    for kind, comparator in comparators.items():
        try:
            if comparator.preparation not in prepared:
                prepared[comparator.preparation] = comparator.preparation.inputs(recording)
            yield kind, comparator.logits(recording, prepared[comparator.preparation], clinical)
        except DataError:  # the comparator is then listed as not available
            continue


def _qrs(recording: Recording) -> QrsMeasurement | None:
    try:
        return measure_qrs(recording)
    except DataError:  # the rules that need it are then listed as not available
        return None


def _leak(seen: list[Source]) -> str:
    rows = ", ".join(str(source.row) for source in seen[:MAX_NAMED])
    more = f" and {len(seen) - MAX_NAMED} more" if len(seen) > MAX_NAMED else ""
    return (
        f"the model was trained or pre-trained on these recordings of the manifest: rows {rows}{more}; the "
        "result would be too good, so remove them and the other recordings of the same patients"
    )


def _unusable(predictor: Predictor, examined: list[Examined]) -> str:
    reasons = [str(each.refused) for each in examined]
    if set(reasons) == {LACKS_LEADS}:
        return (
            f"none of the {len(reasons)} recordings has the leads that the model needs "
            f"({', '.join(predictor.preparation.leads)}); give recordings with these leads, or another model"
        )
    most = max(dict.fromkeys(reasons), key=reasons.count)
    return (
        f"none of the {len(reasons)} recordings can be used: {most} ({reasons.count(most)} of them, row "
        f"{examined[reasons.index(most)].source.row} first); see `crtsearch predict` on one of them"
    )
