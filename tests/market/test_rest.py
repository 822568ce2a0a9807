import time

import pytest

from market.clock import ExchangeClock
from market.failures import ExchangeUnreachable, Refused
from market.rest import MarketRest
from tests.servers import Sandbox


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
    with pytest.raises(Refused) as refusal:
        MarketRest(sandbox.rest_url).exchange_info(["NOSUCHCOIN"])
    assert refusal.value.code == -1121
    with pytest.raises(ExchangeUnreachable, match=r"127\.0\.0\.1:9: .*refused"):
        MarketRest("http://127.0.0.1:9").server_time()


def test_the_exchanges_clock_is_measured(sandbox: Sandbox) -> None:
    clock, rest = ExchangeClock(), MarketRest(sandbox.rest_url)
    assert not clock.known
    began_s = time.monotonic()
    clock.sync(rest)
    error_ms = (time.monotonic() - began_s) * 1000 + 1  # no more than the measuring took
    assert clock.known
    before_ms, server_ms, after_ms = clock.now_ms(), rest.server_time(), clock.now_ms()
    assert before_ms - error_ms <= server_ms <= after_ms + error_ms
