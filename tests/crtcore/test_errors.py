import inspect

import pytest

from crtcore import errors
from crtcore.errors import MAX_FOREIGN, CrtError, brief

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    assert errors.__doc__ is not None
    drawn = [line.split()[1] for line in errors.__doc__.splitlines() if line.startswith(("├", "└"))]
    assert sorted(["CrtError", *drawn]) == sorted(kind.__name__ for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_that_a_user_can_fix_is_a_crt_error(kind: type[CrtError]) -> None:
    assert issubclass(kind, CrtError)
    with pytest.raises(CrtError, match=r"^record 100 is missing; copy it again$"):
        raise kind("record 100 is missing; copy it again")


def test_foreign_messages_become_one_short_line() -> None:
    assert brief(ValueError("a\n  b\tc")) == "a b c"
    assert brief(ValueError("x" * 1000)) == "x" * MAX_FOREIGN + "..."
