"""Handlers of public market data. Source: protocol D.4, D.5."""

import asyncio

from sandbox.api.request import ApiRequest
from sandbox.clock import DAY_MS, MINUTE_MS
from sandbox.data.klines import INTERVALS, ZERO
from sandbox.data.payloads import rest_agg_trade, rest_kline, rest_trade
from sandbox.data.tape import Item, Tape, from_id, newest
from sandbox.engine.filters import AVERAGE_MINUTES
from sandbox.engine.market import Market
from sandbox.engine.order_book import Level
from sandbox.errors import ApiError
from sandbox.wire import Json, format_decimal


async def _markets(request: ApiRequest) -> list[Market]:
    """The market of the `symbol`, those of the `symbols`, or all; raises -1121.

    Waking hundreds takes seconds, in which the rest of the exchange goes on.
    """
    one, several = request.params.optional("symbol"), request.params.symbols("symbols")
    if one is not None and several is not None:
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    names = [one] if one is not None else several
    found = []
    for name in names or list(request.exchange.markets):
        found.append(request.exchange.market(name))
        await asyncio.sleep(0)
    return found


def _one_or_all(request: ApiRequest, rows: list[Json]) -> object:
    """The one row where a `symbol` was sent, else all rows."""
    return rows[0] if "symbol" in request.params else rows


async def ping(request: ApiRequest) -> object:
    return {}


async def server_time(request: ApiRequest) -> object:
    return {"serverTime": request.server_time_ms}


async def depth(request: ApiRequest) -> object:
    book, limit = request.market().order_book(request.now_ms), request.params.limit(100, 5000)
    return {
        "lastUpdateId": book.update_id,
        "bids": [_level(level) for level in book.bids[:limit]],
        "asks": [_level(level) for level in book.asks[:limit]],
    }


def _level(level: Level) -> list[str]:
    return [format_decimal(level.price), format_decimal(level.quantity)]


def _visible(request: ApiRequest, tape: Tape, items: list[Item]) -> list[Item]:
    """The items of a tape that the database has; it may lag."""
    until_ms = request.context.faults.market_data_until_ms(request.now_ms)
    return items if until_ms is None else tape.until(items, until_ms)


async def trades(request: ApiRequest) -> object:
    tape = request.market().tape
    rows = newest(_visible(request, tape, tape.trades), request.params.limit())
    return [rest_trade(trade) for trade in rows]


async def historical_trades(request: ApiRequest) -> object:
    tape, limit = request.market().tape, request.params.limit()
    rows, first_id = _visible(request, tape, tape.trades), request.params.integer("fromId")
    found = newest(rows, limit) if first_id is None else from_id(rows, first_id, limit)
    return [rest_trade(trade) for trade in found]


async def agg_trades(request: ApiRequest) -> object:
    tape, limit, params = request.market().tape, request.params.limit(), request.params
    first_id = params.integer("fromId")
    start_ms = params.time_ms("startTime", request.now_ms)
    end_ms = params.time_ms("endTime", request.now_ms)
    if first_id is not None and (start_ms is not None or end_ms is not None):
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    rows = _visible(request, tape, tape.aggs)
    if first_id is not None:
        found = from_id(rows, first_id, limit)
    else:
        found = tape.between(rows, start_ms, end_ms, limit)
    return [rest_agg_trade(agg) for agg in found]


async def klines(request: ApiRequest) -> object:
    market, params = request.market(), request.params
    interval = params.choice("interval", INTERVALS, ApiError(-1120, "Invalid interval."))
    start_ms = params.time_ms("startTime", request.now_ms)
    end_ms = params.time_ms("endTime", request.now_ms)
    faults = request.context.faults
    until_ms = faults.market_data_until_ms(request.now_ms)
    rows = market.klines(interval, start_ms, end_ms, params.limit(), until_ms)
    rows = faults.filter_klines(market.rules.symbol, rows, request.now_ms)
    return [rest_kline(kline) for kline in rows]


async def average_price(request: ApiRequest) -> object:
    market = request.market()
    price = market.average_price(request.now_ms)
    closed_ms = market.tape.last_trade.time_ms if market.tape.last_trade else 0
    return {"mins": AVERAGE_MINUTES, "price": format_decimal(price or ZERO), "closeTime": closed_ms}


async def ticker_price(request: ApiRequest) -> object:
    rows = [
        {"symbol": market.rules.symbol, "price": format_decimal(market.last_price or ZERO)}
        for market in await _markets(request)
    ]
    return _one_or_all(request, rows)


async def ticker_book(request: ApiRequest) -> object:
    rows = []
    for market in await _markets(request):
        bid, ask = market.best_prices(request.now_ms)
        row = {
            "symbol": market.rules.symbol,
            "bidPrice": format_decimal(bid.price),
            "bidQty": format_decimal(bid.quantity),
            "askPrice": format_decimal(ask.price),
            "askQty": format_decimal(ask.quantity),
        }
        rows.append(row)
    return _one_or_all(request, rows)


async def ticker_day(request: ApiRequest) -> object:
    rows = [_day_ticker(market, request.now_ms) for market in await _markets(request)]
    return _one_or_all(request, rows)


def _day_ticker(market: Market, now_ms: int) -> Json:
    """The ticker of the last 24 hours. Source: protocol B.5, spelled as REST does."""
    day = market.day_kline(now_ms)
    last = market.tape.last_trade
    if day is None or last is None:
        return {"symbol": market.rules.symbol, "count": 0}
    change = day.close - day.open
    bid, ask = market.best_prices(now_ms)
    average = day.quote / day.volume if day.volume else ZERO
    return {
        "symbol": market.rules.symbol,
        "priceChange": format_decimal(change),
        "priceChangePercent": f"{change / day.open * 100:.3f}",
        "weightedAvgPrice": format_decimal(average),
        "prevClosePrice": format_decimal(day.open),
        "lastPrice": format_decimal(day.close),
        "lastQty": format_decimal(last.quantity),
        "bidPrice": format_decimal(bid.price),
        "bidQty": format_decimal(bid.quantity),
        "askPrice": format_decimal(ask.price),
        "askQty": format_decimal(ask.quantity),
        "openPrice": format_decimal(day.open),
        "highPrice": format_decimal(day.high),
        "lowPrice": format_decimal(day.low),
        "volume": format_decimal(day.volume),
        "quoteVolume": format_decimal(day.quote),
        "openTime": now_ms // MINUTE_MS * MINUTE_MS - DAY_MS + MINUTE_MS,
        "closeTime": now_ms,
        "firstId": day.first_id,
        "lastId": day.last_id,
        "count": day.count,
    }
