"""What everybody may ask for. Source: protocol D.4, D.5."""

import asyncio

from sandbox.api.exchange_info import wire_symbol
from sandbox.api.limits import rate_limits
from sandbox.api.params import RequestParams
from sandbox.api.request import ApiRequest, WeightRule
from sandbox.clock import DAY_MS, MINUTE_MS
from sandbox.data.klines import INTERVALS, ZERO
from sandbox.data.payloads import rest_agg_trade, rest_kline, rest_trade
from sandbox.data.tape import Item, Tape, from_id, newest
from sandbox.engine.filters import AVERAGE_MINUTES
from sandbox.engine.market import Market
from sandbox.errors import ApiError, invalid_symbol
from sandbox.streams.market_publisher import stream_book_ticker
from sandbox.wire import Json, format_decimal

DEPTH_WEIGHTS = ((100, 5), (500, 25), (1000, 50), (5000, 250))
STATUSES = ("TRADING", "HALT", "BREAK")


def fixed_weight(weight: int) -> WeightRule:
    return lambda _: weight


def weight_by_symbols(one: int, several: int) -> WeightRule:
    return lambda params: one if "symbol" in params else several


def depth_weight(params: RequestParams) -> int:
    limit = params.limit(100, 5000)
    return next(weight for most, weight in DEPTH_WEIGHTS if limit <= most)


def ticker_day_weight(params: RequestParams) -> int:
    if "symbol" in params:
        return 2
    names = params.symbols("symbols")
    if names is None or len(names) > 100:
        return 80
    return 2 if len(names) <= 20 else 40


def market_of(call: ApiRequest) -> Market:
    return call.exchange.market(call.params.text("symbol"))


async def markets_of(call: ApiRequest) -> list[Market]:
    """The one market, the list or all, as asked; raises -1121 for an unknown one.

    Waking hundreds takes seconds, in which the rest of the exchange goes on.
    """
    one, several = call.params.optional("symbol"), call.params.symbols("symbols")
    if one is not None and several is not None:
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    names = [one] if one is not None else several
    found = []
    for name in names or call.exchange.markets:
        found.append(call.exchange.market(name))
        await asyncio.sleep(0)
    return found


def one_or_all(call: ApiRequest, rows: list[Json]) -> object:
    return rows[0] if "symbol" in call.params else rows


async def ping(call: ApiRequest) -> object:
    return {}


async def server_time(call: ApiRequest) -> object:
    return {"serverTime": call.server_time_ms}


async def exchange_info(call: ApiRequest) -> object:
    one, several = call.params.optional("symbol"), call.params.symbols("symbols")
    status = call.params.optional("symbolStatus")
    if status is not None and status not in STATUSES:
        raise ApiError(-1122, "Invalid symbolStatus.")
    if sum(wish is not None for wish in (one, several, status)) > 1:
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    names = [one] if one is not None else several
    markets = call.exchange.markets
    if names and not set(names) <= markets.keys():
        raise invalid_symbol()
    symbols = [
        wire_symbol(market.rules, market.status)
        for market in (markets[name] for name in names or markets)
        if status in (None, market.status)
    ]
    return {
        "timezone": "UTC",
        "serverTime": call.server_time_ms,
        "rateLimits": rate_limits(over_websocket=call.log_entry.channel == "ws"),
        "exchangeFilters": [],
        "symbols": symbols,
    }


async def depth(call: ApiRequest) -> object:
    book, limit = market_of(call).order_book(call.now_ms), call.params.limit(100, 5000)
    return {
        "lastUpdateId": book.update_id,
        "bids": [
            [format_decimal(price), format_decimal(left)] for price, left in book.bids[:limit]
        ],
        "asks": [
            [format_decimal(price), format_decimal(left)] for price, left in book.asks[:limit]
        ],
    }


def visible(call: ApiRequest, tape: Tape, items: list[Item]) -> list[Item]:
    """What the database shows of a tape's items; it may lag."""
    horizon_ms = call.context.faults.market_data_until_ms(call.now_ms)
    return items if horizon_ms is None else tape.until(items, horizon_ms)


async def trades(call: ApiRequest) -> object:
    tape = market_of(call).tape
    rows = newest(visible(call, tape, tape.trades), call.params.limit())
    return [rest_trade(trade) for trade in rows]


async def historical_trades(call: ApiRequest) -> object:
    tape, limit = market_of(call).tape, call.params.limit()
    rows, first_id = visible(call, tape, tape.trades), call.params.integer("fromId")
    found = newest(rows, limit) if first_id is None else from_id(rows, first_id, limit)
    return [rest_trade(trade) for trade in found]


async def agg_trades(call: ApiRequest) -> object:
    tape, limit, params = market_of(call).tape, call.params.limit(), call.params
    first_id = params.integer("fromId")
    start_ms = params.time_ms("startTime", call.now_ms)
    end_ms = params.time_ms("endTime", call.now_ms)
    if first_id is not None and (start_ms is not None or end_ms is not None):
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    rows = visible(call, tape, tape.aggs)
    if first_id is not None:
        found = from_id(rows, first_id, limit)
    else:
        found = tape.between(rows, start_ms, end_ms, limit)
    return [rest_agg_trade(agg) for agg in found]


async def klines(call: ApiRequest) -> object:
    market, params = market_of(call), call.params
    interval = params.choice("interval", INTERVALS, ApiError(-1120, "Invalid interval."))
    start_ms = params.time_ms("startTime", call.now_ms)
    end_ms = params.time_ms("endTime", call.now_ms)
    faults = call.context.faults
    horizon_ms = faults.market_data_until_ms(call.now_ms)
    rows = market.klines(interval, start_ms, end_ms, params.limit(), horizon_ms)
    told = faults.falsified(market.rules.symbol, rows, call.now_ms)
    return [rest_kline(kline) for kline in told]


async def average_price(call: ApiRequest) -> object:
    market = market_of(call)
    price = market.average_price(call.now_ms)
    closed_ms = market.tape.last_trade.time_ms if market.tape.last_trade else 0
    return {"mins": AVERAGE_MINUTES, "price": format_decimal(price or ZERO), "closeTime": closed_ms}


async def ticker_price(call: ApiRequest) -> object:
    rows = [
        {"symbol": market.rules.symbol, "price": format_decimal(market.last_price or ZERO)}
        for market in await markets_of(call)
    ]
    return one_or_all(call, rows)


async def ticker_book(call: ApiRequest) -> object:
    rows = []
    for market in await markets_of(call):
        wire = stream_book_ticker(market, call.now_ms)
        row = {"symbol": wire["s"], "bidPrice": wire["b"], "bidQty": wire["B"]}
        rows.append({**row, "askPrice": wire["a"], "askQty": wire["A"]})
    return one_or_all(call, rows)


async def ticker_day(call: ApiRequest) -> object:
    return one_or_all(call, [_day_ticker(market, call.now_ms) for market in await markets_of(call)])


def _day_ticker(market: Market, now_ms: int) -> Json:
    """The last 24 hours. Source: the ticker of protocol B.5, spelled as REST does."""
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
