import pytest

from crtcore.signal.units import millivolts_per


@pytest.mark.parametrize(
    ("unit", "millivolts"),
    [
        ("mV", 1.0),
        ("uV", 1e-3),
        ("\N{MICRO SIGN}V", 1e-3),
        ("\N{GREEK SMALL LETTER MU}V", 1e-3),
        (" V ", 1e3),
    ],
)
def test_units_are_read_in_any_spelling(unit: str, millivolts: float) -> None:
    assert millivolts_per(unit) == millivolts


@pytest.mark.parametrize("unit", ["", "mmHg", "bpm", "m V"])
def test_what_is_no_voltage_has_no_millivolts(unit: str) -> None:
    assert millivolts_per(unit) is None
