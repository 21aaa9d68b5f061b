"""Which leads, and which recordings, are too poor to learn from.

Flags are for recordings as they were read: filtering or resampling hides held and clipped samples.
"""

from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from crtcore.signal.highpass import bridge_missing
from crtcore.signal.noise import noisy_leads
from crtcore.signal.recording import FloatArray, IntArray, Recording

BoolArray = npt.NDArray[np.bool_]

FLAT_RUN_S: Final = 0.2
"""Shorter runs of one value are the isoelectric line of a coarse converter, not a held signal."""
FLAT_SHARE: Final = 0.20
LONGEST_FLAT_S: Final = 1.5
"""Longer than the pause between two beats at 40 per minute."""
CLIPPED_RUN_S: Final = 0.010
"""An R peak keeps its highest value for less than this, unless it is cut off."""
CLIPPED_MIN_SAMPLES: Final = 3
CLIPPED_NUM_RUNS: Final = 3
"""Fewer are single events: PTB-XL records open or close with some 55 samples held."""
CLIPPED_SHARE: Final = 0.005
RAIL_DISTANCE: Final = 0.25
"""Of the lead's range: an extreme nearer to the median is the isoelectric line."""
MISSING_SHARE: Final = 0.05
MIN_DURATION_S: Final = 5.0
MIN_NUM_BEATS: Final = 3
"""Two RR intervals: fewer give no local rhythm to cut beats by."""


@dataclass(frozen=True, kw_only=True)
class LeadQuality:
    """What is wrong with one lead.

    `flat`: held at one value for long; `clipped`: peaks cut off at a rail; `missing`: too many NaN; `noisy`:
    noise outweighs the heart.
    """

    lead: str
    flat: bool
    clipped: bool
    missing: bool
    noisy: bool

    @property
    def usable(self) -> bool:
        return not (self.flat or self.clipped or self.missing or self.noisy)


@dataclass(frozen=True, kw_only=True)
class RecordingQuality:
    """What is wrong with a recording as a whole: its duration, the R peaks in its rhythm lead."""

    too_short: bool
    too_few_beats: bool

    @property
    def usable(self) -> bool:
        return not (self.too_short or self.too_few_beats)


def lead_flags(recording: Recording) -> tuple[LeadQuality, ...]:
    """The quality of each lead, in the recording's order."""
    signal_CS, rate = recording.signal_CS, recording.sampling_rate_hz
    flags = zip(
        recording.leads,
        _flat(signal_CS, rate),
        _clipped(signal_CS, rate),
        np.isnan(signal_CS).mean(axis=1) > MISSING_SHARE,
        noisy_leads(signal_CS, rate),
        strict=True,
    )
    return tuple(
        LeadQuality(
            lead=lead, flat=bool(flat), clipped=bool(clipped), missing=bool(missing), noisy=bool(noisy)
        )
        for lead, flat, clipped, missing, noisy in flags
    )


def recording_flags(recording: Recording, *, num_r_peaks: int) -> RecordingQuality:
    """The quality of the recording as a whole; `num_r_peaks` is how many R peaks were detected in it."""
    return RecordingQuality(
        too_short=recording.num_samples < MIN_DURATION_S * recording.sampling_rate_hz,
        too_few_beats=num_r_peaks < MIN_NUM_BEATS,
    )


def quality_flags(recording: Recording, *, num_r_peaks: int) -> tuple[str, ...]:
    """The names of all flags that the recording carries, on any lead or as a whole, sorted."""
    qualities: list[LeadQuality | RecordingQuality] = [
        *lead_flags(recording),
        recording_flags(recording, num_r_peaks=num_r_peaks),
    ]
    named = {name for quality in qualities for name, value in asdict(quality).items() if value is True}
    return tuple(sorted(named))


def _flat(signal_CS: FloatArray, rate: float) -> BoolArray:
    held_CS = np.diff(signal_CS, axis=1) == 0
    row, length = _runs(held_CS)
    long = length >= FLAT_RUN_S * rate
    share_C = np.bincount(row[long], length[long], len(signal_CS)) / signal_CS.shape[1]
    longest_C = np.zeros(len(signal_CS))
    np.maximum.at(longest_C, row, length)
    flat_C: BoolArray = (share_C > FLAT_SHARE) | (longest_C > LONGEST_FLAT_S * rate)
    return flat_C


def _clipped(signal_CS: FloatArray, rate: float) -> BoolArray:
    bridged_CS = bridge_missing(signal_CS)
    median_C1 = np.median(bridged_CS, axis=1, keepdims=True)
    range_C1 = np.ptp(bridged_CS, axis=1, keepdims=True)
    clipped_C = np.zeros(len(signal_CS), dtype=np.bool_)
    for rail_C1 in (bridged_CS.max(axis=1, keepdims=True), bridged_CS.min(axis=1, keepdims=True)):
        far_C1 = (np.abs(rail_C1 - median_C1) >= RAIL_DISTANCE * range_C1) & (range_C1 > 0)
        row, length = _runs((signal_CS == rail_C1) & far_C1)
        long = length >= max(CLIPPED_MIN_SAMPLES, CLIPPED_RUN_S * rate)
        num_runs_C = np.bincount(row[long], minlength=len(signal_CS))
        share_C = np.bincount(row[long], length[long], len(signal_CS)) / signal_CS.shape[1]
        clipped_C |= (num_runs_C >= CLIPPED_NUM_RUNS) & (share_C > CLIPPED_SHARE)
    return clipped_C


def _runs(mask_CS: BoolArray) -> tuple[IntArray, IntArray]:
    """Row and length of every run of True."""
    edge_CS = np.diff(np.pad(mask_CS, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, start = np.nonzero(edge_CS == 1)
    stop = np.nonzero(edge_CS == -1)[1]
    return row, stop - start
