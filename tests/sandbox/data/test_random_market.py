"""The random market: alive, and the same for the same seed."""

from decimal import Decimal
from fractions import Fraction

from sandbox.clock import Clock
from sandbox.config import SandboxConfig
from sandbox.data.klines import Kline
from sandbox.data.symbols import find_listing, invent_listing
from sandbox.data.tape import Trade
from sandbox.engine.exchange import Exchange

START_MS = 1_800_000_012_345


def market(seed: int, *looks_ms: int) -> tuple[list[Trade], list[Kline]]:
    """BTCUSDT after looking at it at these times after the start."""
    now_ms = [START_MS]
    exchange = Exchange(SandboxConfig([], seed=seed), Clock(lambda: now_ms[0]))
    for look_ms in looks_ms:
        now_ms[0] = START_MS + look_ms
        exchange.market("BTCUSDT").advance(now_ms[0])
    found = exchange.market("BTCUSDT")
    return found.tape.trades, found.kline_builder.closed["1m"][:]


def test_a_seed_gives_the_same_market_however_often_it_is_advanced() -> None:
    once, often = market(5, 60_000), market(5, *range(0, 60_001, 500))
    assert once == often
    assert market(6, 60_000) != once


def test_moving_averages_cross_every_few_candles() -> None:
    closes = [float(kline.close) for kline in market(1, 0)[1]]
    above, fast = [], closes[0]
    for place in range(10, len(closes)):
        fast += (closes[place] - fast) / 3
        above.append(fast > sum(closes[place - 9 : place + 1]) / 10)
    crossings = sum(now != before for now, before in zip(above[1:], above[:-1], strict=True))
    assert 5 < len(above) / crossings < 15


def test_prices_and_quantities_lie_on_the_grid() -> None:
    trades, _ = market(1, 30_000)
    rules = find_listing("BTCUSDT", 1).rules
    assert not any(
        trade.price % rules.price_step or trade.quantity % rules.quantity_step for trade in trades
    )
    assert all(Decimal(50_000) < trade.price < Decimal(70_000) for trade in trades)


def test_hundreds_of_symbols_start_at_once() -> None:
    names = [f"COIN{place}{quote}" for place in range(150) for quote in ("USDT", "BTC")]
    exchange = Exchange(SandboxConfig(names, seed=2), Clock())
    assert not any(market.is_awake for market in exchange.markets.values())
    woken = exchange.market("COIN7BTC")
    assert woken.last_price
    assert len(woken.kline_builder.closed["1m"]) >= 1440


def test_an_invented_symbol_is_always_the_same_and_tradable() -> None:
    for name in ("FOOUSDT", "BARBTC", "\u5e01USDT"):
        entry = invent_listing(name, 4)
        assert entry == invent_listing(name, 4)
        rules, price = entry.rules, Fraction(entry.price)
        assert rules.price_step * 20 < price
        assert rules.quantity_step * Decimal(entry.price) < rules.min_notional
        assert (
            Decimal("0.00000001") <= rules.price_step * rules.quantity_step
        )  # exact in eight places
