"""What a bundle remembers of its training recordings comes back, or one sentence says why not."""

from pathlib import Path

import pytest

from crtcore.errors import StorageError
from crtcore.evaluation.cohort_difference import Summary
from crtcore.prediction.training_record import (
    COHORT_FILE,
    SEEN_FILE,
    TRAINING_FILES,
    TrainingRecord,
    decode_training_record,
    encode_training_record,
)

RECORD = TrainingRecord(
    cohort={"amplitude_mv": Summary(mean=1.5, sd=0.25, num=71)},
    files=frozenset({"aa", "bb"}),
    pieces=frozenset({"11", "22", "33"}),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in encode_training_record(RECORD).items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_a_record_comes_back(folder: Path) -> None:
    assert decode_training_record(folder, TRAINING_FILES) == RECORD


def test_files_that_the_bundle_does_not_list_are_not_read(folder: Path) -> None:
    nothing = decode_training_record(folder, ())
    assert nothing == TrainingRecord(cohort=None, files=None, pieces=None)
    assert decode_training_record(folder, (COHORT_FILE,)).files is None


def test_a_recording_is_seen_by_its_files_or_by_its_signal() -> None:
    assert RECORD.has_seen("aa", ())
    assert RECORD.has_seen("new", (("99",), ("11", "22", "00")))
    assert not RECORD.has_seen("new", (("11", "98", "99"),))


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        (COHORT_FILE, '{"version": 2, "variables": {}}', "is of version 2, not 1"),
        (COHORT_FILE, "no JSON", "cannot be used"),
        (SEEN_FILE, '{"version": 1, "files": []}', "cannot be used .Field required"),
        (
            COHORT_FILE,
            '{"version": 1, "variables": {"a": {"mean": NaN, "sd": 1, "num": 1}}}',
            "finite number",
        ),
    ],
)
def test_what_cannot_be_used_is_named(folder: Path, name: str, content: str, fault: str) -> None:
    (folder / name).write_text(content)
    with pytest.raises(StorageError, match=f"{name}.*{fault}"):
        decode_training_record(folder, TRAINING_FILES)
