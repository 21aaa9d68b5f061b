"""The digest that names a stage's output."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crtcore.stages.stage import Stage, StageKey


def stage(**config: object) -> Stage:
    return Stage(name="toy", config=config, inputs=("abc",), version=1)


@given(
    st.dictionaries(st.text(), st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text())
)
def test_digest_ignores_the_order_of_keys(config: dict[str, object]) -> None:
    backwards = dict(reversed(config.items()))
    assert stage(c=config).digest == stage(c=backwards).digest


def test_digest_depends_on_each_part() -> None:
    base = Stage(name="a", config={"x": 1}, inputs=("i",), version=1)
    others = [
        Stage(name="b", config={"x": 1}, inputs=("i",), version=1),
        Stage(name="a", config={"x": 2}, inputs=("i",), version=1),
        Stage(name="a", config={"x": 1}, inputs=("j",), version=1),
        Stage(name="a", config={"x": 1}, inputs=("i",), version=2),
    ]
    assert len({base.digest, *(other.digest for other in others)}) == 5


def test_digest_is_that_of_earlier_versions() -> None:
    """Storages made by them are found by it."""
    made = stage(depth=18, rate=0.1)
    assert made.digest == "5c65a1d5c94cb873be47"
    assert str(made) == str(StageKey(name="toy", digest=made.digest)) == "toy/5c65a1d5c94cb873be47"


def test_a_config_that_json_cannot_hold_has_no_digest() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        _ = stage(rate=float("nan")).digest
