import numpy as np

from benchmarks.late_fusion.groups import rows_by_record_and_lead
from crtcore.data.loader import load_images
from tests.crtcore.training.tiny_sets import LEADS, Prepared


def test_rows_by_record_and_lead_are_in_the_order_of_time(prepared: Prepared) -> None:
    images = load_images(prepared.store, prepared.arrhythmia)
    groups = rows_by_record_and_lead(images)
    assert sorted(np.concatenate(groups).tolist()) == list(range(images.num_images))
    assert len(groups) == 4 * len(LEADS)
    for row_N in groups:
        assert len(set(images.record_N[row_N])) == len(set(images.lead_N[row_N])) == 1
        assert (np.diff(images.beat_N[row_N]) > 0).all()
