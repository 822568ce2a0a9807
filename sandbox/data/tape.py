"""Public trades of one symbol, and the aggregate trades they form."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby, takewhile
from operator import attrgetter
from typing import NamedTuple, TypeVar


class Trade(NamedTuple):
    """One fill printed by the exchange; `quantity` in base asset, `price` in quote per base.

    `buyer_maker` is true where the taker sold.
    """

    trade_id: int
    time_ms: int
    price: Decimal
    quantity: Decimal
    buyer_maker: bool

    @property
    def quote(self) -> Decimal:
        return self.price * self.quantity


class AggTrade(NamedTuple):
    """The fills of one taker order at one time and price, `first_id` to `last_id`."""

    agg_id: int
    time_ms: int
    price: Decimal
    quantity: Decimal
    buyer_maker: bool
    first_id: int
    last_id: int


class TradeGroup(NamedTuple):
    """An aggregate trade together with the trades in it, oldest first."""

    agg: AggTrade
    trades: Sequence[Trade]


def split_runs(trades: Iterable[Trade]) -> Iterator[list[Trade]]:
    """Runs of trades in a row that share time, price and side: each is one aggregate trade."""
    for _, run in groupby(trades, key=lambda t: (t.time_ms, t.price, t.buyer_maker)):
        yield list(run)


def group_trades(agg_id: int, trades: Sequence[Trade]) -> TradeGroup:
    """The aggregate trade of one such run, with its trades."""
    first, last = trades[0], trades[-1]
    quantity = sum((trade.quantity for trade in trades), Decimal(0))
    agg = AggTrade(
        agg_id,
        first.time_ms,
        first.price,
        quantity,
        first.buyer_maker,
        first.trade_id,
        last.trade_id,
    )
    return TradeGroup(agg, trades)


Item = TypeVar("Item", Trade, AggTrade)
TIME = attrgetter("time_ms")


def newest(items: list[Item], limit: int) -> list[Item]:
    return items[-limit:]


def from_id(items: list[Item], first_id: int, limit: int) -> list[Item]:
    """At most `limit` items from `first_id` on, oldest first; ids need not be contiguous."""
    start = bisect_left(items, first_id, key=lambda item: item[0])
    return items[start : start + limit]


def is_within(time_ms: int, start_ms: int | None, end_ms: int | None) -> bool:
    return (start_ms is None or start_ms <= time_ms) and (end_ms is None or time_ms <= end_ms)


class Tape:
    """The last `max_trades` trades of one symbol and their aggregate trades, in order of id.

    That is the order of time too, unless a fault has backdated a trade.
    """

    def __init__(self, max_trades: int) -> None:
        self.max_trades = max_trades
        self.is_in_time_order = True
        self.trades: list[Trade] = []
        self.aggs: list[AggTrade] = []

    @property
    def last_trade(self) -> Trade | None:
        return self.trades[-1] if self.trades else None

    def record(self, group: TradeGroup) -> None:
        if self.trades and group.agg.time_ms < self.trades[-1].time_ms:
            self.is_in_time_order = False
        self.trades.extend(group.trades)
        self.aggs.append(group.agg)
        if len(self.trades) > self.max_trades * 5 // 4:
            self._drop_oldest()

    def between(
        self, items: list[Item], start_ms: int | None, end_ms: int | None, limit: int
    ) -> list[Item]:
        """Items of this tape by time, both ends included, in order of id.

        At most `limit`: the oldest from a start, else the newest up to an end.
        """
        if self.is_in_time_order:
            start = 0 if start_ms is None else bisect_left(items, start_ms, key=TIME)
            end = len(items) if end_ms is None else bisect_right(items, end_ms, key=TIME)
        else:
            items = [item for item in items if is_within(item.time_ms, start_ms, end_ms)]
            start, end = 0, len(items)
        if start_ms is None:
            start = max(0, end - limit)
        return items[start : min(end, start + limit)]

    def until(self, items: list[Item], time_ms: int) -> list[Item]:
        """Items of this tape before the first that is later than `time_ms`."""
        if self.is_in_time_order:
            return items[: bisect_right(items, time_ms, key=TIME)]
        return list(takewhile(lambda item: item.time_ms <= time_ms, items))

    def _drop_oldest(self) -> None:
        """Drop the oldest trades, and the aggregate trades that held them."""
        del self.trades[: -self.max_trades]
        first_id = self.trades[0].trade_id
        gone = bisect_left(self.aggs, first_id, key=lambda agg: agg.first_id)
        del self.aggs[:gone]
