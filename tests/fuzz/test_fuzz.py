"""A short run of what ``python -m tests.fuzz`` does at length: valid inputs made invalid in small ways."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.mutation import change_bytes, change_message
from tests.fuzz.targets import TARGETS

# A few seconds in all: what costs milliseconds an input gets few.
INPUTS = {
    "coded-symbols": 20,
    "hevc": 60,
    "hevc-agreed": 60,
    "transmit-request": 150,
    "receive-request": 100,
    "transmit-batch-request": 80,
    "receive-batch-request": 30,
}


@cache
def seeds(name: str) -> Sequence[bytes]:
    return TARGETS[name].seeds()


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_decoded(name: str) -> None:
    """Or the inputs made of them would be refused at the door."""
    verdicts = Counter(TARGETS[name].check(seed) for seed in seeds(name))
    assert verdicts["decoded"] >= len(seeds(name)) * 2 // 3, verdicts


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_arrives_is_decoded_or_refused(name: str) -> None:
    target = TARGETS[name]

    @settings(
        max_examples=INPUTS.get(name, 300),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(st.sampled_from(seeds(name)), st.randoms(use_true_random=False), st.booleans())
    def check(seed: bytes, rng: Random, of_fields: bool) -> None:
        if target.message is not None and of_fields:
            message = target.message.FromString(seed)
            change_message(message, rng)
            target.check(message.SerializeToString())
        else:
            target.check(change_bytes(seed, rng))

    check()
