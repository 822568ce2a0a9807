import random
import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from foundation.backoff import Backoff
from foundation.times import now_ms
from market.stream.client import MarketStream
from market.stream.connection import Timing
from market.stream.websocket import BatchSocket
from market.ticks import Tick
from tests.market.venue import Venue, frame, wrapped
from tests.servers import HANG_S, Sandbox, eventually

# As in earnest, in a twentieth of the time.
QUICK = Timing(connect_s=2, answer_s=1, silence_s=2.5, quiet_s=0.5, heartbeat_s=1)

SYMBOLS = ["AUSDT", "BUSDT", "CUSDT", "DUSDT"]


@pytest.fixture(autouse=True)
def rounds_count_for_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the stream's time passes no faster than a busy machine lets both ends work."""
    monkeypatch.setattr("market.stream.client.MAX_ROUND_S", 0.1)


class Reader:
    """Runs a stream in a thread and keeps what it brings."""

    def __init__(
        self, url: str, *symbols: str, timing: Timing = QUICK, max_streams: int = 1000
    ) -> None:
        self.stream = MarketStream(url, ["1m"], timing, max_streams)
        self.stream.follow(symbols)
        self.ticks: list[Tick] = []
        self.klines = 0
        self.went_live: list[str] = []
        self.went_silent: list[str] = []
        self.told_ms: list[tuple[str, int]] = []  # when of which symbol something was missed
        self.last_event_ms: list[tuple[str, int, int]] = []  # symbol, when, up to when
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for batch in self.stream.batches():
            self.ticks += batch.ticks
            self.klines += len(batch.klines)
            self.went_silent += batch.newly_silent
            self.told_ms += [(symbol, now_ms()) for symbol in batch.newly_live]
            self.went_live += batch.newly_live
            for symbol in self.stream.live:
                self.last_event_ms.append((symbol, now_ms(), self.stream.last_event_ms(symbol)))

    def wait(self, seconds: float) -> None:
        """Return when so much time has passed by the stream's own clock."""
        until_s = self.stream._now_s + seconds
        assert eventually(lambda: self.stream._now_s >= until_s)

    def symbols(self) -> set[str]:
        return {tick.symbol for tick in self.ticks}

    def broken_proofs(self, venue: Venue) -> list[tuple[str, int]]:
        """Ticks that are missing though a proof covered them before the gap was told."""
        # Proofs first: both go on meanwhile, and what they cover has come before them.
        proofs, ticked = list(self.last_event_ms), dict(venue.ticked_ms)
        came = {(tick.symbol, tick.tick_id) for tick in self.ticks}
        missing = {key: ms for key, ms in ticked.items() if key not in came}
        return [
            (symbol, number)
            for (symbol, number), ticked_ms in missing.items()
            for proven, at_ms, until_ms in proofs
            if proven == symbol and until_ms > ticked_ms
            if not any(t == symbol and ticked_ms <= ms <= at_ms for t, ms in self.told_ms)
        ]

    def missed(self, symbol: str) -> set[int]:
        """Ids between the first and the last tick that never came."""
        ids = {tick.tick_id for tick in self.ticks if tick.symbol == symbol}
        return set(range(min(ids), max(ids))) - ids

    def stop(self) -> None:
        self.stream.stop()
        self._thread.join(HANG_S)
        assert not self._thread.is_alive()


@pytest.fixture
def readers() -> Iterator[list[Reader]]:
    started: list[Reader] = []
    yield started
    for reader in started:
        reader.stop()


@pytest.fixture
def reader(venue: Venue, readers: list[Reader]) -> Reader:
    """Reads two symbols that are live and have brought something."""
    reader = Reader(venue.url, "BTCUSDT", "ETHUSDT")
    readers.append(reader)
    assert eventually(lambda: reader.symbols() == {"BTCUSDT", "ETHUSDT"} and reader.klines > 2)
    assert sorted(reader.went_live) == ["BTCUSDT", "ETHUSDT"]
    reader.went_live.clear()
    return reader


