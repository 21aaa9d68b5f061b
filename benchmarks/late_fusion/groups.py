"""The rows of a prepared set by record and lead: what is typical of a record is computed in these groups."""

import numpy as np

from crtcore.data.loader import ImageSet
from crtcore.signal.recording import IntArray


def rows_by_record_and_lead(images: ImageSet) -> list[IntArray]:
    """The rows of each record in each of its leads, in the order of time."""
    _, record_N = np.unique(images.record_N, return_inverse=True)
    group_N = record_N * len(images.leads) + images.lead_N
    row_N = np.argsort(group_N, kind="stable")
    return np.split(row_N, np.flatnonzero(np.diff(group_N[row_N])) + 1)
