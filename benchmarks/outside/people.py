"""Everybody whom the benchmark trains on or scores: the patients of PTB-XL and LUDB, and copies of PTB-XL's
recordings as other machines would have taken them.

Legend: P people, B beats, C leads, F frequency bins, T frames, D features.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.acquisition import another_machine
from crtcore.config import Experiment, SpectrogramConfig
from crtcore.data.manifest import Patient, patients_of, read_manifest
from crtcore.errors import DataError
from crtcore.evaluation.qrs_area import measure_qrs
from crtcore.prediction.predictor import Preparation
from crtcore.signal.fingerprint import fingerprint, is_known
from crtcore.signal.formats import read_any
from crtcore.signal.leads import STANDARD_LEADS
from crtcore.signal.recording import Recording
from crtcore.training.finetuning.patients import PatientBeats

NUM_MACHINES: Final = 2  # copies of PTB-XL as other machines would have recorded it: to train on, to score on
Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Person:
    """One patient of one source. `machine` is 0 for the recording as it is, or the number of a copy."""

    source: str
    patient: Patient
    recording: Path
    machine: int = 0

    @property
    def key(self) -> str:
        """A name that no other person, and no other copy, has."""
        return f"{self.source}-{self.patient.patient_id}-{self.machine}"


@dataclass(frozen=True, kw_only=True)
class People:
    """All persons in the order of their keys. `beats.inputs` are images, uint8, (B, C, F, T)."""

    persons: tuple[Person, ...]
    beats: PatientBeats
    qrs_ms_P: Float64Array
    refused: tuple[str, ...]

    def age_and_sex(self) -> Float64Array:
        """Age in years and 1 for men, shape (people, 2); an unknown age is the median of all."""
        age = [person.patient.clinical.get("age_years") for person in self.persons]
        known = np.median([float(each) for each in age if each is not None])
        years = [float(known if each is None else each) for each in age]
        male = [float(person.patient.clinical.get("sex") == "male") for person in self.persons]
        return np.array([years, male]).T

    def copies(self, machine: int) -> dict[int, int]:
        """Each person as recorded -> the same person's copy by another machine, where there is one."""
        number = {person.key: index for index, person in enumerate(self.persons)}
        pairs = (
            (index, number.get(replace(person, machine=machine).key))
            for index, person in enumerate(self.persons)
            if person.machine == 0
        )
        return {index: copy for index, copy in pairs if copy is not None}

    def where(self, source: str, machine: int = 0) -> npt.NDArray[np.int64]:
        """The persons of a source, as recorded or as copied by a machine, in order of their patient ids."""
        chosen = [
            (person.patient.patient_id, number)
            for number, person in enumerate(self.persons)
            if person.source == source and person.machine == machine
        ]
        return np.array([number for _, number in sorted(chosen)], dtype=np.int64)


def gather_people(data: Path, *, max_beats: int, num_patients: int | None, seed: int) -> People:
    """Read, prepare and image everybody. A person whose recording, or a copy of it, is refused is left out
    with all copies, and so is a person whose recording an earlier person has: PTB-XL has one under two ids.
    """
    wanted = [
        *_persons(data, "ptbxl500", "ptbxl500/cohort_all.csv", range(NUM_MACHINES + 1), num_patients),
        *_persons(data, "ludb", "ludb/cohort_external.csv", range(1), num_patients),
    ]
    preparation = Preparation(spectrogram=SpectrogramConfig(), leads=STANDARD_LEADS, max_beats=max_beats)
    image: dict[str, npt.NDArray[np.uint8]] = {}
    qrs_ms: dict[str, float] = {}
    refused: dict[str, str] = {}
    known: set[str] = set()
    for done, person in enumerate(wanted):
        recording = _recorded(person, seed)
        name = f"{person.source}-{person.patient.patient_id}"
        if person.machine == 0:
            found = fingerprint(recording)
            if is_known(found, known):
                refused[name] = "the recording of an earlier person"
            known.update(piece for pieces in found for piece in pieces)
        try:
            image[person.key] = preparation.inputs(recording).image_BCFT
            qrs_ms[person.key] = measure_qrs(recording).duration_ms
        except DataError as error:
            refused[name] = str(error)
        if done % 100 == 0:
            print(f"recording {done} of {len(wanted)}", file=sys.stderr)
    persons = sorted(
        (p for p in wanted if f"{p.source}-{p.patient.patient_id}" not in refused), key=lambda p: p.key
    )
    images = [image[person.key] for person in persons]
    beats = PatientBeats(
        inputs=torch.from_numpy(np.concatenate(images)),
        scalar_BCE=torch.zeros((sum(map(len, images)), len(STANDARD_LEADS), 0)),
        patient_B=np.repeat(np.arange(len(persons)), [len(each) for each in images]),
        id_P=np.array([person.key for person in persons]),
        label_P=np.array([person.patient.label for person in persons]),
    )
    qrs_ms_P = np.array([qrs_ms[person.key] for person in persons])
    return People(persons=tuple(persons), beats=beats, qrs_ms_P=qrs_ms_P, refused=tuple(sorted(refused)))


def _persons(
    data: Path, source: str, manifest: str, machines: range, num_patients: int | None
) -> list[Person]:
    """One recording a patient (the first), the same number of each outcome if only some are wanted."""
    experiment = Experiment.model_validate(
        {"name": source, "data": data, "arrhythmia": {"database": "mitdb"}, "cohort": {"manifest": manifest}}
    )
    rows = read_manifest(experiment)
    patients = patients_of(rows)
    if num_patients is not None:
        patients = tuple(
            patient
            for label in (0, 1)
            for patient in [each for each in patients if each.label == label][: num_patients // 2]
        )
    path = {row.patient.patient_id: row.recording for row in reversed(rows)}
    folder = experiment.manifest_path.parent
    return [
        Person(source=source, patient=patient, recording=folder / path[patient.patient_id], machine=machine)
        for patient in patients
        for machine in machines
    ]


def _recorded(person: Person, seed: int) -> Recording:
    recording = read_any(person.recording, patient_id=person.patient.patient_id)
    return another_machine(recording, seed + person.machine) if person.machine else recording


def per_person(beats: PatientBeats, feature_BD: Float64Array) -> Float64Array:
    """The mean of some features over each person's beats, shape (people, features)."""
    total_PD = np.zeros((len(beats.id_P), feature_BD.shape[1]))
    np.add.at(total_PD, beats.patient_B, feature_BD)
    return np.asarray(total_PD / np.bincount(beats.patient_B)[:, None])
