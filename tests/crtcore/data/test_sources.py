"""Manifest and recordings together: sources with their content hashes, patients and leads."""

from pathlib import Path

import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.data.sources import cohort_sources
from crtcore.errors import DataError

RECORD = "records/sim00{}"


def manifest(tiny: Experiment, text: str, name: str = "cohort.csv") -> Experiment:
    """The experiment with a manifest of its own beside the simulated recordings."""
    folder = Path(tiny.storage).parent / "cohort"
    folder.mkdir(exist_ok=True)
    (folder / "records").symlink_to(tiny.manifest_path.parent / "records")
    (folder / name).write_text(text)
    return override(tiny, {"cohort.manifest": folder / name})


def rows(header: str, *lines: str) -> str:
    return "\n".join([header, *lines]) + "\n"


def test_a_row_whose_record_is_absent_is_named(tiny: Experiment) -> None:
    lines = (f"a,{RECORD.format(1)},1", "b,records/nothing,0")
    with pytest.raises(DataError, match=r"row 3: .*nothing"):
        cohort_sources(manifest(tiny, rows("patient_id,recording,label", *lines)))


def test_simulated_manifest(tiny: Experiment) -> None:
    recordings, patients, leads = cohort_sources(tiny)
    assert len(recordings) == len(patients) == 12
    assert leads == ("II", "V1")
    assert {patient.label for patient in patients} == {0, 1}
    assert isinstance(patients[0].clinical["qrs_duration_ms"], float)
    assert "label" not in patients[0].clinical


def test_parquet_says_the_same_as_csv(tiny: Experiment) -> None:
    expected = cohort_sources(tiny)
    table = pacsv.read_csv(tiny.manifest_path)
    experiment = manifest(tiny, "")
    path = experiment.manifest_path.with_suffix(".parquet")
    pq.write_table(table, path)
    recordings, patients, leads = cohort_sources(override(experiment, {"cohort.manifest": path}))
    assert [patient.label for patient in patients] == [patient.label for patient in expected[1]]
    assert [source.sha256 for source in recordings] == [source.sha256 for source in expected[0]]
    assert leads == expected[2]


def test_several_recordings_of_a_patient(tiny: Experiment) -> None:
    text = rows(
        "patient_id,recording,label,fold",
        f"a,{RECORD.format(1)},1,3",
        f"a,{RECORD.format(2)},1,3",
        f"b,{RECORD.format(3)},0,4",
    )
    recordings, patients, _ = cohort_sources(manifest(tiny, text))
    assert [source.patient_id for source in recordings] == ["a", "a", "b"]
    assert [(patient.patient_id, patient.fold) for patient in patients] == [("a", 3), ("b", 4)]


def test_a_cohort_can_be_cut_down_to_some_patients(tiny: Experiment) -> None:
    everyone = cohort_sources(tiny)
    some = tuple(patient.patient_id for patient in everyone[1][2:9])
    recordings, patients, leads = cohort_sources(override(tiny, {"cohort.patients": some}))
    assert (patients, recordings, leads) == (everyone[1][2:9], everyone[0][2:9], everyone[2])
    with pytest.raises(DataError, match=r"has no patient nobody; take that name out of cohort.patients"):
        cohort_sources(override(tiny, {"cohort.patients": (*some, "nobody")}))
