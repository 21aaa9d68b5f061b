"""The stage `patient_table`: what simple models read of a patient apart from images.

That is the manifest's clinical columns, or QRS duration and area measured in the patient's first recording.
It is built where the recordings are, before trials run, so that a trial needs the stage store only.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from crtcore.data.manifest import Patient
from crtcore.data.sources import Source, Sources
from crtcore.errors import DataError
from crtcore.evaluation.clinical import Features, clinical_features
from crtcore.evaluation.qrs_area import measure_qrs
from crtcore.signal.formats import read_any
from crtcore.signal.recording import Recording, StrArray
from crtcore.stages.stage import JSON, Stage, sha256_of_json
from crtcore.stages.store import StageStore

TABLE_VERSION: Final = 1
TABLE_FILE: Final = "table.json"
QRS_NAMES: Final = ("qrs_duration_ms", "qrs_area_uvs")
Row = list[float | None]


@dataclass(frozen=True, kw_only=True)
class PatientTable:
    """The identity of a table, and what it is built from."""

    stage: Stage
    patients: tuple[Patient, ...] = field(compare=False, repr=False)
    recordings: tuple[Source, ...] = field(compare=False, repr=False)  # the first of each patient


def patient_table(model: str, sources: Sources) -> PatientTable | None:
    """The table that `finetune.model` reads; None if it reads images only."""
    if model not in ("clinical", "qrs"):
        return None
    first: dict[str, Source] = {}
    for source in sources.cohort:
        first.setdefault(source.patient_id, source)
    recordings = tuple(first.values())
    config: dict[str, JSON] = {"table": model}
    inputs: tuple[str, ...] = ()
    if model == "clinical":
        config["sha256"] = sha256_of_json(_clinical_table(sources.patients))
    else:
        config["patients"] = [source.patient_id for source in recordings]
        inputs = tuple(source.sha256 for source in recordings)
    stage = Stage(name="patient_table", config=config, inputs=inputs, version=TABLE_VERSION)
    return PatientTable(stage=stage, patients=sources.patients, recordings=recordings)


def run_patient_table(
    store: StageStore,
    table: PatientTable,
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Build a table unless it is built. DataError if a recording cannot be read."""
    if store.find(table.stage) is not None:
        return
    start_s = time.monotonic()
    if table.stage.config["table"] == "clinical":
        content = _clinical_table(table.patients)
    else:
        values: dict[str, Row] = {}
        for done, source in enumerate(table.recordings):
            on_progress(done, len(table.recordings))
            row = qrs_features(read_any(source.path)).tolist()
            values[source.patient_id] = [None if np.isnan(value) else value for value in row]
        on_progress(len(table.recordings), len(table.recordings))
        content = {"names": list(QRS_NAMES), "values": values}
    facts = {
        "num_names": len(content["names"]),
        "num_known": sum(any(value is not None for value in row) for row in content["values"].values()),
        "seconds": time.monotonic() - start_s,
    }
    store.commit(table.stage, {TABLE_FILE: json.dumps(content, allow_nan=False).encode()}, facts)


def load_patient_table(store: StageStore, stage: Stage, id_P: StrArray) -> Features:
    """The features of some patients, in their order, NaN where a value is missing.

    StorageError if the stage is not committed or damaged.
    """
    content: Mapping[str, Any] = json.loads(store.path(stage, TABLE_FILE).read_bytes())
    rows = [content["values"][patient_id] for patient_id in id_P.tolist()]
    value_PD = np.array(rows, dtype=np.float64).reshape(len(rows), len(content["names"]))
    return Features(names=tuple(content["names"]), value_PD=value_PD)


def qrs_features(recording: Recording) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """QRS duration and area of a recording; NaN if it lacks the leads or the beats to measure them."""
    try:
        found = measure_qrs(recording)
    except DataError:
        return np.full(len(QRS_NAMES), np.nan)
    return np.array([found.duration_ms, found.area_uvs])


def _clinical_table(patients: tuple[Patient, ...]) -> dict[str, Any]:
    features = clinical_features(patients)
    return {
        "names": list(features.names),
        "values": {
            patient.patient_id: [None if np.isnan(value) else value for value in value_D.tolist()]
            for patient, value_D in zip(patients, features.value_PD, strict=True)
        },
    }
