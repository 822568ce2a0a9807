import time
from dataclasses import dataclass

import pytest

from candles.live.deaf import DEAF_AFTER_S, LISTEN_EVERY_S, DeafSymbols
from candles.live.evidence import POLL_EVERY_MS


@dataclass
class Feed:
    symbol: str
    heard: bool = False
    deaf: bool = False


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_a_symbol_is_deaf_after_ten_seconds_until_it_is_heard_again(clock: list[float]) -> None:
    symbols, btc, eth = DeafSymbols(), Feed("BTCUSDT"), Feed("ETHUSDT")
    for _ in range(int(DEAF_AFTER_S / LISTEN_EVERY_S) + 2):
        eth.heard = True
        symbols.listen([btc, eth])
        clock[0] += LISTEN_EVERY_S
    assert (btc.deaf, eth.deaf) == (True, False)
    btc.heard = True
    symbols.listen([btc, eth])
    assert not btc.deaf


def test_a_symbol_that_is_followed_again_is_not_deaf_from_before(clock: list[float]) -> None:
    symbols = DeafSymbols()
    symbols.listen([Feed("BTCUSDT")])
    for _ in range(20):
        clock[0] += LISTEN_EVERY_S
        symbols.listen([])
    again = Feed("BTCUSDT")
    symbols.listen([again])
    assert not again.deaf


def test_many_deaf_symbols_share_the_pace(clock: list[float]) -> None:
    symbols, feeds = DeafSymbols(), [Feed(f"COIN{number}USDT") for number in range(100)]
    symbols.listen(feeds)
    assert symbols.pause_ms == POLL_EVERY_MS
    clock[0] += DEAF_AFTER_S + 1
    symbols.listen(feeds)
    assert all(feed.deaf for feed in feeds)
    assert symbols.pause_ms == 25_000
