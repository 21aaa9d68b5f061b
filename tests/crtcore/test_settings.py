"""Times in words, and what a section refuses."""

import pytest
from pydantic import TypeAdapter, ValidationError

from crtcore.settings import Seconds, Settings


@pytest.mark.parametrize(
    ("given", "seconds"), [(90, 90), ("90", 90), ("90s", 90), ("1.5m", 90), (" 2h ", 7200), ("1d", 86400)]
)
def test_a_time_is_seconds(given: object, seconds: float) -> None:
    assert TypeAdapter(Seconds).validate_python(given) == seconds


@pytest.mark.parametrize("given", ["soon", "2w", "-3", "", 0, -1.0, float("inf")])
def test_what_is_no_time_is_refused(given: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Seconds).validate_python(given)


class _Section(Settings):
    value: int = 1


def test_a_section_cannot_be_changed_and_has_no_other_key() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        _Section().value = 2
    with pytest.raises(ValidationError, match="Extra inputs"):
        _Section.model_validate({"other": 1})
