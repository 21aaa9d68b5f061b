"""Change of sampling rate."""

from dataclasses import replace
from fractions import Fraction
from typing import Final

import numpy as np
from scipy.signal import resample_poly

from crtcore.signal.highpass import bridge_missing
from crtcore.signal.recording import BeatAnnotation, Recording

_LARGEST_FACTOR: Final = 1000


def resample(recording: Recording, sampling_rate_hz: float) -> Recording:
    """The recording at another sampling rate: polyphase FIR with anti-aliasing, annotation times too.

    Missing samples (NaN) are interpolated for the filter and are missing again at the new rate.
    """
    ratio = Fraction(sampling_rate_hz / recording.sampling_rate_hz).limit_denominator(_LARGEST_FACTOR)
    if ratio == 1:
        return recording
    signal_CS = recording.signal_CS
    resampled_CS = resample_poly(
        bridge_missing(signal_CS), ratio.numerator, ratio.denominator, axis=1, padtype="line"
    ).astype(np.float32)
    missing_CS = np.isnan(signal_CS)
    num_samples = resampled_CS.shape[1]
    if missing_CS.any():
        source = np.minimum(
            np.rint(np.arange(num_samples) / float(ratio)).astype(np.int64), signal_CS.shape[1] - 1
        )
        resampled_CS[missing_CS[:, source]] = np.nan
    annotation = recording.annotation
    if annotation is not None:
        sample_B = np.minimum(np.rint(annotation.sample_B * float(ratio)).astype(np.int64), num_samples - 1)
        annotation = BeatAnnotation(sample_B=sample_B, symbol_B=annotation.symbol_B)
    return replace(
        recording, sampling_rate_hz=sampling_rate_hz, signal_CS=resampled_CS, annotation=annotation
    )
