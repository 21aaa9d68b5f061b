"""Disk trouble as one sentence."""

import errno
import os

import pytest

from crtcore.errors import StorageError
from crtcore.stages.trouble import trouble_at


@pytest.mark.parametrize(
    ("number", "reason_and_remedy"),
    [
        (errno.ENOSPC, "(No space left on device); free some space"),
        (errno.EROFS, "(Read-only file system); make it writable"),
        (errno.EIO, "(Input/output error); check that the disk or server works"),
    ],
)
def test_the_sentence_names_place_reason_and_remedy(number: int, reason_and_remedy: str) -> None:
    with pytest.raises(StorageError) as caught, trouble_at("storage /x"):
        raise OSError(number, os.strerror(number))
    assert str(caught.value) == (
        f"storage /x cannot be used {reason_and_remedy}, then run the same command again: nothing is lost"
    )


def test_an_error_without_a_number_keeps_its_text() -> None:
    with (
        pytest.raises(StorageError, match=r"b cannot be used \(the network is down\); check"),
        trouble_at("b"),
    ):
        raise OSError("the network is down")


def test_other_errors_pass() -> None:
    with pytest.raises(ValueError, match="ours"), trouble_at("storage"):
        raise ValueError("ours")
