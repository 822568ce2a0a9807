"""One symbol's public market: where its trades come from, and what they leave behind."""

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
from sandbox.engine.order_book import Book, Level

MINUTES_A_DAY = 1_440


class Moved(NamedTuple):
    """What one look at the clock brought: trades, then klines they or the time closed."""

    prints: list[TradeGroup]
    closed: list[ClosedKline]


class Market:
    """A symbol with its tape, chart and book.

    It sleeps until first asked for, so that hundreds of symbols cost nothing at the start.
    What it then tells is the same as if it had never slept.
    """

    def __init__(self, rules: SymbolRules, source: TradeSource, seed: int, max_trades: int) -> None:
        self.rules = rules
        self.source = FaultyTrades(source)
        self.trading = not isinstance(source, NoTrades)
        self.tape = Tape(max_trades)
        self.kline_builder = KlineBuilder()
        self._book = Book(rules, seed)
        self.awake = False
        self.due_ms = NEVER_MS
        self._day: tuple[int, Kline | None] = (-1, None)

    def wake(self, now_ms: int) -> None:
        if not self.awake:
            self.awake = True
            self.source.load_history(self.kline_builder)
            self.advance(now_ms)

    def advance(self, now_ms: int) -> Moved:
        """Let everything happen that is due by `now_ms`."""
        prints, closed = [], []
        for printed in self.source.pop_due(now_ms):
            self.tape.record(printed)
            prints.append(printed)
            for trade in printed.trades:
                closed += self.kline_builder.add_trade(trade)
        closed += self.kline_builder.advance(now_ms)
        self.due_ms = min(self.source.next_trade_ms, (now_ms // SECOND_MS + 1) * SECOND_MS)
        return Moved(prints, closed)

    def klines(
        self,
        interval: str,
        start_ms: int | None,
        end_ms: int | None,
        limit: int,
        horizon_ms: int | None = None,
    ) -> list[Kline]:
        """Klines by open time, as of now or of an earlier time; see `Chart.rows`."""
        if horizon_ms is None:
            return self.kline_builder.select(interval, start_ms, end_ms, limit)
        end_ms = horizon_ms if end_ms is None else min(horizon_ms, end_ms)
        rows = self.kline_builder.select(interval, start_ms, end_ms, limit)
        if rows and rows[-1].end_ms > horizon_ms:
            rows[-1] = self.kline_builder.kline_as_of(
                interval, horizon_ms, self.tape, rows[-1].open
            )
        return rows

    def book(self, now_ms: int) -> Book:
        self._book.refresh(self.tape.last_trade, now_ms)
        return self._book

    @property
    def status(self) -> str:
        return "TRADING" if self.trading else "BREAK"

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

    def day(self, now_ms: int) -> Kline | None:
        """The last 24 hours, to the minute, as one kline; None before the first trade."""
        forming = self.kline_builder.forming("1m")
        if forming is None:
            return None
        minute = now_ms // MINUTE_MS
        if self._day[0] != minute:
            self._day = (minute, self._closed_minutes(forming))
        day = self._day[1]
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

    def best(self, now_ms: int) -> tuple[Level, Level]:
        """Best bid and ask; zeros where that side is empty."""
        book, nothing = self.book(now_ms), Level(Decimal(0), Decimal(0))
        return next(iter(book.bids), nothing), next(iter(book.asks), nothing)
