"""What a result rests on, in words."""

from pathlib import Path

import pytest

from crtcore.config import Experiment
from search.provenance import is_simulated, outcome_sentence, provenance
from search.winner import find_winner


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


def test_simulated_data_are_known_by_their_folder(finished: Experiment, real: Experiment) -> None:
    assert is_simulated(finished)
    assert not is_simulated(real)


def test_what_label_1_means_is_said_as_far_as_it_is_known(finished: Experiment, real: Experiment) -> None:
    assert "fall of LVESV by 15 %" in outcome_sentence(real)
    assert "only the manifest's author knows" in outcome_sentence(finished)


def test_the_command_runs_the_stored_config(finished: Experiment) -> None:
    winner = find_winner(finished.storage, finished.name)
    found = provenance(winner)
    assert Path(found["command"].removeprefix("crtsearch sweep ")).is_file()
    assert found["digests"]["finetune"] == winner.plan.finetune.digest
    assert found["versions"]["torch"]
