"""One recording under two patients is refused in any disguise; copies and odd amplitudes are findings."""

import csv
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crtcore.config import Experiment
from crtcore.configfile import load_experiment, override
from crtcore.data.cohort_review import CohortReview, review_cohort
from crtcore.data.sources import Sources, cohort_sources
from crtcore.errors import DataError
from crtcore.signal.formats import read_any
from crtcore.signal.recording import Recording
from crtcore.signal.resample import resample
from crtcore.signal.wfdb_reader import write_recording

REPOSITORY = Path(__file__).resolve().parents[3]
Rows = list[tuple[str, str, int]]


@pytest.fixture
def folder(tiny: Experiment, tmp_path: Path) -> Path:
    """A folder with the simulated records sim001 to sim012."""
    shutil.copytree(tiny.manifest_path.parent / "records", tmp_path / "cohort")
    return tmp_path / "cohort"


def sources(tiny: Experiment, folder: Path, rows: Rows, extra: dict[str, list[str]] | None = None) -> Sources:
    columns = extra or {}
    with (folder / "m.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["patient_id", "recording", "label", *columns])
        writer.writerows([*row, *cells] for row, *cells in zip(rows, *columns.values(), strict=True))
    config = override(tiny, {"cohort.manifest": folder / "m.csv"})
    recordings, patients, leads = cohort_sources(config)
    return Sources(arrhythmia=(), cohort=recordings, patients=patients, cohort_leads=leads)


def records(count: int) -> Rows:
    return [(f"p{number}", f"sim{number:03}", number % 2) for number in range(1, count + 1)]


def test_an_ordinary_cohort_has_no_finding(tiny: Experiment) -> None:
    recordings, patients, leads = cohort_sources(tiny)
    steps = []
    found = review_cohort(
        Sources(arrhythmia=(), cohort=recordings, patients=patients, cohort_leads=leads),
        lambda what, done, total: steps.append((what, done, total)),
    )
    assert found == ()
    assert steps[-1] == ("review cohort", 12, 12)


def as_csv(folder: Path, recording: Recording) -> str:
    rows = [",".join(f"{value:.3f}" for value in row) for row in recording.signal_CS.T]
    (folder / "copy.csv").write_text("\n".join([",".join(recording.leads), *rows]) + "\n")
    (folder / "copy.json").write_text(f'{{"sampling_rate_hz": {recording.sampling_rate_hz}}}')
    return "copy.csv"


def as_microvolt_npz(folder: Path, recording: Recording) -> str:
    np.savez(
        folder / "copy.npz",
        signal=1000 * recording.signal_CS,
        unit="uV",
        leads=recording.leads,
        sampling_rate_hz=recording.sampling_rate_hz,
    )
    return "copy.npz"


def as_wfdb(folder: Path, recording: Recording) -> str:
    write_recording(folder, replace(recording, record_id="copy"), fmt="16", comments=(), adc_gain=400)
    return "copy"


def at_another_rate(folder: Path, recording: Recording) -> str:
    return as_wfdb(folder, resample(recording, 360))


def copied(folder: Path, recording: Recording) -> str:
    for suffix in (".hea", ".dat"):
        text = (folder / f"sim001{suffix}").read_bytes()
        (folder / f"copy{suffix}").write_bytes(text.replace(b"sim001", b"copy"))
    return "copy"


@pytest.mark.parametrize(
    "disguise",
    [
        lambda folder, recording: "./sim001",
        lambda folder, recording: "sim001.hea",
        lambda folder, recording: "sim001.dat",
        copied,
        as_csv,
        as_microvolt_npz,
        as_wfdb,
        at_another_rate,
    ],
)
def test_one_recording_under_two_patients_is_refused_with_both_rows(
    tiny: Experiment, folder: Path, disguise: Callable[[Path, Recording], str]
) -> None:
    name = disguise(folder, read_any(folder / "sim001"))
    cohort = sources(tiny, folder, [*records(4), ("other", name, 0)])
    with pytest.raises(
        DataError, match=r"rows 2 and 6 of the manifest, recordings 'sim001' and .* two patients"
    ):
        review_cohort(cohort)


def test_every_recording_twice_under_two_ids(tiny: Experiment, folder: Path) -> None:
    """20 rows of it with random labels gave an AUC of 1.000."""
    twice = [(f"q{row[0]}", f"./{row[1]}", row[2]) for row in records(10)]
    with pytest.raises(DataError, match=r"rows 2 and 12 .* under two patients \(9 more such pairs\)"):
        review_cohort(sources(tiny, folder, [*records(10), *twice]))


def test_the_same_signal_twice_under_one_patient_is_a_finding(tiny: Experiment, folder: Path) -> None:
    name = as_csv(folder, read_any(folder / "sim001"))
    cohort = sources(tiny, folder, [*records(4), ("p1", name, 1)])
    assert review_cohort(cohort) == ("The same signal twice under one patient: rows 2 and 6.",)


def shifted(recording: Recording) -> Recording:
    return replace(recording, signal_CS=recording.signal_CS[:, round(2.4 * recording.sampling_rate_hz) :])


def rescaled(recording: Recording) -> Recording:
    return replace(recording, signal_CS=1.5 * recording.signal_CS)


@pytest.mark.parametrize(("change", "said"), [(shifted, "shifted by 2.40 s"), (rescaled, "lead (II|V1)[)]")])
def test_near_copies_are_a_finding(
    tiny: Experiment, folder: Path, change: Callable[[Recording], Recording], said: str
) -> None:
    name = as_wfdb(folder, change(read_any(folder / "sim001")))
    (found,) = review_cohort(sources(tiny, folder, [*records(4), ("other", name, 0)]))
    assert found.startswith("Alike but for a shift, a cut or the scale") and "rows 2 and 6" in found
    assert "patient p1" not in found and "other" not in found
    assert re.search(said, found)


def scaled_csv(folder: Path, number: int, factor: float) -> str:
    recording = read_any(folder / f"sim{number:03}")
    name = as_csv(folder, replace(recording, signal_CS=factor * recording.signal_CS))
    for suffix in (".csv", ".json"):
        (folder / f"copy{suffix}").rename(folder / f"scaled{number}{suffix}")
    return name.replace("copy", f"scaled{number}")


def test_implausible_amplitudes_are_a_finding_and_impossible_ones_an_error(
    tiny: Experiment, folder: Path
) -> None:
    odd = scaled_csv(folder, 5, 15)
    (found,) = review_cohort(sources(tiny, folder, [*records(4), ("p5", odd, 0)]))
    assert found.startswith("Implausible amplitude: row 6 (") and "mV" in found
    impossible = scaled_csv(folder, 6, 1000)
    with pytest.raises(DataError, match=r"scaled6\.csv: lead .* spans .* mV"):
        review_cohort(sources(tiny, folder, [*records(4), ("p6", impossible, 0)]))


def test_centres_with_other_amplitudes_are_a_finding(tiny: Experiment, folder: Path) -> None:
    rows = [*records(4), *((f"p{n}", scaled_csv(folder, n, 6), n % 2) for n in range(5, 9))]
    centres = {"centre": ["Ghent"] * 4 + ["Leuven"] * 4}
    found = review_cohort(sources(tiny, folder, rows, centres))
    assert len(found) == 1
    assert "amplitudes differ by a factor of 5 or more: Ghent (" in found[0] and "Leuven (" in found[0]


def test_a_flat_cohort_is_reviewed(tiny: Experiment, folder: Path) -> None:
    cohort = sources(tiny, folder, records(4))
    review = CohortReview(cohort)
    for source in cohort.cohort:
        raw = read_any(source.path)
        review.add(source, replace(raw, leads=("II", "V1"), signal_CS=np.zeros((2, 5000), np.float32)))
    (found,) = review.findings()
    assert found.count("II spans 0 mV, V1 spans 0 mV") == 4


@pytest.mark.realdata
def test_ptb_xl_holds_one_ecg_under_two_patients(tiny: Experiment, data_dir: Path) -> None:
    """Found by this review: records 145 and 463, of patients 16690 and 16723, are equal bit by bit."""
    manifest = data_dir / "ptbxl500" / "cohort_all.csv"
    config = override(tiny, {"cohort.manifest": manifest, "cohort.leads": None})
    recordings, patients, leads = cohort_sources(config)
    chosen = tuple(
        source for source in recordings if source.record_id.endswith(("145_hr", "463_hr", "347_hr"))
    )
    with pytest.raises(DataError, match=r"00145_hr.*00463_hr.*under two patients"):
        review_cohort(Sources(arrhythmia=(), cohort=chosen, patients=patients, cohort_leads=leads))


@pytest.mark.realdata
@pytest.mark.parametrize(("name", "num_patients"), [("pretraining", 348), ("mitbih_ptbxl", 71)])
def test_the_shipped_configs_hold_no_recording_twice(name: str, num_patients: int, data_dir: Path) -> None:
    config = override(load_experiment(REPOSITORY / "configs" / f"{name}.yaml"), {"data": data_dir})
    recordings, patients, leads = cohort_sources(config)
    assert len(patients) == num_patients
    found = review_cohort(Sources(arrhythmia=(), cohort=recordings, patients=patients, cohort_leads=leads))
    assert not any(finding.startswith(("The same signal", "Alike")) for finding in found)
