"""A validation that was really run."""

from pathlib import Path

import pytest

from search.results.validation import Validation, validate


@pytest.fixture(scope="session")
def validated(model_folder: Path, elsewhere: Path) -> Validation:
    """The exported winner on 24 patients of another simulated cohort."""
    return validate(model_folder, elsewhere)
