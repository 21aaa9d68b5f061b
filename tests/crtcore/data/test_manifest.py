"""The manifest: outcomes, clinical columns, and one clear sentence for each way it can be wrong."""

from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.data.manifest import Patient, manifest_columns, patients_of, read_manifest
from crtcore.errors import DataError


def experiment_on(path: Path) -> Experiment:
    """A config whose cohort is the manifest at `path`; the recordings need not exist."""
    return Experiment.model_validate(
        {"name": "x", "arrhythmia": {"database": path.parent}, "cohort": {"manifest": path}}
    )


def csv_rows(folder: Path, *lines: str) -> Experiment:
    (folder / "m.csv").write_text("\n".join(lines) + "\n")
    return experiment_on(folder / "m.csv")


def parquet(folder: Path, **columns: object) -> Experiment:
    pq.write_table(pa.table(columns), folder / "m.parquet")
    return experiment_on(folder / "m.parquet")


def patients(experiment: Experiment) -> tuple[Patient, ...]:
    return patients_of(read_manifest(experiment))


HEADER = "patient_id,recording,label"
VOLUMES = "patient_id,recording,lvesv_baseline_ml,lvesv_followup_ml"


@pytest.mark.parametrize(
    ("baseline", "followup", "label"),
    [
        ("200", "170", 1),
        ("200", "170.1", 0),
        ("200", "250", 0),
        ("18.0", "15.3", 1),
        ("18.0", "15.30001", 0),
        ("110.2", "93.67", 1),
        ("1.8e2", "153", 1),
    ],
)
def test_a_fall_of_15_percent_is_compared_in_exact_decimals(
    tmp_path: Path, baseline: str, followup: str, label: int
) -> None:
    other = "200,100" if label == 0 else "200,200"
    text = csv_rows(tmp_path, VOLUMES, f"a,r1,{baseline},{followup}", f"b,r2,{other}")
    assert patients(text)[0].label == label


@given(st.integers(1, 10_000), st.integers(0, 2))
def test_every_fall_of_exactly_15_percent_in_tenths_counts(tenths: int, exponent: int) -> None:
    from crtcore.data.manifest import _label

    baseline, followup = Fraction(20 * tenths, 10**exponent), Fraction(17 * tenths, 10**exponent)
    cells = {
        "lvesv_baseline_ml": f"{float(baseline):.2f}",
        "lvesv_followup_ml": f"{float(followup):.2f}",
    }
    assert _label(cells, "row 2") == 1


@pytest.mark.parametrize("kind", [pa.float64(), pa.float32()])
def test_exact_decimals_in_parquet_of_either_precision(tmp_path: Path, kind: pa.DataType) -> None:
    experiment = parquet(
        tmp_path,
        patient_id=["a", "b"],
        recording=["r1", "r2"],
        lvesv_baseline_ml=pa.array([18.0, 18.0], kind),
        lvesv_followup_ml=pa.array([15.3, 15.4], kind),
    )
    assert [patient.label for patient in patients(experiment)] == [1, 0]


@pytest.mark.parametrize("sign", ["", "NA", "N/A", ".", "NULL", "None", "NaN", "nan", "null"])
def test_signs_for_a_missing_value_do_not_turn_numbers_into_text(tmp_path: Path, sign: str) -> None:
    text = csv_rows(tmp_path, HEADER + ",age_years,fold", f"a,r1,1,{sign},{sign}", f"b,r2,0,71.5,{sign}")
    assert [dict(patient.clinical) for patient in patients(text)] == [
        {"age_years": None},
        {"age_years": 71.5},
    ]
    assert [patient.fold for patient in patients(text)] == [None, None]


def test_words_stay_words_and_numbers_are_those_of_every_other_program(tmp_path: Path) -> None:
    text = csv_rows(tmp_path, HEADER + ",smoking,code", "a,r1,1,none,1_000", "b,r2,0, yes ,-.5e1")
    found = patients(text)
    assert [patient.clinical["smoking"] for patient in found] == ["none", "yes"]
    assert [patient.clinical["code"] for patient in found] == ["1_000", -5.0]


