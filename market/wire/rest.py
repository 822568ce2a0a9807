"""Wire format of the exchange's public answers over REST, read once at the border.

A row of a list that cannot be read costs that row alone (`market.wire.rows`); an answer to another
question than was asked is damage as a whole.
"""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any

import msgspec

from market.rules import SymbolRules
from market.ticks import Tick
from market.wire.bounds import (
    MAX_COUNT,
    MAX_TIME_MS,
    Asset,
    BadFrame,
    Count,
    Id,
    SymbolName,
    TimeMs,
    Word,
    check,
    check_amounts,
    decode,
    is_amount,
    shown,
)
from market.wire.frames import check_range, check_tick
from market.wire.rows import Rows, read_rows

MAX_FILTERS = 64  # of a symbol; the exchange has a dozen
# Less weight a minute than some single requests take would lock us out for good.
MIN_LIMITS = {"REQUEST_WEIGHT": 100}
MAX_SPAN_S = 86_400 * 31  # of a rate limit; the longest known is a day


class _AggTradeRow(msgspec.Struct):
    """An aggregate trade as REST gives it: without event type and symbol."""

    a: Id
    p: Decimal
    q: Decimal
    f: Id
    l: Id  # noqa: E741  # the exchange's name
    T: TimeMs
    m: bool


class SymbolInfo(msgspec.Struct, rename="camel"):
    """One symbol in exchangeInfo, as far as we use it."""

    symbol: SymbolName
    status: Word
    base_asset: Asset
    quote_asset: Asset
    filters: list[dict[str, Any]]


class _ExchangeInfo(msgspec.Struct):
    symbols: msgspec.Raw


class _RateLimit(msgspec.Struct, rename="camel"):
    rate_limit_type: Word
    interval: Word
    interval_num: Count
    limit: Count


DAY_MS = 86_400_000
INTERVAL_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": DAY_MS}
INTERVAL_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3_600, "DAY": 86_400}


class _RateLimits(msgspec.Struct, rename="camel"):
    rate_limits: msgspec.Raw = msgspec.Raw(b"[]")


class _ServerTime(msgspec.Struct):
    serverTime: TimeMs  # noqa: N815  # the exchange's name


# open time, open, high, low, close, volume, close time, quote volume, trades, taker volumes.
KlineRow = tuple[
    int, Decimal, Decimal, Decimal, Decimal, Decimal, int, Decimal, int, Decimal, Decimal, str
]
_WireKline = tuple[
    TimeMs, Decimal, Decimal, Decimal, Decimal, Decimal, TimeMs, Decimal, Count, Decimal, Decimal,
    Word,
]  # fmt: skip

QUOTE_UNIT = Decimal("1E-8")  # quote volumes are given to this, each trade's share rounded


def contradicts_itself(row: KlineRow) -> bool:
    """True for a kline that cannot be: its average price, for one, lies outside its range."""
    _, opened, high, low, close, volume, _, quote, trades, taker, taker_quote, _ = row
    slack = QUOTE_UNIT * max(trades, 1)
    return not (
        low <= min(opened, close)
        and max(opened, close) <= high
        and low * volume - slack <= quote <= high * volume + slack
        and taker <= volume
        and taker_quote <= quote
    )


_agg_trade = msgspec.json.Decoder(_AggTradeRow)
_kline = msgspec.json.Decoder(_WireKline)
_exchange_info = msgspec.json.Decoder(_ExchangeInfo).decode
_symbol_info = msgspec.json.Decoder(SymbolInfo)
_rate_limits = msgspec.json.Decoder(_RateLimits).decode
_rate_limit = msgspec.json.Decoder(_RateLimit)
_server_time = msgspec.json.Decoder(_ServerTime).decode


def read_agg_trades(symbol: str, body: bytes, latest_ms: int = MAX_TIME_MS) -> Rows[Tick]:
    """Source: Spot REST, "Compressed/Aggregate trades list"."""

    def tick(row: _AggTradeRow) -> Tick:
        tick = Tick(symbol, row.a, row.p, row.q, row.f, row.l, row.T, row.m)
        check_tick(tick, latest_ms)
        return tick

    return read_rows(_agg_trade, tick, body, "aggregate trades")


def read_klines(body: bytes) -> Rows[KlineRow]:
    """Source: Spot REST, "Kline/Candlestick data". The last one may still be open."""
    return read_rows(_kline, _checked_kline, body, "klines")


def _checked_kline(row: KlineRow) -> KlineRow:
    open_ms, opened, high, low, close, volume, close_ms, quote, _, taker, taker_quote, _ = row
    check(open_ms <= close_ms, f"it closes at {close_ms}, before it opens")
    check_range(opened, high, low, close)
    check_amounts(volume=volume, quote=quote, taker=taker, taker_quote=taker_quote)
    return row


