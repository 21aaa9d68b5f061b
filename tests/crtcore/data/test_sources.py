"""The manifest: outcomes, clinical columns, and one clear sentence for each way it can be wrong."""

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


def test_response_is_a_fall_of_lvesv_by_15_percent(tiny: Experiment) -> None:
    text = rows(
        "patient_id,recording,lvesv_baseline_ml,lvesv_followup_ml",
        f"a,{RECORD.format(1)},200,170",
        f"b,{RECORD.format(2)},200,170.1",
        f"c,{RECORD.format(3)},200,250",
    )
    _, patients, _ = cohort_sources(manifest(tiny, text))
    assert [patient.label for patient in patients] == [1, 0, 0]


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


HEADER = "patient_id,recording,label"
GOOD = f"a,{RECORD.format(1)},1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column patient_id"),
        (rows("patient_id,label", "a,1"), "no column recording"),
        (rows("patient_id,recording", f"a,{RECORD.format(1)}"), "no column label"),
        (rows(HEADER, GOOD, f"b,{RECORD.format(2)},2"), "row 3: label '2' is neither 0 nor 1"),
        (rows(HEADER, GOOD, f"b,{RECORD.format(2)},"), "row 3: label '' is neither 0 nor 1"),
        (rows(HEADER, GOOD, f"a,{RECORD.format(2)},0"), "row 3: the patient has label 0 here and 1 above"),
        (
            rows(HEADER + ",fold", GOOD + ",1", f"a,{RECORD.format(2)},1,2"),
            "in two folds, 2 here and 1 above",
        ),
        (rows(HEADER + ",fold", GOOD + ",1", f"b,{RECORD.format(2)},0,"), "fold to some patients only"),
        (rows(HEADER + ",fold", GOOD + ",x"), "fold 'x' is not a whole number"),
        (rows(HEADER, GOOD, f"b,{RECORD.format(2)},1"), "only patients with label 1"),
        (rows(HEADER), "no column patient_id"),
        (rows(HEADER, GOOD, GOOD), "row 3: recording 'records/sim001' is listed twice"),
        (rows(HEADER, GOOD, "b,records/nothing,0"), r"row 3: .*nothing"),
        (rows(HEADER, GOOD, "b"), "row 3 does not have as many cells"),
        (rows(HEADER, GOOD, "b,x,0,extra"), "row 3 does not have as many cells"),
        (rows(HEADER, f",{RECORD.format(1)},1"), "row 2: patient_id and recording must not be empty"),
        (
            rows("patient_id,recording,lvesv_baseline_ml,lvesv_followup_ml", f"a,{RECORD.format(1)},0,10"),
            "lvesv_baseline_ml is '0'",
        ),
    ],
)
def test_bad_manifest(tiny: Experiment, text: str, message: str) -> None:
    experiment = manifest(tiny, text)
    with pytest.raises(DataError, match=message):
        cohort_sources(experiment)


def test_absent_manifest(tiny: Experiment) -> None:
    with pytest.raises(DataError, match=r"nothing\.csv does not exist"):
        cohort_sources(override(tiny, {"cohort.manifest": "nothing.csv"}))


def test_manifest_that_is_not_text(tiny: Experiment) -> None:
    experiment = manifest(tiny, "")
    experiment.manifest_path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not a readable CSV"):
        cohort_sources(experiment)
    path = experiment.manifest_path.with_suffix(".parquet")
    path.write_bytes(b"PAR1")
    with pytest.raises(DataError, match="not a readable Parquet"):
        cohort_sources(override(experiment, {"cohort.manifest": path}))


def test_a_cohort_can_be_cut_down_to_some_patients(tiny: Experiment) -> None:
    everyone = cohort_sources(tiny)
    some = tuple(patient.patient_id for patient in everyone[1][2:9])
    recordings, patients, leads = cohort_sources(override(tiny, {"cohort.patients": some}))
    assert (patients, recordings, leads) == (everyone[1][2:9], everyone[0][2:9], everyone[2])
    with pytest.raises(DataError, match=r"has no patient nobody; take that name out of cohort.patients"):
        cohort_sources(override(tiny, {"cohort.patients": (*some, "nobody")}))
