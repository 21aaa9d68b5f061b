"""Damage to files: random bytes, and what clumsy people and programs write."""

import re
from typing import Final

import numpy as np

Generator = np.random.Generator

HOSTILE: Final = (
    *("nan", "inf", "-5", "0", "1e999", "1e3", "NA", "NULL", "None", ".", "", "-", "x", "$", "1,5"),
    *("2147483648", "99999999999999999999", "9" * 5000, "0x10", "1_000", "ÿ", "µV", "uV", "true", "label"),
    *("../../etc/passwd", "a" * 300, "\t", '"', "{", "[", "&a", "*a", "I", "II", "time", "0.15"),
)
_WINDOW: Final = 2**15  # bytes in which a token is looked for
_TOKEN: Final = re.compile(rb"[^\s,:;/(){}\[\]\"]+")


def bytes_damaged(content: bytes, generator: Generator) -> bytes:
    """One to three hurts: cut, a flipped bit, a turned or repeated stretch, large numbers."""
    for _ in range(generator.integers(1, 4)):
        if not content:
            return content
        at = int(generator.integers(len(content)))
        far = min(len(content), at + int(generator.integers(1, 64)))
        kind = generator.integers(6)
        if kind == 0:
            content = content[:at]
        elif kind == 1:
            content = content[:at] + bytes([content[at] ^ 1 << generator.integers(8)]) + content[at + 1 :]
        elif kind == 2:
            content = content[:at] + content[at:far][::-1] + content[far:]
        elif kind == 3:
            content = content[:at] + b"\xff\xff\xff\x7f" * int(generator.integers(1, 9)) + content[far:]
        elif kind == 4:
            content = content[:at] + content[at:far] + content[at:]
        else:
            content = _token_replaced(content, generator)
    return content


def text_damaged(content: bytes, generator: Generator) -> bytes:
    """One or two of: another token, a line dropped, doubled or moved, a column doubled, random bytes."""
    for _ in range(generator.integers(1, 3)):
        lines = content.split(b"\n")
        kind, line = generator.integers(7), int(generator.integers(len(lines)))
        if kind <= 2:
            content = _token_replaced(content, generator)
        elif kind == 3:
            content = b"\n".join(lines[:line] + lines[line + 1 :])
        elif kind == 4:
            content = b"\n".join([*lines[: line + 1], *lines[line:]])
        elif kind == 5:
            column = int(generator.integers(8))
            content = b"\n".join(_column_doubled(each, column) for each in lines)
        else:
            content = bytes_damaged(content, generator)
    return content


def either(content: bytes, generator: Generator) -> bytes:
    """Damage to text or to bytes."""
    return (text_damaged if generator.random() < 0.7 else bytes_damaged)(content, generator)


def _token_replaced(content: bytes, generator: Generator) -> bytes:
    first = int(generator.integers(max(1, len(content) - _WINDOW)))
    tokens = list(_TOKEN.finditer(content, first, first + _WINDOW))
    if not tokens:
        return content
    start, stop = tokens[generator.integers(len(tokens))].span()
    hostile = HOSTILE[generator.integers(len(HOSTILE))].encode()
    return content[:start] + hostile + content[stop:]


def _column_doubled(line: bytes, column: int) -> bytes:
    cells = line.split(b",")
    return b",".join([*cells[: column + 1], *cells[column : column + 1], *cells[column + 1 :]])
