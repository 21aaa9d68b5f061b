"""Late fusion is tested on the tiny sets of the training tests."""

from tests.crtcore.training.conftest import prepared

__all__ = ["prepared"]
