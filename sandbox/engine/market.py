"""The public market of one symbol: its trades, klines, order book and prices."""

from decimal import Decimal
from typing import NamedTuple

from sandbox.clock import DAY_MS, MINUTE_MS, NEVER_MS, SECOND_MS
from sandbox.data.kline_builder import ClosedKline, KlineBuilder
from sandbox.data.klines import Kline, flat_kline
from sandbox.data.source import NoTrades, TradeSource
from sandbox.data.symbols import SymbolRules
from sandbox.data.tape import Tape, TradeGroup
from sandbox.data.trade_faults import FaultyTrades
from sandbox.engine.filters import AVERAGE_MINUTES
from sandbox.engine.order_book import Level, OrderBook

MINUTES_A_DAY = 1_440


class MarketUpdate(NamedTuple):
    """The trades of one advance in time, and the klines that they or the time closed."""

    groups: list[TradeGroup]
    closed: list[ClosedKline]


class Suspension(NamedTuple):
    """A time in which nothing is traded, as the symbol's status says."""

    status: str
    until_ms: int

    @property
    def stops_klines(self) -> bool:
        """Under HALT alone klines go on, flat. Source: protocol C.5."""
        return self.status != "HALT"


class Market:
    """A symbol with its trades, klines and order book.

    It sleeps until first asked for, so that hundreds of symbols cost nothing at the start.
    It is then as if it had never slept.
    """

    def __init__(self, rules: SymbolRules, source: TradeSource, seed: int, max_trades: int) -> None:
        self.rules = rules
        self.source = FaultyTrades(source)
        self._has_trades = not isinstance(source, NoTrades)
        self._suspension: Suspension | None = None
        self.tape = Tape(max_trades)
        self.kline_builder = KlineBuilder()
        self._order_book = OrderBook(rules, seed)
        self.is_awake = False
        self.next_update_ms = NEVER_MS
        self._day_kline: tuple[int, Kline | None] = (-1, None)

    def wake(self, now_ms: int) -> None:
        if not self.is_awake:
            self.is_awake = True
            self.source.load_history(self.kline_builder)
            self.advance(now_ms)

    def advance(self, now_ms: int) -> MarketUpdate:
        """Let everything happen that is due by `now_ms`."""
        self._end_suspension(now_ms)
        if self._suspension:
            return self._pass_suspended(self._suspension, now_ms)
        groups, closed = [], []
        for group in self.source.pop_due(now_ms):
            self.tape.record(group)
            groups.append(group)
            for trade in group.trades:
                closed += self.kline_builder.add_trade(trade)
        closed += self.kline_builder.advance(now_ms)
        self._schedule_update(now_ms)
        return MarketUpdate(groups, closed)

    def _schedule_update(self, now_ms: int) -> None:
        self.next_update_ms = min(self.source.next_trade_ms, (now_ms // SECOND_MS + 1) * SECOND_MS)

    def suspend(self, status: str, until_ms: int) -> None:
        """Let nothing be traded from now until a time, nor klines be made but under HALT."""
        self._suspension = Suspension(status, until_ms)

    def clear_faults(self, now_ms: int) -> None:
        """End a suspension, and what is wrong with the trades."""
        if self._suspension:
            self._suspension = self._suspension._replace(until_ms=now_ms)
            self._end_suspension(now_ms)
        self.source.clear_faults()

    def _end_suspension(self, now_ms: int) -> None:
        suspension = self._suspension
        if suspension and suspension.until_ms <= now_ms:
            self._suspension = None
            self.source.drop_due(suspension.until_ms)
            if suspension.stops_klines:
                self.kline_builder.skip_to(suspension.until_ms)

    def _pass_suspended(self, suspension: Suspension, now_ms: int) -> MarketUpdate:
        self.source.drop_due(now_ms)
        closed = [] if suspension.stops_klines else self.kline_builder.advance(now_ms)
        self._schedule_update(now_ms)
        return MarketUpdate([], closed)

    def klines(
        self,
        interval: str,
        start_ms: int | None,
        end_ms: int | None,
        limit: int,
        as_of_ms: int | None = None,
    ) -> list[Kline]:
        """Klines by open time, as of now or of an earlier time; see `KlineBuilder.select`."""
        if as_of_ms is None:
            return self.kline_builder.select(interval, start_ms, end_ms, limit)
        end_ms = as_of_ms if end_ms is None else min(as_of_ms, end_ms)
        rows = self.kline_builder.select(interval, start_ms, end_ms, limit)
        if rows and rows[-1].end_ms > as_of_ms:
            rows[-1] = self.kline_builder.kline_as_of(interval, as_of_ms, self.tape, rows[-1].open)
        return rows

    def order_book(self, now_ms: int) -> OrderBook:
        self._order_book.refresh(self.tape.last_trade, now_ms)
        return self._order_book

    @property
    def status(self) -> str:
        if self._suspension:
            return self._suspension.status
        return "TRADING" if self._has_trades else "BREAK"

    @property
    def is_trading(self) -> bool:
        return self.status == "TRADING"

    @property
    def makes_klines(self) -> bool:
        return not (self._suspension and self._suspension.stops_klines)

    @property
    def last_price(self) -> Decimal | None:
        return self.tape.last_trade.price if self.tape.last_trade else None

    def average_price(self, now_ms: int) -> Decimal | None:
        """Volume-weighted over the last minutes, else the last price; None before any trade."""
        trades = self.tape.between(
            self.tape.trades, now_ms - AVERAGE_MINUTES * MINUTE_MS, None, 1_000_000
        )
        volume = sum((trade.quantity for trade in trades), Decimal(0))
        if not volume:
            return self.last_price
        return sum((trade.quote for trade in trades), Decimal(0)) / volume

    def day_kline(self, now_ms: int) -> Kline | None:
        """The last 24 hours, to the minute, as one kline; None before the first trade."""
        forming = self.kline_builder.forming("1m")
        if forming is None:
            return None
        minute = now_ms // MINUTE_MS
        if self._day_kline[0] != minute:
            self._day_kline = (minute, self._closed_minutes(forming))
        day = self._day_kline[1]
        if day is None:
            return forming
        whole = flat_kline("1m", day.open_ms, day.open)
        whole.end_ms = day.open_ms + DAY_MS
        whole.merge(day)
        whole.merge(forming)
        return whole

    def _closed_minutes(self, forming: Kline) -> Kline | None:
        rows = self.kline_builder.closed["1m"][1 - MINUTES_A_DAY :]
        if not rows:
            return None
        day = flat_kline("1m", rows[0].open_ms, rows[0].open)
        for row in rows:
            day.merge(row)
        return day

    def best_prices(self, now_ms: int) -> tuple[Level, Level]:
        """Best bid and ask; zeros where that side is empty."""
        book, nothing = self.order_book(now_ms), Level(Decimal(0), Decimal(0))
        return next(iter(book.bids), nothing), next(iter(book.asks), nothing)
