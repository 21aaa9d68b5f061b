"""Mid-ranks against scipy's."""

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.stats import rankdata

from crtcore.evaluation.ranks import midranks


@given(
    arrays(
        np.float64,
        array_shapes(min_dims=1, max_dims=3, max_side=12),
        elements=st.sampled_from((-1.0, -0.0, 0.0, 0.25, 0.5, 1e-300, 3.0)),
    )
)
def test_ties_get_the_mean_of_their_ranks(value_BP: npt.NDArray[np.float64]) -> None:
    np.testing.assert_array_equal(midranks(value_BP), rankdata(value_BP, axis=-1))


def test_single_precision_values_are_ranked_without_conversion() -> None:
    value_P = np.array([0.1, 0.1 + 1e-9, 0.2], dtype=np.float32)  # the first two are one number
    np.testing.assert_array_equal(midranks(value_P), [1.5, 1.5, 3.0])
