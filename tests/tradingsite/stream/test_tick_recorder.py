"""The thread that records ticks: what is missing is fetched, and a full disk stops nobody."""

from pathlib import Path
from typing import Any

import pytest
import redis as redis_library
import structlog

from candles.live.folded import Folded
from candles.live.lease import Lease
from candles.ticks import hour_file
from candles.ticks.retention import Retention
from candles.ticks.rows import encode_rows
from market.failures import ExchangeUnreachable
from market.rest import MarketRest
from market.ticks import Tick
from market.wire.rows import Rows
from tests.candles.ticks.files import BTC, text_of, trades
from tests.servers import eventually
from tradingsite.stream import tick_recorder
from tradingsite.stream.pace import Pace
from tradingsite.stream.tick_recorder import TickRecorder

pytestmark = pytest.mark.thorough  # real sockets and threads

FOR_GOOD = Retention(0, 0)


class TickRest(MarketRest):
    """Knows ticks, two at a time, after it was away for `fails` requests."""

    def __init__(self, ticks: list[Tick], fails: int = 0) -> None:
        super().__init__("http://127.0.0.1:9")
        self.ticks, self.fails = ticks, [1] * fails

    def agg_trades(self, symbol: str, **bounds: int) -> Rows[Tick]:
        if self.fails:
            self.fails.pop()
            raise ExchangeUnreachable("away")
        return Rows([one for one in self.ticks if one.tick_id >= bounds["fromId"]][:2])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tick_recorder, "FLUSH_EVERY_S", 0.01)
    monkeypatch.setattr(tick_recorder, "RETRY_EVERY_S", 0.05)


def folded(ticks: list[Tick]) -> dict[str, Folded]:
    return {BTC: Folded(ticks=ticks)}


def is_written(root: Path, ticks: list[Tick]) -> bool:
    return eventually(lambda: text_of(root) == encode_rows(ticks))


def test_a_gap_is_fetched_page_by_page_as_soon_as_the_exchange_is_there(tmp_path: Path) -> None:
    all_ticks = trades(1, 20)
    recorder = TickRecorder(tmp_path, FOR_GOOD, TickRest(all_ticks, fails=2), lambda: True)
    recorder.record(folded(all_ticks[:3]))
    recorder.record({BTC: Folded(), "ETHUSDT": Folded()})
    assert is_written(tmp_path, all_ticks[:3])
    recorder.record(folded(all_ticks[10:]))
    assert is_written(tmp_path, all_ticks)
    recorder.stop(5)


def test_what_is_queued_is_written_before_it_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tick_recorder, "FLUSH_EVERY_S", 60)
    recorder = TickRecorder(tmp_path, FOR_GOOD, TickRest([]), lambda: True)
    recorder.record(folded(trades(1, 9)))
    recorder.stop(5)
    assert text_of(tmp_path) == encode_rows(trades(1, 9))


def test_more_than_the_queue_holds_is_dropped_and_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tick_recorder, "MAX_QUEUED", 3)
    all_ticks = trades(1, 20)
    recorder = TickRecorder(tmp_path, FOR_GOOD, TickRest(all_ticks), lambda: True)
    for one in all_ticks:
        recorder.record(folded([one]))
    assert eventually(lambda: text_of(tmp_path) != b"")
    recorder.record(folded(trades(20, 20)))
    assert is_written(tmp_path, all_ticks)
    recorder.stop(5)


def test_a_full_disk_is_told_once_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_ticks = trades(1, 9)

    def full(*_: Any) -> None:
        tries.append(1)
        raise OSError(28, "No space left on device")

    tries: list[int] = []
    with structlog.testing.capture_logs() as said:
        with monkeypatch.context() as patched:
            patched.setattr(hour_file, "_write_all", full)
            recorder = TickRecorder(tmp_path, FOR_GOOD, TickRest([]), lambda: True)
            recorder._retry = Pace(0.01)
            for one in all_ticks:
                recorder.record(folded([one]))
            assert eventually(lambda: len(tries) > 3)
        assert is_written(tmp_path, all_ticks)
        recorder.stop(5)
    events = [one["event"] for one in said if one["event"].startswith("ticks.")]
    assert events == ["ticks.write_failed", "ticks.write_resumed"]


def test_a_folder_that_is_removed_is_begun_again(tmp_path: Path) -> None:
    recorder = TickRecorder(tmp_path, FOR_GOOD, TickRest([]), lambda: True)
    recorder.record(folded(trades(1, 3)))
    assert is_written(tmp_path, trades(1, 3))
    (path,) = tmp_path.glob("*/*")
    path.unlink()
    recorder.record(folded(trades(4, 6)))
    assert is_written(tmp_path, trades(4, 6))
    recorder.stop(5)


def test_a_former_leader_writes_no_more(
    tmp_path: Path, redis: redis_library.Redis, long_leases: None
) -> None:
    former, newer = Lease(redis), Lease(redis)
    assert former.acquire()
    token = former.token
    assert former.is_newest(token)
    former.release()
    assert former.is_newest(token)
    assert newer.acquire()
    assert not former.is_newest(token)
    recorder = TickRecorder(tmp_path, FOR_GOOD, TickRest([]), lambda: former.is_newest(token))
    recorder.record(folded(trades(1, 3)))
    recorder.stop(5)
    assert not list(tmp_path.glob("*/*"))
