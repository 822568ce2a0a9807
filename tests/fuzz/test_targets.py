"""Laws of the decoders: any bytes give a value within bounds or the one named failure."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.__main__ import broken, kept
from tests.fuzz.mutation import mutated
from tests.fuzz.targets import TARGETS
from tests.laws import examples

ABSURD = [
    b'"0"', b'"-1"', b'"NaN"', b'"sNaN"', b'"Infinity"', b'"1e400"', b'"1e-999999999"',
    b'"1e999999999"', b'"1234567890123456"', b'"0.' + b"0" * 30 + b'1"', b"1e400",
]  # fmt: skip


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_kept_inputs_hold(name: str) -> None:
    target = TARGETS[name]
    for data in (*target.seeds, *kept(name), b"[" * 60_000, b'{"data":' + b'{"a":' * 60_000):
        assert broken(target, data) is None


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=examples(30))
@given(data=st.binary(max_size=400))
def test_any_bytes_hold(name: str, data: bytes) -> None:
    assert broken(TARGETS[name], data) is None


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=examples(100))
@given(seed=st.integers(0, 2**32))
def test_mutated_messages_hold(name: str, seed: int) -> None:
    target, random = TARGETS[name], Random(seed)
    known = [*target.seeds, *kept(name)]
    assert broken(target, mutated(random.choice(known), known, random)) is None