@pytest.mark.parametrize("value", ["inf", "-inf", "Infinity", "1e999", "9" * 400])
def test_an_infinite_clinical_value_is_refused(tmp_path: Path, value: str) -> None:
    text = csv_rows(tmp_path, HEADER + ",age_years", "a,r1,1,70", f"b,r2,0,{value}")
    with pytest.raises(DataError, match=r"m\.csv row 3: age_years is .*give a number, or leave it empty"):
        read_manifest(text)


def test_rows_are_numbered_as_an_editor_shows_them(tmp_path: Path) -> None:
    text = csv_rows(tmp_path, HEADER + ",note", 'a,r1,1,"two\nlines"', "", "b,r2,x,")
    with pytest.raises(DataError, match="row 5: label 'x' is neither 0 nor 1"):
        read_manifest(text)


def test_a_label_that_contradicts_the_volumes_is_refused(tmp_path: Path) -> None:
    header = f"{VOLUMES},label"
    with pytest.raises(
        DataError,
        match=r"row 3: label 1 contradicts the volumes .*200.*190.*label 0.*rename these two columns",
    ):
        read_manifest(csv_rows(tmp_path, header, "a,r1,200,100,1", "b,r2,200,190,1", "c,r3,200,200,0"))
    missing = csv_rows(tmp_path, header, "a,r1,200,100,1", "b,r2,NA,190,1", "c,r3,200,200,0")
    assert [patient.label for patient in patients(missing)] == [1, 1, 0]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((""), r"m\.csv has no rows"),
        ((HEADER,), r"m\.csv has no rows"),
        (("patient_id,label", "a,1"), "no column recording"),
        (("patient_id,recording", "a,r1"), "no column label"),
        ((HEADER + ",label", "a,r1,1,0", "b,r2,0,1"), r"the column 'label' 2 times \(columns 3 and 4\)"),
        ((HEADER + ", label", "a,r1,1,0"), r"the column 'label' 2 times"),
        ((HEADER, "a,r1,1", "b,r2,2"), "row 3: label '2' is neither 0 nor 1"),
        ((HEADER, "a,r1,1", "b,r2,"), "row 3: label '' is neither 0 nor 1"),
        ((HEADER, "a,r1,1", "a,r2,0"), "row 3: the patient has label 0 here and 1 above"),
        ((HEADER + ",fold", "a,r1,1,1", "a,r2,1,2"), "in two folds, 2 here and 1 above"),
        ((HEADER + ",fold", "a,r1,1,1", "b,r2,0,"), "fold to some patients only"),
        ((HEADER + ",fold", "a,r1,1,x"), "fold 'x' is not a whole number"),
        ((HEADER + ",fold", "a,r1,1,1e300"), "is not a whole number of normal size"),
        ((HEADER, "a,r1,1", "b,r2,1"), "only patients with label 1"),
        ((HEADER, "a,r1,1", "a,r1,1"), "row 3: recording 'r1' is listed twice, here and in row 2"),
        ((HEADER, "a,r1,1", "b"), "row 3 has 1 cells, not as many as the header"),
        ((HEADER, "a,r1,1", "b,r2,0,extra"), "row 3 has 4 cells, not as many as the header"),
        ((HEADER, ",r1,1"), "row 2: patient_id must not be empty"),
        ((HEADER, "NA,r1,1"), "row 2: patient_id must not be empty or a sign for a missing value"),
        ((HEADER, "a,.,1"), "row 2: recording must not be empty"),
        ((HEADER, f"a,{'r' * 300},1"), "row 2: recording is longer than 255 bytes"),
        ((HEADER, f"{'a' * 300},r1,1"), "row 2: patient_id is longer than 255 bytes"),
        ((HEADER, "a,r\x001,1"), "row 2: recording holds a control character"),
        (("," + HEADER, "1,a,r1,1"), "row 2: column 1 has a value and no name"),
        ((VOLUMES, "a,r1,0,10"), "lvesv_baseline_ml is '0'"),
        ((VOLUMES, "a,r1,inf,10"), "lvesv_baseline_ml is 'inf'"),
        ((VOLUMES, "a,r1,1e999,10"), "lvesv_baseline_ml is '1e999'"),
        ((VOLUMES, f"a,r1,1{'0' * 9999},10"), "lvesv_baseline_ml is '1000"),
        ((VOLUMES, "a,r1,200,NA"), "lvesv_followup_ml is 'NA'"),
    ],
)
def test_bad_manifest(tmp_path: Path, lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_manifest(csv_rows(tmp_path, *lines))


def test_nan_ids_of_a_parquet_manifest_are_not_one_patient(tmp_path: Path) -> None:
    experiment = parquet(
        tmp_path, patient_id=[1.0, float("nan"), float("nan")], recording=["r1", "r2", "r3"], label=[1, 0, 0]
    )
    with pytest.raises(DataError, match=r"m\.parquet row 2: patient_id must not be empty"):
        read_manifest(experiment)


def test_dates_are_text_and_structs_are_refused(tmp_path: Path) -> None:
    import datetime

    basis = {"patient_id": ["a", "b"], "recording": ["r1", "r2"], "label": [1, 0]}
    dated = parquet(tmp_path, **basis, implanted=[datetime.date(2020, 2, 29), None])
    assert [patient.clinical["implanted"] for patient in patients(dated)] == ["2020-02-29", None]
    for value, kind in (({"a": 1}, "struct<a: int64>"), ([1, 2], "list<"), (b"x", "binary")):
        with pytest.raises(DataError, match=f"column 'extra' holds {kind}.*drop it"):
            read_manifest(parquet(tmp_path, **basis, extra=[value, value]))


def test_absent_and_unreadable_manifests(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.csv does not exist"):
        read_manifest(experiment_on(tmp_path / "nothing.csv"))
    with pytest.raises(DataError, match="cannot be opened"):
        read_manifest(experiment_on(tmp_path / ("n" * 300)))
    (tmp_path / "m.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not a readable CSV"):
        read_manifest(experiment_on(tmp_path / "m.csv"))
    (tmp_path / "m.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="not a readable Parquet"):
        read_manifest(experiment_on(tmp_path / "m.parquet"))


def test_only_the_wanted_patients_are_judged(tmp_path: Path) -> None:
    text = csv_rows(tmp_path, HEADER, "a,r1,1", "b,r2,0", "c,r3,1", "c,r4,0")
    some = override(text, {"cohort.patients": ("a", "b")})
    assert [row.recording for row in read_manifest(some)] == ["r1", "r2"]
    with pytest.raises(DataError, match="has no patient z; take that name out"):
        read_manifest(override(text, {"cohort.patients": ("a", "b", "z")}))


def test_excluded_patients_are_not_judged(tmp_path: Path) -> None:
    text = csv_rows(tmp_path, HEADER, "a,r1,1", "b,r2,0", "c,r3,1", "c,r4,0")
    without = override(text, {"cohort.exclude_patients": ("c",)})
    assert [row.recording for row in read_manifest(without)] == ["r1", "r2"]
    assert read_manifest(override(without, {"cohort.patients": ("a", "b", "c")})) == read_manifest(without)
    with pytest.raises(DataError, match=r"has no patient z; take that name out of cohort\.exclude_patients"):
        read_manifest(override(text, {"cohort.exclude_patients": ("z", "c")}))


def test_manifest_columns(tmp_path: Path) -> None:
    text = csv_rows(tmp_path, HEADER + ", age_years ", "a,r1,1,70")
    assert manifest_columns(text.manifest_path) == ("patient_id", "recording", "label", "age_years")
