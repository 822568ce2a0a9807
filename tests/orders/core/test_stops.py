"""Stops fire on the tick that hits them."""

from decimal import Decimal

from orders.core.stops import Stop, hit
from tests.builders import NOON_MS, tick


def stop(
    price: str = "90", position_id: int = 1, symbol: str = "BTCUSDT", since_ms: int = NOON_MS
) -> Stop:
    return Stop(position_id, symbol, Decimal(price), since_ms)


def test_the_first_tick_at_or_below_the_stop_hits_it() -> None:
    ticks = [tick("91", tick_id=1), tick("90", tick_id=2), tick("80", tick_id=3)]
    assert [(h.price, h.tick_id) for h in hit([stop()], ticks)] == [(Decimal(90), 2)]


def test_a_tick_above_the_stop_does_not() -> None:
    assert hit([stop()], [tick("90.01")]) == []


def test_a_tick_from_before_the_position_does_not() -> None:
    before, after = tick("50", time_ms=NOON_MS - 1), tick("60", tick_id=2, time_ms=NOON_MS)
    assert [h.price for h in hit([stop()], [before, after])] == [60]


def test_a_tick_of_another_symbol_does_not() -> None:
    assert hit([stop(symbol="ETHUSDT")], [tick("1")]) == []


def test_each_of_two_stops_has_its_own_tick() -> None:
    ticks = [tick("89", tick_id=1), tick("84", tick_id=2), tick("70", tick_id=3)]
    hits = hit([stop("85", 1), stop("90", 2)], ticks)
    assert [(h.stop.position_id, h.tick_id) for h in hits] == [(2, 1), (1, 2)]
