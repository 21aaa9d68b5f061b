"""Electrical units as ECG files spell them -> millivolts."""

from typing import Final

_MILLIVOLTS: Final = {"v": 1e3, "mv": 1.0, "uv": 1e-3, "μv": 1e-3, "nv": 1e-6}


def millivolts_per(unit: str) -> float | None:
    """How many millivolts one `unit` is ("uV", "µV", "mV", "V"; in any case), None if it is not a voltage."""
    # casefold() turns the micro sign into the Greek mu, so both spellings are found.
    return _MILLIVOLTS.get(unit.strip().casefold())
