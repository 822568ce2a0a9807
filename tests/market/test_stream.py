import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from market.rest import ExchangeClock, ExchangeRefused, ExchangeUnreachable, MarketRest
from market.stream import BACKOFF_S, TickStream, backoff_s
from market.ticks import Tick
from tests.servers import Sandbox, eventually


class Reader:
    """Runs a stream in a thread and keeps what it brings."""

    def __init__(self, url: str, *symbols: str) -> None:
        self.stream = TickStream(url)
        self.stream.follow(symbols)
        self.ticks: list[Tick] = []
        self.went_live: list[str] = []
        self.connections = 0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        was_connected = False
        for ticks in self.stream.batches():
            self.ticks += ticks
            self.went_live += self.stream.newly_live
            self.stream.newly_live.clear()
            self.connections += self.stream.connected and not was_connected
            was_connected = self.stream.connected

    def symbols(self) -> set[str]:
        return {tick.symbol for tick in self.ticks}

    def stop(self) -> None:
        self.stream.stop()
        self._thread.join(5)
        assert not self._thread.is_alive()


@pytest.fixture
def reader(sandbox: Sandbox) -> Iterator[Reader]:
    reader = Reader(sandbox.stream_url, "BTCUSDT")
    yield reader
    reader.stop()


def test_ticks_arrive_in_sequence_once_the_symbol_is_live(reader: Reader) -> None:
    assert eventually(lambda: len(reader.ticks) > 20, 30)
    assert reader.went_live == ["BTCUSDT"]
    ids = [tick.tick_id for tick in reader.ticks]
    assert ids == list(range(ids[0], ids[0] + len(ids)))


def test_symbols_come_and_go_on_the_open_connection(reader: Reader) -> None:
    assert eventually(lambda: reader.ticks)
    reader.stream.follow(["BTCUSDT", "ETHUSDT"])
    assert eventually(lambda: reader.symbols() == {"BTCUSDT", "ETHUSDT"})
    reader.stream.follow(["ETHUSDT"])
    time.sleep(1)
    reader.ticks.clear()
    assert eventually(lambda: reader.ticks)
    assert reader.symbols() == {"ETHUSDT"}
    assert reader.connections == 1


def test_a_cut_line_is_dialled_again(reader: Reader, sandbox: Sandbox) -> None:
    assert eventually(lambda: reader.ticks)
    requests.post(f"{sandbox.rest_url}/sandbox/faults", json={"fault": "disconnect"}, timeout=5)
    assert eventually(lambda: reader.connections == 2)
    assert eventually(lambda: reader.went_live == ["BTCUSDT", "BTCUSDT"])


def test_a_probe_brings_a_frame_even_on_a_silent_line(sandbox: Sandbox) -> None:
    reader = Reader(sandbox.stream_url)
    try:
        assert eventually(lambda: reader.stream.connected)
        before = reader.stream.last_frame_s
        reader.stream.probe()
        assert eventually(lambda: reader.stream.last_frame_s > before, 3)
    finally:
        reader.stop()


def test_a_dead_exchange_is_waited_for(tmp_path: Path) -> None:
    reader = Reader("ws://127.0.0.1:9", "BTCUSDT")
    time.sleep(0.5)
    assert not reader.stream.connected
    reader.stop()


def test_waiting_grows_with_every_failure_up_to_a_bound() -> None:
    first, most = BACKOFF_S
    assert first / 2 <= backoff_s(0) <= first
    assert all(backoff_s(n) <= most for n in range(200))
    assert backoff_s(100) >= most / 2


def test_missed_ticks_and_klines_come_over_rest(sandbox: Sandbox) -> None:
    rest = MarketRest(sandbox.rest_url)
    newest = rest.agg_trades("BTCUSDT", limit=5)
    again = rest.agg_trades("BTCUSDT", fromId=newest[0].tick_id)
    assert again[:5] == newest
    now_ms = rest.server_time()
    pages = list(rest.klines("BTCUSDT", "1s", now_ms - 1_500_000, now_ms))
    rows = [row for page in pages for row in page]
    assert len(pages) == 2
    assert [row[0] for row in rows] == list(range(rows[0][0], rows[0][0] + 1_500_000, 1000))


def test_rest_tells_a_refusal_from_an_exchange_that_is_away(sandbox: Sandbox) -> None:
    with pytest.raises(ExchangeRefused) as refusal:
        MarketRest(sandbox.rest_url).exchange_info("NOSUCHCOIN")
    assert refusal.value.code == -1121
    with pytest.raises(ExchangeUnreachable, match=r"127\.0\.0\.1:9: .*refused"):
        MarketRest("http://127.0.0.1:9").server_time()


def test_the_exchanges_clock_is_measured(sandbox: Sandbox) -> None:
    clock, rest = ExchangeClock(), MarketRest(sandbox.rest_url)
    assert not clock.known
    clock.measure(rest)
    assert clock.known
    assert abs(clock.now_ms() - rest.server_time()) < 100
