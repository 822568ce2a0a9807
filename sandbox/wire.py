"""Binance's spelling: decimals as text, errors as code and message. Source: protocol D, E."""

from decimal import Decimal
from typing import Any

import orjson

from sandbox.data.klines import Kline
from sandbox.data.tape import AggTrade, Trade

Json = dict[str, Any]


class ApiError(Exception):
    """An answer that is not a success: Binance's code and message under an HTTP status.

    `retry_ms` is when to come again, `data` what some errors carry besides.
    """

    def __init__(
        self,
        code: int,
        message: str,
        status: int = 400,
        *,
        retry_ms: int | None = None,
        data: Json | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.retry_ms = retry_ms
        self.data = data

    def body(self) -> Json:
        data = {} if self.data is None else {"data": self.data}
        return {"code": self.code, "msg": self.message, **data}


def text(number: Decimal) -> str:
    """A decimal as Binance prints it: plain, eight places."""
    return f"{number:.8f}"


def encode(value: object) -> bytes:
    return orjson.dumps(value)


def mandatory(name: str) -> ApiError:
    message = f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    return ApiError(-1102, message)


def illegal_characters(name: str, legal: str) -> ApiError:
    message = f"Illegal characters found in parameter '{name}'; legal range is '{legal}'."
    return ApiError(-1100, message)


def not_valid(name: str) -> ApiError:
    return ApiError(-1130, f"Data sent for parameter '{name}' is not valid.")


def filter_failure(name: str) -> ApiError:
    return ApiError(-1013, f"Filter failure: {name}")


def rejected(message: str) -> ApiError:
    return ApiError(-2010, message)


def invalid_symbol() -> ApiError:
    return ApiError(-1121, "Invalid symbol.")


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
