"""What one kind of input is: how an intact example is written, damaged, read, and read again by others."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crtcore.signal.formats import read_any
from crtcore.signal.leads import normalise_lead
from crtcore.signal.recording import Recording

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """`write` puts an intact example into a folder and returns the file to damage; `read` is ours;
    `disagreement` reads the file again with a program that is not ours, and returns what differs, or None.
    `share` is how often the kind is drawn.
    """

    name: str
    write: Callable[[Path], Path]
    damage: Callable[[bytes, np.random.Generator], bytes]
    read: Callable[[Path], Any]
    disagreement: Callable[[Path, Any], str | None]
    share: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Independent:
    """A recording as another program reads it: leads as the file spells them, samples in mV."""

    leads: tuple[str, ...]
    rate_hz: float
    signal_CS: Float64Array


def recording_kind(
    name: str,
    write: Callable[[Path], Path],
    damage: Callable[[bytes, np.random.Generator], bytes],
    independent: Callable[[Path], Independent],
) -> Kind:
    """A file format of recordings; `independent` reads it without our code."""

    def disagreement(path: Path, mine: Recording) -> str | None:
        return differing(mine, independent(path))

    return Kind(name=name, write=write, damage=damage, read=read_any, disagreement=disagreement)


def differing(mine: Recording, other: Independent) -> str | None:
    """What differs between two readings beyond rounding. No flag excuses it: noise would carry one."""
    leads = tuple(normalise_lead(name) for name in other.leads)
    if leads != mine.leads:
        return f"leads {mine.leads} and {leads}"
    if not abs(mine.sampling_rate_hz - other.rate_hz) <= 1e-3 * abs(other.rate_hz):
        return f"rates {mine.sampling_rate_hz} and {other.rate_hz}"
    if mine.signal_CS.shape != other.signal_CS.shape:
        return f"shapes {mine.signal_CS.shape} and {other.signal_CS.shape}"
    if np.allclose(mine.signal_CS, other.signal_CS, rtol=1e-4, atol=1e-4, equal_nan=True):
        return None
    worst = np.nanmax(np.abs(mine.signal_CS - other.signal_CS))
    return f"samples differ by up to {worst:g} mV"
