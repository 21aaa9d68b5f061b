from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from crtcore.errors import DataError
from crtcore.signal.leads import STANDARD_LEADS, derive_leads, normalise_lead, rhythm_row
from crtcore.signal.recording import FloatArray, Recording
from crtcore.signal.wfdb_reader import read_recording

LIMB = ("I", "II", "III", "aVR", "aVL", "aVF")


def recording(leads: tuple[str, ...], signal_CS: npt.ArrayLike) -> Recording:
    return Recording(
        record_id="r1",
        patient_id="p1",
        leads=leads,
        sampling_rate_hz=500.0,
        signal_CS=np.asarray(signal_CS, dtype=np.float32),
    )


def limb_leads(one_and_two_CS: FloatArray) -> dict[str, FloatArray]:
    """The six leads from I and II, written out: Einthoven's and Goldberger's equations."""
    one_S, two_S = one_and_two_CS
    three_S = two_S - one_S
    return {
        "I": one_S,
        "II": two_S,
        "III": three_S,
        "aVR": -(one_S + two_S) / 2,
        "aVL": (one_S - three_S) / 2,
        "aVF": (two_S + three_S) / 2,
    }


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        *[(lead, lead) for lead in STANDARD_LEADS],
        *[(lead.upper(), lead) for lead in STANDARD_LEADS],
        *[(f"Lead {lead}", lead) for lead in STANDARD_LEADS],
        *[(f"MDC_ECG_LEAD_{lead.upper()}", lead) for lead in STANDARD_LEADS],
        ("ii", "II"),
        ("avr", "aVR"),
        ("ECG II", "II"),
        ("EKG aVL", "aVL"),
        ("ECG Lead III", "III"),
        ("V 1", "V1"),
        (" v_6 ", "V6"),
        ("DII", "II"),
        ("Lead I (Einthoven)", "I"),
        ("aVF, augmented voltage, foot", "aVF"),
        ("mlii", "MLII"),
        ("ML II", "MLII"),
        ("ecg1", "ECG1"),
        (" abp ", "ABP"),
        ("-aVR", "-AVR"),
        ("V3R", "V3R"),
        ("", ""),
    ],
)
def test_names_have_one_spelling(name: str, canonical: str) -> None:
    assert normalise_lead(name) == canonical


@given(st.text())
def test_a_normalised_name_stays_as_it_is(name: str) -> None:
    assert normalise_lead(normalise_lead(name)) == normalise_lead(name)


@given(
    hnp.arrays(np.float32, (2, 7), elements=st.floats(-5, 5, width=32)),
    st.lists(st.sampled_from(LIMB), min_size=2, unique=True),
)
def test_any_two_limb_leads_give_the_other_four(one_and_two_CS: FloatArray, present: list[str]) -> None:
    truth = limb_leads(one_and_two_CS)
    given_leads = recording(tuple(present), np.stack([truth[lead] for lead in present]))
    derived = derive_leads(given_leads, LIMB)
    assert derived.leads == LIMB
    np.testing.assert_allclose(derived.signal_CS, np.stack([truth[lead] for lead in LIMB]), atol=1e-5)


def test_rows_come_in_the_wanted_order_and_stay_untouched() -> None:
    source = recording(("AVR", "II", "V1"), np.arange(6.0, dtype=np.float32).reshape(3, 2))
    chosen = derive_leads(source, ("v1", "aVR"))
    assert chosen.leads == ("V1", "aVR")
    np.testing.assert_array_equal(chosen.signal_CS, source.signal_CS[[2, 0]])


def test_a_sample_missing_in_a_source_is_missing_in_what_follows_from_it() -> None:
    derived = derive_leads(recording(("I", "II"), np.array([[1, np.nan, 3], [4, 5, 6]])), ("III",))
    np.testing.assert_array_equal(derived.signal_CS, [[3, np.nan, 3]])


@pytest.mark.parametrize(
    ("present", "wanted", "message"),
    [
        (("I", "V1"), ("III",), r"r1 has no lead III \(it has I, V1\)"),
        (("I", "II"), ("III", "V2"), "no lead V2"),
        (("I", "ii", "Lead II"), ("I",), "recording r1 names lead II twice"),
        (("I", "II"), ("AVR", "aVR"), "wanted leads names lead aVR twice"),
    ],
)
def test_what_cannot_be_derived_is_named(
    present: tuple[str, ...], wanted: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        derive_leads(recording(present, np.zeros((len(present), 3))), wanted)


def test_the_rhythm_lead_is_lead_ii_or_else_the_first() -> None:
    assert rhythm_row(("I", "II", "V1")) == 1
    assert rhythm_row(("V5", "MLII")) == 0


@pytest.mark.realdata
def test_derived_leads_are_those_a_machine_recorded(data_dir: Path) -> None:
    """PTB-XL stores all twelve: from I and II, the other four must follow to within its rounding."""
    paths = sorted((data_dir / "ptbxl500").rglob("*.hea"))[:8]
    assert paths
    for path in paths:
        whole = read_recording(path.with_suffix(""))
        derived = derive_leads(derive_leads(whole, ("I", "II")), LIMB)
        difference_CS = np.abs(derived.signal_CS - derive_leads(whole, LIMB).signal_CS)
        assert np.median(difference_CS) <= 0.002
        assert np.quantile(difference_CS, 0.99) <= 0.01
