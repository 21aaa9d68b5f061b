"""The caveat about the data, which changes no result."""

from pathlib import Path

import pytest

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.data.caveat import SIMULATED, caveat, is_simulated, outcome_sentence
from crtcore.pipeline import plan, read_sources

NOTE = "Stand-in data: label 1 is a conduction disturbance, not CRT response."


@pytest.fixture
def real(tmp_path: Path) -> Experiment:
    (tmp_path / "cohort.csv").write_text(
        "patient_id,recording,lvesv_baseline_ml,lvesv_followup_ml\na,a,100,80\nb,b,100,99\n"
    )
    return Experiment.model_validate(
        {
            "name": "real",
            "data": tmp_path,
            "arrhythmia": {"database": "mitdb"},
            "cohort": {"manifest": "cohort.csv"},
        }
    )


def test_simulated_data_are_known_by_their_folder(tiny: Experiment, real: Experiment) -> None:
    assert is_simulated(tiny)
    assert not is_simulated(real)


def test_what_label_1_means_is_said_as_far_as_it_is_known(tiny: Experiment, real: Experiment) -> None:
    assert "fall of LVESV by 15 %" in outcome_sentence(real)
    assert "only the manifest's author knows" in outcome_sentence(tiny)
    assert outcome_sentence(override(real, {"cohort.note": NOTE})) == NOTE


def test_the_caveat_holds_both_or_nothing(tiny: Experiment, real: Experiment) -> None:
    assert caveat(real) == ""
    assert caveat(override(real, {"cohort.note": NOTE})) == NOTE
    assert caveat(override(tiny, {"cohort.note": NOTE})) == f"{SIMULATED} {NOTE}"


def test_words_enter_no_stage(tiny: Experiment) -> None:
    worded = override(tiny, {"cohort.note": NOTE, "cohort.class_names": ("normal", "ill")})
    assert plan(worded, read_sources(worded)) == plan(tiny, read_sources(tiny))
