"""The seed of random inputs is checked before anything is built or measured."""

import pytest
from edgeshrink_device import InputError, profile_models

from .helpers import QUICK, write_null


@pytest.mark.parametrize("seed", [-1, 1 << 32, 99999999999])
def test_a_seed_that_the_generator_does_not_take_is_told(seed):
    with pytest.raises(InputError, match=f"seed must be from 0 to 4294967295, not {seed}"):
        profile_models(["not looked at"], device="null", **dict(QUICK, seed=seed))


def test_the_largest_seed_is_taken(tmp_path):
    model = write_null(tmp_path / "m.null")
    (document,) = profile_models([model], device="null", seed=(1 << 32) - 1, **QUICK)
    assert document["session"]["seed"] == (1 << 32) - 1
