import time

import pytest
import redis as redis_library

from candles.live import lease as lease_module
from candles.live.lease import Fenced, Lease
from candles.live.state import Batch, StateWriter

pytestmark = pytest.mark.usefixtures("long_leases")


@pytest.fixture
def leader(redis: redis_library.Redis) -> Lease:
    lease = Lease(redis)
    assert lease.acquire()
    return lease


def test_standbys_are_known_until_they_fall_silent_or_lead(
    redis: redis_library.Redis, leader: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [Lease(redis, holder=name) for name in ("b:2", "c:3")]
    for other in others:
        other.stand_by()
    assert leader.standbys() == ["b:2", "c:3"]
    leader.release()
    assert others[0].acquire()
    assert others[0].standbys() == ["c:3"]
    monkeypatch.setattr(lease_module, "MAX_STANDBY_SILENCE_MS", -1)
    assert others[0].standbys() == []


def test_there_is_one_leader_at_a_time(redis: redis_library.Redis, leader: Lease) -> None:
    other = Lease(redis)
    assert not other.acquire()
    leader.release()
    assert other.acquire()


def test_a_leader_that_slept_is_fenced_off(redis: redis_library.Redis, leader: Lease) -> None:
    redis.delete("candles:owner:1/1")  # its time ran out
    successor = Lease(redis)
    assert successor.acquire()
    StateWriter(successor, watched="none").save(Batch(recorded="9-0"))
    with pytest.raises(Fenced):
        StateWriter(leader, watched="none").save(Batch(recorded="2-0"))
    assert redis.get("candles:owner:1/1") == successor.token.encode()


def test_a_lease_that_is_not_renewed_expires(redis: redis_library.Redis, leader: Lease) -> None:
    redis.pexpire("candles:owner:1/1", 30)
    time.sleep(0.05)
    assert Lease(redis).acquire()
