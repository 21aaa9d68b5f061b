"""The names in a study, and that no other file of search/ spells them."""

import re
from pathlib import Path

import optuna
import pytest
from optuna.artifacts import get_all_artifact_meta
from optuna.trial import TrialState, create_trial

from search.study import attributes
from search.study.attributes import (
    DIGESTS,
    ELAPSED_S,
    ENDED_BY,
    GENERATION,
    REASON,
    REUSED,
    SECONDS,
    STAGES,
    WARM_START,
    StudyAttribute,
    TrialAttribute,
    artifact_item,
    generation_of,
    write_artifacts,
    write_generation,
)

SOURCES = Path(attributes.__file__).parents[1]
KNOWN = [value for value in vars(attributes).values() if isinstance(value, StudyAttribute | TrialAttribute)]
# What reads or writes an attribute by a name that stands in the code.
SPELLED = re.compile(r"""(user_attrs|system_attrs)(\[|\.get\()\s*["']|set_(user|system)_attr\(\s*["']""")


@pytest.fixture
def study() -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(study_name="demo")


def others() -> list[Path]:
    return [path for path in sorted(SOURCES.rglob("*.py")) if path != Path(attributes.__file__)]


def test_no_other_file_uses_an_attribute_by_its_name() -> None:
    assert len(others()) > 50
    assert [str(path) for path in others() if SPELLED.search(path.read_text())] == []
    used = re.compile(r"\b(user_attrs|set_user_attr|set_trial_user_attr|set_trial_system_attr)\b")
    outside = [path for path in others() if path.parent.name != "study"]
    assert [str(path) for path in outside if used.search(path.read_text())] == []


def test_names_of_stored_studies_do_not_change() -> None:
    assert sorted(each.name for each in KNOWN) == [
        "data_findings",
        "digests",
        "elapsed_s",
        "ended_by",
        "gpu_seconds",
        "images",
        "node",
        "proposal",
        "ray_dashboard",
        "read",
        "reason",
        "rebuilt",
        "references_id",
        "saved_seconds",
        "seconds",
        "stages",
        "warm_start",
    ]
    assert GENERATION == "cma:generation"


def test_a_study_attribute_is_read_as_it_was_written(study: optuna.Study) -> None:
    assert (DIGESTS.of(study), ELAPSED_S.of(study), ENDED_BY.of(study)) == ({}, 0.0, None)
    DIGESTS.write(study, {"cohort": "abc"})
    ENDED_BY.write(study, "trials")
    WARM_START.write(study, {"sweep": "other", "points": [{"pretrain.depth": 18}]})
    assert study.user_attrs["digests"] == {"cohort": "abc"}
    assert (DIGESTS.of(study), ENDED_BY.of(study)) == ({"cohort": "abc"}, "trials")
    assert WARM_START.of(study) == {"sweep": "other", "points": [{"pretrain.depth": 18}]}


def test_a_trial_attribute_is_read_as_it_was_written(study: optuna.Study) -> None:
    digests = {"pretrain": "abc", "features": None, "finetune": "def"}
    items = {**STAGES.item(digests), **SECONDS.item(1.5), **REUSED.item(["pretrain"])}
    study.add_trial(create_trial(value=0.7, user_attrs=items))
    study.add_trial(create_trial(value=0.7))
    full, empty = study.get_trials()
    assert (STAGES.of(full), SECONDS.of(full), REUSED.of(full)) == (digests, 1.5, ["pretrain"])
    assert (STAGES.of(empty), SECONDS.of(empty), REUSED.of(empty), REASON.of(empty)) == ({}, None, None, None)


def test_a_generation_belongs_to_one_trial(study: optuna.Study) -> None:
    study.add_trial(create_trial(state=TrialState.RUNNING))
    study.add_trial(create_trial(state=TrialState.RUNNING))
    write_generation(study, study.get_trials()[1], 4)
    assert [generation_of(trial) for trial in study.get_trials()] == [None, 4]


def test_optuna_finds_the_artifacts_of_a_trial(study: optuna.Study) -> None:
    study.add_trial(create_trial(state=TrialState.RUNNING))
    meta = '{"artifact_id": "abc-00", "filename": "roc.svg", "mimetype": "image/svg+xml", "encoding": null}'
    write_artifacts(study, 0, artifact_item("abc-00", meta))
    (found,) = get_all_artifact_meta(study.get_trials()[0], storage=study._storage)
    assert (found.artifact_id, found.filename) == ("abc-00", "roc.svg")
