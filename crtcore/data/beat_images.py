"""One recording -> its R peaks, its beats and their images. The stage `shard` and the predictor both use it.

R peaks are detected once per recording: beats are cut at them, and the quality flags count them.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from crtcore.config import SpectrogramConfig
from crtcore.errors import DataError
from crtcore.signal.beats import label_detections, segment_beats
from crtcore.signal.highpass import high_pass
from crtcore.signal.leads import rhythm_row
from crtcore.signal.r_peaks import LOWEST_RATE_HZ, detect_r_peaks
from crtcore.signal.recording import Beats, IntArray, Recording, StrArray
from crtcore.signal.resample import resample
from crtcore.signal.spectrogram import SAMPLING_RATE_HZ, spectrogram_images
from crtcore.signal.waveform import as_images, waveforms


@dataclass(frozen=True, kw_only=True)
class Rhythm:
    """A recording at 360 Hz without baseline wander, and its R peaks.

    `r_sample_B` are sample numbers of `recording`, ascending. `symbol_B` are the reference labels, "" for a
    peak without one.
    """

    recording: Recording
    r_sample_B: IntArray
    symbol_B: StrArray


def detected_rhythm(raw: Recording) -> Rhythm:
    """Detect the R peaks of a recording as it was read, with the leads that are used.

    If the recording has an annotation, each peak gets the label of the annotated beat that it matches. Raises
    DataError if the sampling rate is too low for the detector.
    """
    if raw.sampling_rate_hz < LOWEST_RATE_HZ:
        raise DataError(
            f"recording {raw.record_id} has {raw.sampling_rate_hz:g} samples per second, too few to detect R "
            f"peaks; give recordings of {LOWEST_RATE_HZ:g} Hz or more"
        )
    recording = _filtered(raw)
    sample_B = detect_r_peaks(recording.signal_CS[rhythm_row(recording.leads)], SAMPLING_RATE_HZ)
    symbol_B = (
        np.full(len(sample_B), "", dtype=np.str_)
        if recording.annotation is None
        else label_detections(sample_B, recording.annotation, SAMPLING_RATE_HZ)
    )
    return Rhythm(recording=recording, r_sample_B=sample_B, symbol_B=symbol_B)


def annotated_rhythm(raw: Recording) -> Rhythm:
    """Take the R peaks from the recording's annotation, which it must have."""
    recording = _filtered(raw)
    assert recording.annotation is not None
    annotation = recording.annotation
    return Rhythm(recording=recording, r_sample_B=annotation.sample_B, symbol_B=annotation.symbol_B)


def cut_beats(
    rhythm: Rhythm, spectrogram: SpectrogramConfig, *, labelled_only: bool = False, max_beats: int | None
) -> Beats:
    """The whole beats of a recording, at most `max_beats`; `labelled_only` drops those without a label."""
    beats = segment_beats(
        rhythm.r_sample_B,
        rhythm.symbol_B,
        num_samples=rhythm.recording.num_samples,
        sampling_rate_hz=SAMPLING_RATE_HZ,
        before_r_rr=spectrogram.before_r_rr,
        after_r_rr=spectrogram.after_r_rr,
    )
    if labelled_only:
        beats = beats.take(np.flatnonzero(beats.symbol_B != ""))
    return evenly_spaced(beats, max_beats)


def evenly_spaced(beats: Beats, max_beats: int | None) -> Beats:
    """At most `max_beats` beats, evenly spaced over the recording. The choice ignores the labels."""
    if max_beats is None or len(beats) <= max_beats:
        return beats
    return beats.take(np.linspace(0, len(beats) - 1, max_beats).round().astype(np.int64))


def beat_images(
    recording: Recording, beats: Beats, spectrogram: SpectrogramConfig, *, waveform: bool
) -> npt.NDArray[np.uint8]:
    """The image of each beat in each lead, shape (beats, leads, F, T); `recording` is that of a `Rhythm`.

    With `waveform` the bytes are those of waveforms, in the same shape.
    """
    image_BFT_of_lead = [
        as_images(waveforms(signal_S, beats))
        if waveform
        else spectrogram_images(signal_S, beats, spectrogram)
        for signal_S in recording.signal_CS
    ]
    return np.stack(image_BFT_of_lead, axis=1)


def _filtered(raw: Recording) -> Recording:
    recording = resample(raw, SAMPLING_RATE_HZ)
    return replace(recording, signal_CS=high_pass(recording.signal_CS, SAMPLING_RATE_HZ))
