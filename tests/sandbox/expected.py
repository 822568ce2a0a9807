"""Expected klines, built from the exchange's own aggregate trades the slow way."""

from decimal import Decimal
from itertools import groupby

from tests.sandbox.venue import Json, Venue


def fetch_aggs(venue: Venue, symbol: str, first_id: int = 0) -> list[Json]:
    """Every aggregate trade that REST has, from an id on."""
    rows: list[Json] = []
    while page := venue.get("/api/v3/aggTrades", symbol=symbol, fromId=first_id, limit=1000):
        rows += page
        first_id = page[-1]["a"] + 1
    return rows


def build_klines(aggs: list[Json], length_ms: int) -> dict[int, list[object]]:
    """REST klines without their last cell by open time, flat ones for silent intervals."""
    by_open = sorted(aggs, key=lambda agg: agg["T"] // length_ms)
    groups = {
        number * length_ms: sorted(group, key=lambda agg: agg["a"])
        for number, group in groupby(by_open, key=lambda agg: agg["T"] // length_ms)
    }
    found: dict[int, list[object]] = {}
    close = ""
    for open_ms in range(min(groups), max(groups) + 1, length_ms):
        group = groups.get(open_ms, [])
        prices = [agg["p"] for agg in group] or [close]
        close = prices[-1]
        found[open_ms] = [open_ms, *_cells(group, prices, open_ms + length_ms - 1)]
    return found


def _cells(group: list[Json], prices: list[str], close_ms: int) -> list[object]:
    bought = [agg for agg in group if not agg["m"]]
    count = sum(agg["l"] - agg["f"] + 1 for agg in group)
    high, low = max(prices, key=Decimal), min(prices, key=Decimal)
    whole = [prices[0], high, low, prices[-1], _volume(group), close_ms, _quote(group), count]
    return [*whole, _volume(bought), _quote(bought)]


def _volume(aggs: list[Json]) -> str:
    return f"{sum((Decimal(agg['q']) for agg in aggs), Decimal(0)):.8f}"


def _quote(aggs: list[Json]) -> str:
    return f"{sum((Decimal(agg['q']) * Decimal(agg['p']) for agg in aggs), Decimal(0)):.8f}"


def fetch_klines(
    venue: Venue, symbol: str, interval: str, **params: object
) -> dict[int, list[object]]:
    """REST klines without their last cell, by open time."""
    rows = venue.get("/api/v3/klines", symbol=symbol, interval=interval, limit=1000, **params)
    return {row[0]: row[:11] for row in rows}