# --- Following -------------------------------------------------------------------------------


def test_the_sandbox_is_read_in_sequence(sandbox: Sandbox, readers: list[Reader]) -> None:
    reader = Reader(sandbox.stream_url, "BTCUSDT", timing=Timing())
    readers.append(reader)
    assert eventually(lambda: len(reader.ticks) > 20 and reader.klines)
    assert reader.went_live == ["BTCUSDT"]
    assert reader.missed("BTCUSDT") == set()
    assert eventually(lambda: reader.stream.last_event_ms("BTCUSDT") > 0)


def test_symbols_come_and_go_on_the_open_connection(venue: Venue, reader: Reader) -> None:
    reader.stream.follow(["ETHUSDT", "SOLUSDT"])
    assert eventually(lambda: reader.went_live == ["SOLUSDT"])
    assert eventually(lambda: venue.peers[0].symbols() == {"ETHUSDT", "SOLUSDT"})
    reader.ticks.clear()
    assert eventually(lambda: reader.symbols() == {"ETHUSDT", "SOLUSDT"})
    assert reader.stream.live == {"ETHUSDT", "SOLUSDT"}
    assert len(venue.peers) == 1
    assert reader.went_silent == []


def test_a_symbol_that_goes_and_comes_back_is_subscribed_anew(venue: Venue, reader: Reader) -> None:
    reader.stream.follow(["BTCUSDT"])
    assert eventually(lambda: reader.stream.live == {"BTCUSDT"})
    reader.stream.follow(["BTCUSDT", "ETHUSDT"])
    assert eventually(lambda: reader.went_live == ["ETHUSDT"])
    methods = [message["method"] for message in venue.peers[0].asked]
    assert methods == ["SUBSCRIBE", "UNSUBSCRIBE", "SUBSCRIBE"]
    assert venue.peers[0].symbols() == {"BTCUSDT", "ETHUSDT"}