def check_ascending(numbers: Sequence[int], first: int, last: int) -> None:
    """Raise BadFrame unless ids or times ascend within what was asked for."""
    check(all(a < b for a, b in pairwise(numbers)), "its rows do not ascend")
    if numbers:
        asked = f"{first} to {last} were asked for, {numbers[0]} to {numbers[-1]} were answered"
        check(first <= numbers[0] and numbers[-1] <= last, asked)


def check_interval(rows: Sequence[KlineRow], interval: str, now_ms: int) -> None:
    """Raise BadFrame for klines of another interval than was asked for.

    Long ago the exchange has closed some early, where trading was interrupted.
    """
    unit_ms = INTERVAL_UNITS_MS.get(interval[-1:])
    if unit_ms is None or not rows:
        return
    asked_ms = int(interval[:-1]) * unit_ms
    lengths = [(row[6] - row[0] + 1, row[6] < now_ms - DAY_MS) for row in rows]
    possible = all(ms == asked_ms or (old and ms < asked_ms) for ms, old in lengths)
    some_whole = len(rows) == 1 or any(ms == asked_ms for ms, _ in lengths)
    check(
        possible and some_whole, f"{interval} was asked for, the klines are of {lengths[0][0]} ms"
    )


def read_exchange_info(body: bytes, asked: Collection[str] | None = None) -> Rows[SymbolInfo]:
    """Source: Spot REST, "Exchange information". Unknown fields are ignored.

    Only rows about symbols that were `asked` for are read, where that is given.
    """

    def info(row: SymbolInfo) -> SymbolInfo:
        check(asked is None or row.symbol in asked, f"{shown(row.symbol)} was not asked for")
        words = (row.symbol, row.status, row.base_asset, row.quote_asset)
        check(all(map(_is_word, words)), f"{words!r} are no words")
        _check_filters(row.filters)
        return row

    symbols = decode(_exchange_info, body, "exchange information").symbols
    return read_rows(_symbol_info, info, bytes(symbols), "symbols")


def _is_word(text: str) -> bool:
    """True for a name that our columns take: a NUL, for one, is refused by PostgreSQL."""
    return 0 < len(text) <= 40 and text.isprintable()


def _check_filters(filters: Sequence[Mapping[str, Any]]) -> None:
    """Raise BadFrame for filters with a value that cannot be; all of them are kept."""
    check(len(filters) <= MAX_FILTERS, f"{len(filters)} filters")
    for one in filters:
        for name, value in one.items():
            check(_is_word(name) and _is_filter_value(value), f"{name[:40]} {shown(value)}")
    try:
        SymbolRules.from_filters(filters)
    except (ArithmeticError, LookupError, TypeError, ValueError):
        raise BadFrame(f"filters {shown(filters)}") from None


def _is_filter_value(value: object) -> bool:
    if isinstance(value, str):
        number = _number(value)
        return _is_word(value) and (number is None or is_amount(number))
    return isinstance(value, bool) or (isinstance(value, int) and 0 <= value <= MAX_COUNT)


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def read_weight_limit(body: bytes) -> int | None:
    """The request weight of a minute, of exchange information; None where it tells none."""
    return _read_limits(body, "REQUEST_WEIGHT").get(INTERVAL_SECONDS["MINUTE"])


def read_order_limits(body: bytes) -> dict[int, int]:
    """Orders that are allowed in spans of so many seconds, of exchange information."""
    return _read_limits(body, "ORDERS")


def _read_limits(body: bytes, kind: str) -> dict[int, int]:
    """Limits by span in seconds. One that would lock us out for good is damage."""

    def limit(row: _RateLimit) -> tuple[str, int, int]:
        span_s = row.interval_num * INTERVAL_SECONDS.get(row.interval, 1)
        check(0 < span_s <= MAX_SPAN_S, f"a limit of {row.interval_num} {row.interval}")
        least = MIN_LIMITS.get(row.rate_limit_type, 1)
        check(row.limit >= least, f"{row.rate_limit_type} limit {row.limit}")
        return row.rate_limit_type, span_s, row.limit

    wire = decode(_rate_limits, body, "exchange information").rate_limits
    rows = read_rows(_rate_limit, limit, bytes(wire), "rate limits")
    return {span_s: most for of, span_s, most in rows if of == kind}


def read_server_time(body: bytes) -> int:
    """Milliseconds since the epoch. Source: Spot REST, "Check server time"."""
    return decode(_server_time, body, "a server time").serverTime
