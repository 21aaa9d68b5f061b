from hypothesis import given
from hypothesis import strategies as st

from crtcore.seeding import child_seed


def test_a_seed_is_the_same_in_every_version() -> None:
    """Digests of stages rest on it: another value would compute what users have stored again."""
    assert child_seed(0, "folds", 0) == 4605110026857465867
    assert child_seed(7) == 4359823973405836615


@given(seed=st.integers(0, 2**70), names=st.lists(st.text(max_size=5) | st.integers(), max_size=3))
def test_a_seed_fits_63_bits_and_depends_on_its_arguments_only(seed: int, names: list[str | int]) -> None:
    first = child_seed(seed, *names)
    assert 0 <= first < 2**63
    assert child_seed(seed, *names) == first


def test_each_name_gives_another_seed() -> None:
    seeds = [
        child_seed(seed, *names)
        for seed in range(3)
        for names in ((), ("a",), ("b",), ("a", 0), ("a", 1), (0, "a"), ("a", "0", 0))
    ]
    assert len(set(seeds)) == len(seeds)
