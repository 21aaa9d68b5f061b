"""What the exported model of a real sweep remembers of its recordings."""

from dataclasses import replace
from pathlib import Path

import pytest

from crtcore.config import Experiment
from crtcore.configfile import override
from crtcore.data.sources import content_hash
from crtcore.prediction.bundle_file import read_training_record
from crtcore.signal.fingerprint import fingerprint
from crtcore.signal.formats import read_any
from crtcore.signal.leads import derive_leads
from search.results.training_record import FLAGGED, OUTCOME, described, training_record
from search.results.winner import find_winner


def test_the_training_cohort_is_described(finished: Experiment, model_folder: Path) -> None:
    winner = find_winner(finished.storage, finished.name)
    cohort = read_training_record(model_folder).cohort
    assert cohort is not None
    assert cohort["sampling_rate_hz"].num == 12
    assert cohort[OUTCOME].mean == pytest.approx(100 * winner.predictions.label_P.mean())
    rows = [
        described(derive_leads(read_any(source.path), ("II", "V1")))[0] for source in winner.sources.cohort
    ]
    for name in ("amplitude_mv", "heart_rate_per_min", FLAGGED):
        assert cohort[name].mean == pytest.approx(sum(row[name] for row in rows) / 12)
    ages = [patient.clinical["age_years"] for patient in winner.sources.patients]
    assert cohort["age_years"].mean == pytest.approx(sum(ages) / 12)


@pytest.mark.parametrize("objective", ["aami5", "none"])
def test_the_cohort_is_seen_and_the_database_if_it_was_pre_trained_on(
    finished: Experiment, objective: str
) -> None:
    winner = find_winner(finished.storage, finished.name)
    trial = override(winner.experiment, {"pretrain.objective": objective})
    record = training_record(replace(winner, experiment=trial))
    for source in winner.sources.cohort:
        assert record.has_seen(content_hash(source.path, annotated=False), ())
        assert record.has_seen("", fingerprint(read_any(source.path)))
    for source in winner.sources.arrhythmia:
        assert record.has_seen("", fingerprint(read_any(source.path))) == (objective != "none")
        assert record.has_seen(source.sha256, ()) == (objective != "none")