def test_many_symbols_are_asked_for_in_portions_and_at_a_pace(
    venue: Venue, readers: list[Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent_s: list[float] = []
    send = BatchSocket.send

    def noted(self: BatchSocket, message: str) -> int:
        sent_s.append(time.monotonic())
        return send(self, message)

    monkeypatch.setattr(BatchSocket, "send", noted)
    venue.ticking = venue.beating = False
    symbols = [f"COIN{number}USDT" for number in range(350)]
    reader = Reader(venue.url, *symbols, timing=Timing())
    readers.append(reader)
    assert eventually(lambda: len(reader.stream.live) == 350)
    (peer,) = venue.peers
    assert [len(message["params"]) for message in peer.asked] == [200, 200, 200, 100]
    assert all(later - at > 0.2 for at, later in pairwise(sent_s))


def test_symbols_spread_over_connections_with_room(venue: Venue, readers: list[Reader]) -> None:
    reader = Reader(venue.url, "AUSDT", "BUSDT", "CUSDT", max_streams=4)
    readers.append(reader)
    assert eventually(lambda: reader.symbols() == {"AUSDT", "BUSDT", "CUSDT"})
    assert sorted(len(peer.names) for peer in venue.peers) == [2, 4]
    reader.stream.follow(["AUSDT", "BUSDT", "CUSDT", "DUSDT"])
    assert eventually(lambda: "DUSDT" in reader.symbols())
    assert [len(peer.names) for peer in venue.peers] == [4, 4]
    assert [status.symbols for status in reader.stream.status()] == [2, 2]


# --- Replacing before breaking ---------------------------------------------------------------


def test_a_connection_is_replaced_in_time_without_a_hole(
    venue: Venue, readers: list[Reader]
) -> None:
    quick = Timing(lifetime_s=1.0, quiet_s=10, heartbeat_s=10)
    reader = Reader(venue.url, "BTCUSDT", "ETHUSDT", timing=quick)
    readers.append(reader)
    assert eventually(lambda: len(venue.peers) >= 4)
    assert sorted(reader.went_live) == ["BTCUSDT", "ETHUSDT"]
    assert reader.went_silent == []
    assert reader.missed("BTCUSDT") == reader.missed("ETHUSDT") == set()
    assert eventually(lambda: len(venue.open_peers()) <= 2)


def test_a_server_that_goes_away_is_left_before_it_does(venue: Venue, reader: Reader) -> None:
    venue.peers[0].send(wrapped("!serverShutdown", {"e": "serverShutdown", "E": now_ms()}))
    assert eventually(lambda: not venue.peers[0].open)
    assert len(venue.open_peers()) == 1
    assert reader.stream.live == {"BTCUSDT", "ETHUSDT"}
    assert reader.went_live == reader.went_silent == []
    assert reader.missed("BTCUSDT") == set()


def test_a_connection_that_dies_while_it_is_replaced_leaves_a_gap(
    venue: Venue, reader: Reader
) -> None:
    venue.turned_away = 1
    venue.peers[0].send(frame(b'{"e":"serverShutdown","E":1}'))
    assert eventually(lambda: venue.handshakes == 2)
    venue.peers[0].cut()
    assert eventually(lambda: sorted(reader.went_live) == ["BTCUSDT", "ETHUSDT"])
    assert sorted(reader.went_silent) == ["BTCUSDT", "ETHUSDT"]


def test_a_silent_stall_is_noticed_and_told(venue: Venue, reader: Reader) -> None:
    venue.peers[0].stalled = True
    assert eventually(lambda: sorted(reader.went_live) == ["BTCUSDT", "ETHUSDT"])
    assert not reader.missed("BTCUSDT") - set(range(venue.ids["BTCUSDT"]))
    assert eventually(lambda: len(venue.open_peers()) == 1)
    assert venue.open_peers()[0] is venue.peers[1]


def test_an_idle_connection_lives_by_its_pings(venue: Venue, readers: list[Reader]) -> None:
    readers.append(reader := Reader(venue.url))
    assert eventually(lambda: reader.stream.connected)
    for number in range(6):
        reader.wait(0.5)
        venue.peers[0].send(frame(str(number).encode(), 0x89))
    assert eventually(lambda: len(venue.peers[0].pongs) == 6)
    assert len(venue.peers) == 1
    assert eventually(lambda: len(venue.peers) == 2)


def test_a_connection_that_answers_nothing_is_replaced(venue: Venue, readers: list[Reader]) -> None:
    venue.answers = False
    reader = Reader(venue.url, "BTCUSDT")
    readers.append(reader)
    assert eventually(lambda: len(venue.peers) == 2)
    assert reader.stream.live == set()
    venue.answers = True
    assert eventually(lambda: reader.stream.live == {"BTCUSDT"})


def test_a_deaf_symbol_moves_alone(venue: Venue, reader: Reader) -> None:
    venue.peers[0].deaf = {"ethusdt@aggTrade", "ethusdt@kline_1m"}
    assert eventually(lambda: reader.went_live == ["ETHUSDT"])
    assert eventually(lambda: venue.peers[0].symbols() == {"BTCUSDT"})
    assert venue.peers[1].symbols() == {"ETHUSDT"}
    assert reader.went_silent == []
    assert reader.missed("BTCUSDT") == set()


def test_a_market_at_a_break_is_tried_elsewhere_ever_more_seldom(
    venue: Venue, reader: Reader
) -> None:
    venue.at_break = {"ETHUSDT"}
    reader.wait(8)
    # 1 s of silence, 1 s of trial, then pauses of 2, 4, ... s.
    assert 2 <= len(venue.peers) <= 4
    assert reader.went_live == reader.went_silent == []
    assert reader.stream.live == {"BTCUSDT", "ETHUSDT"}
    assert reader.missed("BTCUSDT") == set()


# --- Breaking --------------------------------------------------------------------------------


def test_a_cut_line_is_dialled_again(venue: Venue, reader: Reader) -> None:
    venue.peers[0].cut()
    assert eventually(lambda: sorted(reader.went_live) == ["BTCUSDT", "ETHUSDT"])
    assert sorted(reader.went_silent) == ["BTCUSDT", "ETHUSDT"]
    assert reader.stream.live == {"BTCUSDT", "ETHUSDT"}
    assert reader.stream.connected


def test_a_cut_in_the_middle_of_a_frame_loses_only_that_frame(venue: Venue, reader: Reader) -> None:
    venue.ticking = False
    venue.await_beat()
    last = venue.tick("BTCUSDT")
    whole = wrapped("btcusdt@aggTrade", last)
    venue.peers[0].send(whole + whole[:70])
    venue.peers[0].cut()
    assert eventually(lambda: len(reader.went_live) == 2)
    assert reader.ticks[-1].tick_id == last["a"]


def test_one_cut_line_does_not_trouble_the_others(venue: Venue, readers: list[Reader]) -> None:
    reader = Reader(venue.url, "AUSDT", "BUSDT", max_streams=2)
    readers.append(reader)
    assert eventually(lambda: reader.symbols() == {"AUSDT", "BUSDT"})
    lost = next(peer for peer in venue.peers if peer.symbols() == {"AUSDT"})
    reader.went_live.clear()
    lost.cut()
    assert eventually(lambda: reader.went_live == ["AUSDT"])
    assert reader.went_silent == ["AUSDT"]
    assert reader.missed("BUSDT") == set()


def test_a_refused_handshake_is_tried_again(venue: Venue, readers: list[Reader]) -> None:
    venue.turned_away = 2
    reader = Reader(venue.url, "BTCUSDT")
    readers.append(reader)
    assert eventually(lambda: reader.stream.live == {"BTCUSDT"})
    assert venue.handshakes == 3


def test_a_control_error_ends_the_connection(venue: Venue, reader: Reader) -> None:
    venue.refused = {"badcoin@aggTrade"}
    reader.stream.follow(["BTCUSDT", "BADCOIN"])
    assert eventually(lambda: not venue.peers[0].open)
    venue.refused = set()
    assert eventually(lambda: reader.stream.live == {"BTCUSDT", "BADCOIN"})


def test_only_an_event_shows_that_the_line_is_good(venue: Venue, readers: list[Reader]) -> None:
    venue.ticking = venue.beating = False
    reader = Reader(venue.url, "BTCUSDT")
    readers.append(reader)
    for number in range(1, 4):
        assert eventually(lambda: len(reader.went_live) == number)  # noqa: B023
        venue.open_peers()[0].cut()
    assert eventually(lambda: len(reader.went_live) == 4)
    (connection,) = reader.stream._connections
    assert connection.failures == 3
    venue.beating = True
    assert eventually(lambda: connection.failures == 0)


def test_a_dead_exchange_is_waited_for(readers: list[Reader]) -> None:
    reader = Reader("ws://127.0.0.1:9", "BTCUSDT")
    readers.append(reader)
    time.sleep(0.5)
    assert not reader.stream.connected


@pytest.mark.thorough
def test_dialling_is_rationed(monkeypatch: pytest.MonkeyPatch, readers: list[Reader]) -> None:
    monkeypatch.setattr("market.stream.client.BACKOFF", Backoff(0.0, 0.0))
    monkeypatch.setattr("market.stream.client.MAX_DIALS", 10)
    reader = Reader("ws://127.0.0.1:9", "BTCUSDT")
    readers.append(reader)
    dials = reader.stream._dials
    assert eventually(lambda: len(dials) == 10)
    newest = dials[-1]
    time.sleep(0.5)
    assert dials[-1] == newest


def strike(venue: Venue, stream: MarketStream, chance: random.Random) -> None:
    """Let one random thing go wrong, or change."""
    fault = chance.choice(["cut", "stall", "deaf", "shutdown", "away", "fewer"])
    stream.follow(chance.sample(SYMBOLS, 3) if fault == "fewer" else SYMBOLS)
    if fault == "away":
        venue.turned_away = 1
    for peer in chance.sample(venue.open_peers(), k=min(1, len(venue.open_peers()))):
        if fault == "cut":
            peer.cut()
        elif fault == "stall":
            peer.stalled = True
        elif fault == "deaf":
            peer.deaf = {name for name in peer.names if name.startswith("a")}
        elif fault == "shutdown":
            peer.send(frame(b'{"e":"serverShutdown","E":1}'))


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_befalls_the_lines_no_proof_is_false(
    venue: Venue, readers: list[Reader], seed: int
) -> None:
    chance = random.Random(seed)
    quick = Timing(lifetime_s=2, answer_s=0.5, silence_s=1.5, quiet_s=0.4, heartbeat_s=0.6)
    readers.append(reader := Reader(venue.url, *SYMBOLS, timing=quick, max_streams=4))
    for _ in range(20):
        time.sleep(chance.uniform(0, 0.6))
        strike(venue, reader.stream, chance)
    reader.stream.follow(SYMBOLS)
    assert eventually(lambda: reader.stream.live == set(SYMBOLS))
    began_ms = now_ms()
    assert eventually(lambda: all(reader.stream.last_event_ms(s) > began_ms for s in SYMBOLS))
    assert reader.broken_proofs(venue) == []


# --- Proof -----------------------------------------------------------------------------------


def test_each_symbol_is_proven_by_its_own_kline_events(venue: Venue, reader: Reader) -> None:
    assert eventually(lambda: reader.stream.last_event_ms("ETHUSDT") > 0)
    venue.peers[0].deaf = {"ethusdt@kline_1m"}
    venue.await_beat()
    reader.wait(0.2)
    before, deaf = now_ms(), reader.stream.last_event_ms("ETHUSDT")
    assert eventually(lambda: reader.stream.last_event_ms("BTCUSDT") > before)
    assert reader.stream.last_event_ms("ETHUSDT") == deaf
    assert reader.stream.last_event_ms("NOSUCHCOIN") == 0


def test_what_was_proven_ends_with_the_connection(venue: Venue, reader: Reader) -> None:
    assert eventually(lambda: reader.stream.last_event_ms("BTCUSDT") > 0)
    venue.beating = False
    venue.peers[0].cut()
    assert eventually(lambda: "BTCUSDT" in reader.went_live)
    assert reader.stream.last_event_ms("BTCUSDT") == 0
    venue.beating = True
    assert eventually(lambda: reader.stream.last_event_ms("BTCUSDT") > 0)


def test_nothing_is_proven_by_the_replacement_of_a_stalled_line_before_the_gap_is_told(
    venue: Venue, reader: Reader
) -> None:
    venue.peers[0].stalled = True
    venue.await_beat()
    reader.wait(0.2)
    stalled = reader.stream.last_event_ms("BTCUSDT")
    reader.last_event_ms.clear()
    assert eventually(lambda: reader.stream.last_event_ms("BTCUSDT") > stalled)
    (gap_ms,) = (ms for symbol, ms in reader.told_ms[2:] if symbol == "BTCUSDT")
    proofs = [(ms, until) for symbol, ms, until in reader.last_event_ms if symbol == "BTCUSDT"]
    assert all(until == stalled for ms, until in proofs if ms < gap_ms)


def test_what_comes_before_the_acknowledgement_proves_nothing(
    venue: Venue, readers: list[Reader]
) -> None:
    venue.answers = False
    readers.append(reader := Reader(venue.url, "BTCUSDT"))
    assert eventually(lambda: reader.klines > 3)
    assert reader.stream.live == set()
    assert reader.stream.last_event_ms("BTCUSDT") == 0
