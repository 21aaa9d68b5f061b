"""Damaged input: each file is read, or ends in one `CrtError` of one line that names it, soon and in little
memory.

Seeded, so that a failure comes again: the message names the file and the number of the case.
"""

import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from benchmarks.fuzz import all_kinds, run_case, summary
from benchmarks.fuzzing.kinds import Independent, differing
from benchmarks.fuzzing.leakage import leakage
from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.data.sources import cohort_sources
from crtcore.signal.beats import BEAT_SYMBOLS
from crtcore.signal.formats import read_any
from crtcore.signal.recording import BeatAnnotation, Recording
from crtcore.signal.wfdb_reader import write_recording
from tests.damage import survives


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record of two leads and four beats."""
    folder = tmp_path_factory.mktemp("record")
    generator = np.random.default_rng(0)
    write_recording(
        folder,
        Recording(
            record_id="r1",
            patient_id="r1",
            leads=("MLII", "V1"),
            sampling_rate_hz=360.0,
            signal_CS=generator.normal(size=(2, 720)).astype(np.float32),
            annotation=BeatAnnotation(
                sample_B=np.array([100, 300, 450, 620]), symbol_B=np.array(["N", "V", "N", "A"])
            ),
        ),
        fmt="212",
        comments=["72 M"],
    )
    return folder / "r1"


def check_recording(path: Path, *, annotated: bool) -> None:
    recording = read_any(path, annotated=annotated)
    assert 0 < recording.sampling_rate_hz < float("inf")
    assert recording.num_samples > 0 and not np.isinf(recording.signal_CS).any()
    assert len(recording.leads) == len(recording.signal_CS) > 0
    if annotated:
        assert recording.annotation is not None
        sample_B = recording.annotation.sample_B
        assert ((sample_B >= 0) & (sample_B < recording.num_samples)).all() and (np.diff(sample_B) >= 0).all()
        assert set(recording.annotation.symbol_B.tolist()) <= BEAT_SYMBOLS


def test_damaged_headers(record: Path) -> None:
    survives(record.with_suffix(".hea"), lambda: check_recording(record, annotated=False))


def test_damaged_signals(record: Path) -> None:
    survives(record.with_suffix(".dat"), lambda: check_recording(record, annotated=False))


def test_damaged_annotations(record: Path) -> None:
    survives(record.with_suffix(".atr"), lambda: check_recording(record, annotated=True))


def write_examples(folder: Path) -> None:
    """A short recording of two leads in each of the other formats: r.csv, r.npz, ..."""
    import edfio
    import pydicom
    from pydicom.data import get_testdata_file

    signal_CS = np.random.default_rng(0).normal(size=(2, 200)).astype(np.float32)
    times_S = np.arange(200) / 500
    rows = zip(times_S, *signal_CS, strict=True)
    (folder / "r.csv").write_text("time_s,I,II\n" + "\n".join(f"{t:.3f},{a:.4f},{b:.4f}" for t, a, b in rows))
    pq.write_table(pa.table({"time_s": times_S, "I": signal_CS[0], "II": signal_CS[1]}), folder / "r.parquet")
    np.savez(folder / "r.npz", signal=signal_CS, sampling_rate_hz=500, leads=["I", "II"])
    signals = [edfio.EdfSignal(lead_S, 200, label="ECG I", physical_dimension="mV") for lead_S in signal_CS]
    edfio.Edf(signals).write(folder / "r.edf")
    dataset = pydicom.dcmread(str(get_testdata_file("waveform_ecg.dcm", download=False)))
    dataset.WaveformSequence = dataset.WaveformSequence[:1]
    group = dataset.WaveformSequence[0]
    group.NumberOfWaveformSamples = 200
    group.WaveformData = group.WaveformData[: 200 * 2 * group.NumberOfWaveformChannels]
    dataset.save_as(folder / "r.dcm")


@pytest.mark.parametrize("suffix", ["csv", "parquet", "npz", "edf", "dcm"])
def test_damaged_recordings_of_other_formats(tmp_path: Path, suffix: str) -> None:
    write_examples(tmp_path)
    path = tmp_path / f"r.{suffix}"
    survives(path, lambda: check_recording(path, annotated=False), num_cases=100)


@pytest.fixture
def cohort(tmp_path: Path, record: Path, tiny: Experiment) -> Experiment:
    """An experiment on a cohort of four patients."""
    for suffix in (".hea", ".dat"):
        for number in range(4):
            shutil.copy(record.with_suffix(suffix), tmp_path / f"r{number}{suffix}")
    header = (tmp_path / "r0.hea").read_text()
    for number in range(4):
        (tmp_path / f"r{number}.hea").write_text(header.replace("r1", f"r{number}"))
    (tmp_path / "manifest.csv").write_text(
        "patient_id,recording,lvesv_baseline_ml,lvesv_followup_ml,age_years,fold\n"
        'p0,r0,200,100,71,0\np1,r1,180.5,170,66,1\n"p2",r2,220,230,,0\np3,r3,150,90,80,1\n'
    )
    return override(tiny, {"cohort.manifest": tmp_path / "manifest.csv", "cohort.leads": None})


def check_cohort(experiment: Experiment) -> None:
    sources, patients, leads = cohort_sources(experiment)
    assert {patient.label for patient in patients} == {0, 1} and leads
    assert {source.patient_id for source in sources} == {patient.patient_id for patient in patients}


def test_damaged_manifests(cohort: Experiment) -> None:
    survives(cohort.manifest_path, lambda: check_cohort(cohort))


def test_damaged_parquet_manifests(cohort: Experiment) -> None:
    path = cohort.manifest_path.with_suffix(".parquet")
    pq.write_table(pyarrow.csv.read_csv(cohort.manifest_path), path)
    experiment = override(cohort, {"cohort.manifest": path})
    survives(path, lambda: check_cohort(experiment))


def test_no_damaged_input_ends_in_a_traceback_or_in_other_values_than_another_program_reads() -> None:
    kinds = [kind for kind in all_kinds() if not kind.name.startswith("bundle")]  # they take too long
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = summary([run_case(number, 0, kinds) for number in range(400)])
    assert (found["traceback"], found["hang"], found["silent"]) == (0, 0, 0), found["failures"]
    assert found["clear"] > 100 and found["accepted"] > 30
    assert set(found["by_kind"]) == {kind.name for kind in kinds}


def test_what_the_oracle_calls_silent() -> None:
    """It must see a wrong sign, rate, lead and sample, or its zero would mean nothing."""
    one = Recording(
        record_id="r",
        patient_id="r",
        leads=("I", "II"),
        sampling_rate_hz=250,
        signal_CS=np.random.default_rng(0).normal(size=(2, 1500)).astype(np.float32),
    )
    same = Independent(leads=one.leads, rate_hz=250, signal_CS=one.signal_CS.astype(np.float64))
    assert differing(one, same) is None
    others = (
        replace(same, signal_CS=-same.signal_CS),
        replace(same, rate_hz=360),
        replace(same, leads=("II", "I")),
        replace(same, signal_CS=same.signal_CS[:, :-1]),
    )
    assert all(differing(one, other) for other in others)


def test_no_patient_and_no_content_is_on_both_sides_of_a_fold() -> None:
    """A few hundred random cohorts; benchmarks/fuzz.py deals 100,000."""
    counts = leakage(300, 0)
    assert counts["cohorts"] == 300 and counts["dealt"] > 50 and counts["refused"] > 50
    assert counts["patients_on_both_sides"] == counts["contents_on_both_sides"] == 0
    assert counts["refused_without_reason"] == 0
