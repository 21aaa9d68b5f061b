"""What a search may not ask for."""

from typing import Any

import pytest
from pydantic import ValidationError

from crtcore.searchconfig import FloatRange, SearchConfig


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"objectives": ["auc", "auc"]}, "lists a value twice"),
        ({"objectives": ["trainable_parameters"]}, "objectives must include auc"),
        ({"objectives": ["auc", "trainable_parameters"]}, "set search.scheduler.name to none"),
        ({"study": "mysql"}, "neither sqlite, journal nor a database URL"),
        (
            {
                "objectives": ["auc", "trainable_parameters"],
                "scheduler": {"name": "none"},
                "sampler": "cmaes",
            },
            "cmaes works with one objective",
        ),
    ],
)
def test_a_contradiction_is_named(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        SearchConfig.model_validate(changes)


def test_a_range_is_ordered_and_a_log_range_is_positive() -> None:
    with pytest.raises(ValidationError, match=r"low \(2\) must be below high \(1\)"):
        FloatRange(low=2, high=1)
    with pytest.raises(ValidationError, match="must start above 0"):
        FloatRange(low=0, high=1, log=True)
    assert FloatRange(low=1e-4, high=1, log=True).log
