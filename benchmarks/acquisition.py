"""How other electrocardiographs would have recorded a patient: a family of acquisition changes.

Each change maps a recording to the one that another machine, setting or pair of hands would have given. The
cutoffs are those that electrocardiographs offer (IEC 60601-2-25; Kligfield et al. 2007, Circulation
115:1306): high-pass 0.05, 0.15 and 0.5 Hz, low-pass 40, 100 and 150 Hz, a mains notch at 50 or 60 Hz, 250,
500 and 1000 samples a second.

Legend: C leads, S samples.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, iirnotch, lfilter, lfilter_zi, resample_poly, sosfilt, sosfilt_zi

from crtcore.seeding import child_seed
from crtcore.signal.recording import Recording

Float64Array = npt.NDArray[np.float64]
Change = Callable[[Recording, np.random.Generator], Recording]

HIGH_PASS_HZ: Final = (0.05, 0.15, 0.5)
LOW_PASS_HZ: Final = (40.0, 100.0, 150.0)
NOTCH_HZ: Final = (50.0, 60.0)
NOTCH_QUALITY: Final = 30.0  # centre frequency over the width of the band that loses more than 3 dB
RATES_HZ: Final = (250.0, 500.0, 1000.0)
ADC_STEPS_MV: Final = (0.001, 0.005, 0.01)
GAINS: Final = (0.9, 1.1)
PRECORDIAL: Final = ("V1", "V2", "V3", "V4", "V5", "V6")
DISPLACED_SHARE: Final = 0.3  # of the neighbouring lead in a displaced one


def high_pass(recording: Recording, cutoff_hz: float) -> Recording:
    """First-order high-pass, -3 dB at the cutoff: an RC stage, whose phase bends the ST segment."""
    return _sos_filtered(
        recording, butter(1, cutoff_hz, "highpass", fs=recording.sampling_rate_hz, output="sos")
    )


def low_pass(recording: Recording, cutoff_hz: float) -> Recording:
    """Fourth-order Butterworth low-pass, -3 dB at the cutoff. No change if the sampling rate is too low."""
    if cutoff_hz >= recording.sampling_rate_hz / 2:
        return recording
    return _sos_filtered(
        recording, butter(4, cutoff_hz, "lowpass", fs=recording.sampling_rate_hz, output="sos")
    )


def notch(recording: Recording, mains_hz: float) -> Recording:
    """Second-order notch at the mains frequency, 3 dB wide by `NOTCH_QUALITY`."""
    b, a = iirnotch(mains_hz, NOTCH_QUALITY, fs=recording.sampling_rate_hz)
    signal_CS = recording.signal_CS.astype(np.float64)
    start_C = signal_CS[:, :1]
    filtered_CS, _ = lfilter(b, a, signal_CS, zi=lfilter_zi(b, a)[None] * start_C)
    return _with(recording, filtered_CS)


def sampled_at(recording: Recording, rate_hz: float) -> Recording:
    """Sampled at another rate, with the anti-aliasing filter that this takes."""
    before_hz, after_hz = round(recording.sampling_rate_hz), round(rate_hz)
    if before_hz == after_hz:
        return recording
    signal_CS = resample_poly(
        recording.signal_CS.astype(np.float64), after_hz, before_hz, axis=1, padtype="line"
    )
    return replace(_with(recording, signal_CS), sampling_rate_hz=float(rate_hz))


def quantised(recording: Recording, step_mv: float) -> Recording:
    """As an analog-to-digital converter with this step would store it."""
    return _with(recording, np.round(recording.signal_CS.astype(np.float64) / step_mv) * step_mv)


def amplified(recording: Recording, gain: float) -> Recording:
    """As a machine whose calibration is off by this factor would show it."""
    return _with(recording, recording.signal_CS * gain)


def wandering(recording: Recording, rng: np.random.Generator, sd_mv: float = 0.1) -> Recording:
    """With baseline wander at 0.05 to 0.5 Hz, its own in each lead."""
    return _with(recording, recording.signal_CS + _band_noise(recording, rng, 0.05, 0.5, sd_mv))


def with_muscle_noise(recording: Recording, rng: np.random.Generator, sd_mv: float = 0.025) -> Recording:
    """With muscle noise at 20 to 150 Hz, its own in each lead."""
    high_hz = min(150.0, 0.49 * recording.sampling_rate_hz)
    return _with(recording, recording.signal_CS + _band_noise(recording, rng, 20.0, high_hz, sd_mv))


def arms_reversed(recording: Recording) -> Recording:
    """The electrodes of the two arms exchanged: I is inverted, II and III and aVR and aVL change places."""
    row = {lead: number for number, lead in enumerate(recording.leads)}
    signal_CS = recording.signal_CS.copy()
    if "I" in row:
        signal_CS[row["I"]] = -recording.signal_CS[row["I"]]
    for one, other in (("II", "III"), ("aVR", "aVL")):
        if one in row and other in row:
            signal_CS[[row[one], row[other]]] = recording.signal_CS[[row[other], row[one]]]
    return replace(recording, signal_CS=signal_CS)


def displaced(recording: Recording) -> Recording:
    """The chest electrodes moved towards the next one: each V lead takes in a share of its neighbour."""
    row = {lead: number for number, lead in enumerate(recording.leads)}
    signal_CS = recording.signal_CS.copy()
    for lead, neighbour in zip(PRECORDIAL, (*PRECORDIAL[1:], PRECORDIAL[-2]), strict=True):
        if lead in row and neighbour in row:
            own, next_ = recording.signal_CS[row[lead]], recording.signal_CS[row[neighbour]]
            signal_CS[row[lead]] = (1 - DISPLACED_SHARE) * own + DISPLACED_SHARE * next_
    return replace(recording, signal_CS=signal_CS)


def _with_value(change: Callable[[Recording, float], Recording], value: float) -> Change:
    return lambda recording, rng: change(recording, value)


def _without_value(change: Callable[[Recording], Recording]) -> Change:
    return lambda recording, rng: change(recording)


CHANGES: Final[Mapping[str, Change]] = {
    **{f"high-pass {hz:g} Hz": _with_value(high_pass, hz) for hz in HIGH_PASS_HZ},
    **{f"low-pass {hz:g} Hz": _with_value(low_pass, hz) for hz in LOW_PASS_HZ},
    **{f"notch {hz:g} Hz": _with_value(notch, hz) for hz in NOTCH_HZ},
    **{f"{hz:g} samples a second": _with_value(sampled_at, hz) for hz in RATES_HZ},
    **{f"ADC step {1000 * mv:g} uV": _with_value(quantised, mv) for mv in ADC_STEPS_MV},
    **{f"gain {gain:g}": _with_value(amplified, gain) for gain in GAINS},
    "baseline wander": wandering,
    "muscle noise": with_muscle_noise,
    "arms reversed": _without_value(arms_reversed),
    "electrodes displaced": _without_value(displaced),
}


def another_machine(recording: Recording, seed: int) -> Recording:
    """The recording as some other machine would have taken it: one of each kind of setting, and some noise.

    Which one follows from `seed` and the recording's name. Hands that exchange electrodes are not part of it.
    """
    rng = np.random.default_rng(child_seed(seed, "another machine", recording.record_id))
    changed = wandering(recording, rng, sd_mv=rng.uniform(0.0, 0.1))
    changed = with_muscle_noise(changed, rng, sd_mv=rng.uniform(0.0, 0.02))
    changed = high_pass(changed, float(rng.choice(HIGH_PASS_HZ)))
    changed = low_pass(changed, float(rng.choice(LOW_PASS_HZ)))
    changed = notch(changed, float(rng.choice(NOTCH_HZ)))
    changed = amplified(changed, rng.uniform(*GAINS))
    changed = sampled_at(changed, float(rng.choice(RATES_HZ)))
    return quantised(changed, float(rng.choice(ADC_STEPS_MV)))


def _sos_filtered(recording: Recording, sos: Float64Array) -> Recording:
    """Filtered forwards only, as a machine does, from the steady state of the first sample."""
    signal_CS = recording.signal_CS.astype(np.float64)
    start_KC2 = sosfilt_zi(sos)[:, None, :] * signal_CS[None, :, :1]
    filtered_CS, _ = sosfilt(sos, signal_CS, axis=1, zi=start_KC2)
    return _with(recording, filtered_CS)


def _band_noise(
    recording: Recording, rng: np.random.Generator, low_hz: float, high_hz: float, sd_mv: float
) -> Float64Array:
    """Gaussian noise in a band, mV, with this standard deviation in each lead."""
    num_leads, num_samples = recording.signal_CS.shape
    frequency_F = np.fft.rfftfreq(num_samples, 1 / recording.sampling_rate_hz)
    inside_F = (frequency_F >= low_hz) & (frequency_F <= high_hz)
    assert inside_F.any(), "the recording is too short for this band"
    spectrum_CF = rng.normal(size=(num_leads, len(frequency_F), 2)) @ np.array([1, 1j]) * inside_F
    noise_CS = np.fft.irfft(spectrum_CF, num_samples, axis=1)
    scaled_CS: Float64Array = sd_mv * noise_CS / noise_CS.std(axis=1, keepdims=True)
    return scaled_CS


def _with(recording: Recording, signal_CS: npt.NDArray[np.floating]) -> Recording:
    return replace(recording, signal_CS=signal_CS.astype(np.float32))
