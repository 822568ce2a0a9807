"""Trades and klines as REST and the streams send them. Source: protocol B.5, D.5."""

from sandbox.data.klines import Kline
from sandbox.data.tape import AggTrade, Trade
from sandbox.wire import Json, text


def rest_trade(trade: Trade) -> Json:
    return {
        "id": trade.trade_id,
        "price": text(trade.price),
        "qty": text(trade.quantity),
        "quoteQty": text(trade.quote),
        "time": trade.time_ms,
        "isBuyerMaker": trade.buyer_maker,
        "isBestMatch": True,
    }


def rest_agg_trade(agg: AggTrade) -> Json:
    return {
        "a": agg.agg_id,
        "p": text(agg.price),
        "q": text(agg.quantity),
        "f": agg.first_id,
        "l": agg.last_id,
        "T": agg.time_ms,
        "m": agg.buyer_maker,
        "M": True,
    }


def rest_kline(kline: Kline) -> list[int | str]:
    return [
        kline.open_ms,
        text(kline.open),
        text(kline.high),
        text(kline.low),
        text(kline.close),
        text(kline.volume),
        kline.end_ms - 1,
        text(kline.quote),
        kline.count,
        text(kline.taker_volume),
        text(kline.taker_quote),
        "0",
    ]


def stream_trade(symbol: str, trade: Trade, now_ms: int) -> Json:
    return {
        "e": "trade",
        "E": now_ms,
        "s": symbol,
        "t": trade.trade_id,
        "p": text(trade.price),
        "q": text(trade.quantity),
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
        "o": text(kline.open),
        "c": text(kline.close),
        "h": text(kline.high),
        "l": text(kline.low),
        "v": text(kline.volume),
        "n": kline.count,
        "x": closed,
        "q": text(kline.quote),
        "V": text(kline.taker_volume),
        "Q": text(kline.taker_quote),
        "B": "0",
    }
    return {"e": "kline", "E": now_ms, "s": symbol, "k": body}


def stream_mini_ticker(symbol: str, day: Kline, now_ms: int) -> Json:
    return {
        "e": "24hrMiniTicker",
        "E": now_ms,
        "s": symbol,
        "c": text(day.close),
        "o": text(day.open),
        "h": text(day.high),
        "l": text(day.low),
        "v": text(day.volume),
        "q": text(day.quote),
    }
