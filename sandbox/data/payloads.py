"""Trades and klines as REST and the streams send them. Source: protocol B.5, D.5."""

from sandbox.data.klines import Kline
from sandbox.data.tape import AggTrade, Trade
from sandbox.wire import Json, format_decimal


def rest_trade(trade: Trade) -> Json:
    return {
        "id": trade.trade_id,
        "price": format_decimal(trade.price),
        "qty": format_decimal(trade.quantity),
        "quoteQty": format_decimal(trade.quote),
        "time": trade.time_ms,
        "isBuyerMaker": trade.buyer_maker,
        "isBestMatch": True,
    }


def rest_agg_trade(agg: AggTrade) -> Json:
    return {
        "a": agg.agg_id,
        "p": format_decimal(agg.price),
        "q": format_decimal(agg.quantity),
        "f": agg.first_id,
        "l": agg.last_id,
        "T": agg.time_ms,
        "m": agg.buyer_maker,
        "M": True,
    }


def rest_kline(kline: Kline) -> list[int | str]:
    return [
        kline.open_ms,
        format_decimal(kline.open),
        format_decimal(kline.high),
        format_decimal(kline.low),
        format_decimal(kline.close),
        format_decimal(kline.volume),
        kline.end_ms - 1,
        format_decimal(kline.quote),
        kline.count,
        format_decimal(kline.taker_volume),
        format_decimal(kline.taker_quote),
        "0",
    ]


def stream_trade(symbol: str, trade: Trade, now_ms: int) -> Json:
    return {
        "e": "trade",
        "E": now_ms,
        "s": symbol,
        "t": trade.trade_id,
        "p": format_decimal(trade.price),
        "q": format_decimal(trade.quantity),
        "T": trade.time_ms,
        "m": trade.buyer_maker,
        "M": True,
    }


def stream_agg_trade(symbol: str, agg: AggTrade, now_ms: int) -> Json:
    return {"e": "aggTrade", "E": now_ms, "s": symbol, **rest_agg_trade(agg)}


def stream_kline(symbol: str, interval: str, kline: Kline, closed: bool, now_ms: int) -> Json:
    body = {
        "t": kline.open_ms,
        "T": kline.end_ms - 1,
        "s": symbol,
        "i": interval,
        "f": kline.first_id,
        "L": kline.last_id,
        "o": format_decimal(kline.open),
        "c": format_decimal(kline.close),
        "h": format_decimal(kline.high),
        "l": format_decimal(kline.low),
        "v": format_decimal(kline.volume),
        "n": kline.count,
        "x": closed,
        "q": format_decimal(kline.quote),
        "V": format_decimal(kline.taker_volume),
        "Q": format_decimal(kline.taker_quote),
        "B": "0",
    }
    return {"e": "kline", "E": now_ms, "s": symbol, "k": body}


def stream_mini_ticker(symbol: str, day: Kline, now_ms: int) -> Json:
    return {
        "e": "24hrMiniTicker",
        "E": now_ms,
        "s": symbol,
        "c": format_decimal(day.close),
        "o": format_decimal(day.open),
        "h": format_decimal(day.high),
        "l": format_decimal(day.low),
        "v": format_decimal(day.volume),
        "q": format_decimal(day.quote),
    }
