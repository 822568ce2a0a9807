"""Tick: one aggregate trade as the exchange printed it."""

from decimal import Decimal
from enum import StrEnum

import msgspec

from market.wire.bounds import AnyTimeMs, Id, SymbolName


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"


class Tick(
    msgspec.Struct,
    frozen=True,
    gc=False,
    tag_field="e",
    tag="aggTrade",
    rename={
        "symbol": "s",
        "tick_id": "a",
        "price": "p",
        "quantity": "q",
        "first_trade_id": "f",
        "last_trade_id": "l",
        "time_ms": "T",
        "buyer_is_maker": "m",
    },
):
    """One aggregate trade: what one taker order took from the book at one price and time.

    `price` is in quote asset per unit of base asset, `quantity` in base asset, `time_ms` the
    exchange's trade time. `tick_id` rises by one per symbol: a jump means ticks to fetch.
    The `rename` above holds the wire's letters, so a frame is decoded straight into a tick.
    Decoding checks the whole numbers; `market.wire.frames.read_frames` the rest.
    Source: Binance Spot, WebSocket Streams, "Aggregate Trade Streams".
    """

    symbol: SymbolName
    tick_id: Id
    price: Decimal
    quantity: Decimal
    first_trade_id: Id
    last_trade_id: Id
    time_ms: AnyTimeMs
    buyer_is_maker: bool

    @property
    def taker(self) -> Side:
        return Side.SELL if self.buyer_is_maker else Side.BUY

    @property
    def trades(self) -> int:
        """The number of single trades in it; the ids of one taker order run without holes."""
        return self.last_trade_id - self.first_trade_id + 1
