"""The lines of a WFDB header, held against the format before wfdb parses them.

wfdb skips what it does not understand: a rate of `nan` becomes 250 Hz, and letters outside ASCII vanish,
which makes volts of µV. Format: https://physionet.org/physiotools/wag/header-5.htm.
"""

import re
from pathlib import Path
from typing import Final

from crtcore.errors import DataError

_DECIMAL: Final = r"(\d{1,15}\.?\d{0,15}|\.\d{1,15})"
_INTEGER: Final = r"-?\d{1,10}"
_RECORD: Final = re.compile(
    rf"""(?P<name>[-\w]+)(?P<segments>/\d+)?
    \s+(?P<num_signals>\d{{1,4}})
    (\s+(?P<rate>{_DECIMAL})(/-?{_DECIMAL}(\(-?{_DECIMAL}\))?)?
    (\s+(?P<length>\d{{1,12}}) (\s+[\d:.]+(\s+[\d/]+)?)?)?)?""",
    re.VERBOSE | re.ASCII,
)
_STORAGE: Final = re.compile(
    r"\d{1,3}(x(?P<per_frame>\d{1,6}))?(:(?P<skew>\d{1,12}))?(\+(?P<offset>\d{1,12}))?", re.ASCII
)
_GAIN: Final = re.compile(
    rf"-?{_DECIMAL}(e[-+]?\d{{1,3}})?(\({_INTEGER}\))?(/(?P<unit>\S+))?", re.VERBOSE | re.ASCII
)
_MAX_NAME: Final = 255  # bytes that file systems allow
# Up to five whole numbers, then the lead's name; it may start with a digit only after all five.
_REST: Final = re.compile(
    rf"""{_INTEGER}(\s+{_INTEGER}){{4}}(\s+.*)?
    | {_INTEGER}(\s+{_INTEGER}){{0,3}}(\s+[^\d\s].*)?
    | [^\d\s].*""",
    re.VERBOSE | re.ASCII,
)


def check_header(header_path: Path) -> tuple[str | None, ...]:
    """The unit of each signal as the header spells it, None where it gives none.

    Raises DataError that names the line where a number is malformed, negative where it must not be, or
    absent though a recording needs it (the sampling rate).
    """
    lines = _lines(header_path)
    if not lines:
        raise DataError(f"{header_path} is empty: fetch the record again")
    record = _RECORD.fullmatch(lines[0])
    if record is None or record["segments"] is not None:
        what = "describes several segments" if record else "is not name, signals, rate and length"
        raise DataError(
            f"{header_path}: its first line {lines[0][:80]!r} {what}; correct it, or join a multi-segment "
            "record into one (wfdb's `xform`)"
        )
    if record["rate"] is None or float(record["rate"]) == 0:
        raise DataError(f"{header_path} gives no sampling rate: add it to the first line")
    num_signals = int(record["num_signals"])
    if num_signals == 0 or len(lines) < 1 + num_signals:
        raise DataError(
            f"{header_path} describes {len(lines) - 1} signals where it promises {num_signals}: fetch the "
            "record again"
        )
    length = None if record["length"] is None else int(record["length"])
    return tuple(_signal_unit(header_path, line, length) for line in lines[1 : 1 + num_signals])


def _lines(header_path: Path) -> list[str]:
    content = header_path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _signal_unit(header_path: Path, line: str, length: int | None) -> str | None:
    fields = line.split(maxsplit=3)
    if len(fields[0].encode()) > _MAX_NAME:
        raise DataError(
            f"{header_path}: the signal line {line[:80]!r} names a file of over {_MAX_NAME} bytes; correct it"
        )
    storage = _STORAGE.fullmatch(fields[1]) if len(fields) > 1 else None
    gain = _GAIN.fullmatch(fields[2]) if len(fields) > 2 else None
    well_formed = storage is not None and (gain is not None or len(fields) == 2)
    if not well_formed or (len(fields) > 3 and _REST.fullmatch(fields[3]) is None):
        raise DataError(
            f"{header_path}: the signal line {line[:80]!r} is malformed (file, format, gain(baseline)/unit, "
            "then whole numbers and the lead's name): correct it or fetch the record again"
        )
    assert storage is not None
    if storage["skew"] is not None and int(storage["skew"]) > (length or 0):
        raise DataError(
            f"{header_path}: the signal line {line[:80]!r} has a skew beyond the record's length; correct it"
        )
    return None if gain is None else gain["unit"]
