"""The values that flow through the signal chain: Recording -> Beats -> images.

Array names in `crtcore` end in their axes: B beats, C leads (channels), S samples, F frequency bins, T
frames, N images, P patients, K classes, D features.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
StrArray = npt.NDArray[np.str_]


@dataclass(frozen=True, kw_only=True)
class BeatAnnotation:
    """Reference beat labels of one recording: `sample_B` ascending sample numbers, `symbol_B` WFDB beat
    codes.
    """

    sample_B: IntArray
    symbol_B: StrArray

    def __post_init__(self) -> None:
        assert self.sample_B.shape == self.symbol_B.shape


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One ECG recording in physical units.

    `signal_CS` is in millivolts, float32, shape (leads, samples); missing samples are NaN.
    """

    record_id: str
    patient_id: str
    leads: tuple[str, ...]
    sampling_rate_hz: float
    signal_CS: FloatArray
    annotation: BeatAnnotation | None = None

    def __post_init__(self) -> None:
        assert self.signal_CS.ndim == 2 and self.signal_CS.shape[0] == len(self.leads)
        assert self.sampling_rate_hz > 0

    @property
    def num_samples(self) -> int:
        return int(self.signal_CS.shape[1])


@dataclass(frozen=True, kw_only=True)
class Beats:
    """The beats of one recording, one entry for each beat, the same for all leads.

    `r_sample_B` is the R peak, `start_B` (inclusive) and `stop_B` (exclusive) bound the 1.2 RR segment, all
    in samples of the recording and inside it; `rr_previous_s_B` and `rr_next_s_B` are in seconds,
    `rr_ratio_B` is the previous interval over the local mean; `symbol_B` is the reference label, ""
    if there is none.
    """

    r_sample_B: IntArray
    start_B: IntArray
    stop_B: IntArray
    rr_previous_s_B: FloatArray
    rr_next_s_B: FloatArray
    rr_ratio_B: FloatArray
    symbol_B: StrArray

    def __len__(self) -> int:
        return len(self.r_sample_B)

    def take(self, index_B: IntArray) -> "Beats":
        """The beats at `index_B`, in that order."""
        return Beats(**{name: getattr(self, name)[index_B] for name in self.__dataclass_fields__})
