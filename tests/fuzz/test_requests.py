"""Law of REST: any bytes that come as a request are answered, and by no fault of ours."""

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import Settings
from redis import Redis

from tests.fuzz import requests
from tests.fuzz.__main__ import REQUESTS, broken, kept
from tests.fuzz.mutation import mutated
from tests.fuzz.targets import Target
from tests.laws import examples

pytestmark = pytest.mark.django_db


@pytest.fixture
def target(redis: Redis, settings: Settings) -> Target:
    settings.BINANCE_REST_URL = requests.NO_EXCHANGE
    requests.client.cache_clear()  # of an earlier test, whose rows are gone
    return requests.target()


def test_every_endpoint_and_kept_inputs_hold(target: Target) -> None:
    for data in (*target.seeds, *kept(REQUESTS)):
        assert broken(target, data) is None, data


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_mutated_requests_hold(target: Target, seed: int) -> None:
    random = Random(seed)
    known = [*target.seeds, *kept(REQUESTS)]
    assert broken(target, mutated(random.choice(known), known, random)) is None
