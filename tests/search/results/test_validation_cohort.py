"""Each recording of an external cohort is predicted, or refused for a reason that names nobody."""

from pathlib import Path

import numpy as np
import pytest

from crtcore.errors import DataError
from crtcore.prediction.bundle_file import read_bundle, read_training_record
from crtcore.prediction.predictor import patient_probability
from crtcore.signal.formats import read_any
from search.results.validation_cohort import LACKS_LEADS, UNREADABLE, Examined, cohort_of, examine, usable

NOBODY = lambda what, done, total: None  # noqa: E731


def save(path: Path, signal_CS: np.ndarray, *leads: str, rate: float = 500.0) -> None:
    np.savez(path, signal=signal_CS.astype(np.float32), leads=np.array(leads), sampling_rate_hz=rate)


@pytest.fixture
def manifest(elsewhere: Path, tmp_path: Path) -> Path:
    """One good recording, and one for each reason to refuse."""
    good = read_any(sorted(elsewhere.parent.glob("records/*.hea"))[0].with_suffix(""))
    rows = {lead: good.signal_CS[place] for place, lead in enumerate(good.leads)}
    signal_CS = np.stack([rows["II"], rows["V1"]])
    save(tmp_path / "good.npz", signal_CS, "II", "V1", rate=good.sampling_rate_hz)
    (tmp_path / "broken.npz").write_text("no archive")
    save(tmp_path / "other.npz", signal_CS, "II", "V6", rate=good.sampling_rate_hz)
    save(tmp_path / "flat.npz", 0 * signal_CS, "II", "V1", rate=good.sampling_rate_hz)
    save(tmp_path / "slow.npz", signal_CS[:, ::12], "II", "V1", rate=good.sampling_rate_hz / 12)
    save(tmp_path / "loud.npz", 100 * signal_CS, "II", "V1", rate=good.sampling_rate_hz)
    names = ("good", "broken", "other", "flat", "slow", "loud")
    lines = [f"smith-{name},{name}.npz,{place % 2}" for place, name in enumerate(names)]
    (tmp_path / "cohort.csv").write_text("\n".join(["patient_id,recording,label", *lines]) + "\n")
    return tmp_path / "cohort.csv"


def looked_at(model_folder: Path, manifest: Path) -> dict[str, Examined]:
    predictor = read_bundle(model_folder)
    _, sources = cohort_of(manifest, predictor)
    found = examine(predictor, sources, read_training_record(model_folder), on_progress=NOBODY)
    assert [each.source.row for each in found] == [source.row for source in sources.cohort]
    return {each.source.record_id.removesuffix(".npz"): each for each in found}


def test_each_recording_has_a_prediction_or_a_reason(model_folder: Path, manifest: Path) -> None:
    found = looked_at(model_folder, manifest)
    assert {name: each.refused for name, each in found.items()} == {
        "good": None,
        "broken": UNREADABLE,
        "other": LACKS_LEADS,
        "flat": found["flat"].refused,
        "slow": UNREADABLE,
        "loud": UNREADABLE,
    }
    assert str(found["flat"].refused).startswith("flagged flat")
    assert not [each for each in found.values() if "smith" in str(each.refused)]
    good = found["good"]
    assert good.logit_B is not None
    expected = read_bundle(model_folder).probability(manifest.parent / "good.npz")
    assert patient_probability(good.logit_B) == expected
    assert (found["flat"].measures is None, found["other"].measures is None) == (False, True)


def test_the_usable_sources_are_those_with_a_prediction(model_folder: Path, manifest: Path) -> None:
    predictor = read_bundle(model_folder)
    _, sources = cohort_of(manifest, predictor)
    assert sources.cohort_leads == ("II", "V1")
    found = examine(predictor, sources, read_training_record(model_folder), on_progress=NOBODY)
    left = usable(sources, found)
    assert [source.record_id for source in left.cohort] == ["good.npz"]
    assert [patient.patient_id for patient in left.patients] == ["smith-good"]


def test_a_cohort_with_other_leads_is_one_sentence(model_folder: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        save(tmp_path / f"{name}.npz", rng.normal(size=(2, 5000)), "V5", "V6")
    (tmp_path / "cohort.csv").write_text("patient_id,recording,label\n1,a.npz,0\n2,b.npz,1\n")
    with pytest.raises(DataError, match=r"none of the 2 recordings has the leads .* \(II, V1\); give"):
        looked_at(model_folder, tmp_path / "cohort.csv")


def test_a_cohort_without_a_usable_recording_says_why(model_folder: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(tmp_path / f"{name}.npz", np.zeros((2, 5000)), "II", "V1")
    (tmp_path / "b.npz").write_text("no archive")
    (tmp_path / "cohort.csv").write_text("patient_id,recording,label\n1,a.npz,0\n2,b.npz,1\n")
    with pytest.raises(
        DataError, match=r"none of the 2 recordings can be used: flagged .*flat.*row \d first"
    ):
        looked_at(model_folder, tmp_path / "cohort.csv")
