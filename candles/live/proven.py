"""One symbol's candles from live ticks, closed by evidence about their very span alone."""

from collections.abc import Mapping, Sequence

import structlog

from candles.live.evidence import CountedKlines, Evidence
from candles.live.folded import NOTHING, Folded
from candles.live.state import SymbolState
from candles.ohlcv import OHLCV
from candles.rollup import SymbolCandles
from market.ticks import Tick
from market.wire.frames import KlineEvent

logger = structlog.get_logger(__name__)

MAX_UNPROVEN_MS = 15 * 60 * 1000  # a longer time is not proven candle by candle


class ProvenCandles:
    """One symbol's candles of all intervals, and the evidence that closes them.

    The ticks come in sequence: of missing ids `candles.live.feed` takes care. What the exchange
    says is noted before the candles have begun, too.
    """

    def __init__(
        self, symbol: str, intervals: Sequence[str], state: SymbolState | None = None
    ) -> None:
        self.symbol = symbol
        self.intervals = list(intervals)
        self.evidence = Evidence()
        self._candles: SymbolCandles | None = None
        self._last_trade_id: int | None = None
        if state is not None:
            self.begin(state.base, state.parts, state.last_time_ms)

    @property
    def have_begun(self) -> bool:
        return self._candles is not None

    @property
    def forming(self) -> OHLCV | None:
        """The open base candle; None before the first tick or price."""
        return self._candles.builder.forming if self._candles else None

    @property
    def parts(self) -> dict[str, OHLCV]:
        """Longer candles that are open, as far as base candles of them have closed."""
        return self._candles.parts if self._candles else {}

    def begin(self, base: OHLCV | None, parts: Mapping[str, OHLCV], newest_ms: int = 0) -> None:
        """Go on from candles that are open."""
        known = self.evidence.klines
        self._candles = SymbolCandles(self.intervals, base, parts, newest_ms, known)

    def clear(self) -> None:
        """Forget all."""
        self._candles = self._last_trade_id = None
        self.evidence.clear()

    def fold(self, ticks: list[Tick]) -> Folded:
        """Fold ticks up to one beyond an empty interval that may not exist."""
        if self._candles is None:
            return NOTHING
        closed = self._candles.fold(ticks)
        stopped_at = self._candles.builder.unproven_at
        if stopped_at is not None:
            ticks = ticks[:stopped_at]
        if not ticks:
            return Folded(closed)
        self.evidence.doubted_ms = 0
        self._last_trade_id = ticks[-1].last_trade_id
        late, self._candles.late = self._candles.late, []
        folded = Folded(closed, ticks, late)
        if self.evidence.missing is None:
            return folded
        return folded.merge(self._close_if_complete())

    def _close_if_complete(self) -> Folded:
        """Close the candle that waited once it has all trades, or forget that it waited."""
        forming, missing = self.forming, self.evidence.missing
        if forming is None or missing is None or forming.open_ms != missing.open_ms:
            self.evidence.missing = None
        elif forming.trades == missing.trades:
            return self.close(forming.end_ms)
        return NOTHING

    def note_event(self, kline: KlineEvent) -> None:
        """Note that the exchange has a kline there, maybe with trades that we don't have yet."""
        self.evidence.note_event(kline.open_ms, self.forming)
        if kline.last_trade_id > (self._last_trade_id or kline.last_trade_id):
            self.evidence.doubted_ms = self.evidence.doubted_ms or kline.event_ms

    def note_answer(self, klines: CountedKlines) -> None:
        """Note which klines REST has."""
        if self.forming is not None:
            self.evidence.note_answer(klines, self.forming)

    def is_out_of_reach(self, klines: CountedKlines) -> bool:
        """True where so long a time lies behind the open candle that klines have to stand for it.

        Trading was suspended, or neither stream nor REST could be had.
        """
        if not klines or self.forming is None:
            return False
        return klines[-1][0] - self.forming.end_ms > MAX_UNPROVEN_MS

    def close_counted(self, open_ms: int, trades: int) -> Folded:
        """Close the open candle where it has as many trades as the exchange counts."""
        forming = self.forming
        if forming is None or forming.open_ms != open_ms:
            return NOTHING
        if forming.trades == trades:
            return self.close(forming.end_ms)
        self.evidence.miss_trades(open_ms, trades)
        return NOTHING

    def close_proven(self, klines: CountedKlines) -> Folded:
        """Close what REST counts as many trades of as we have, and skip what it has no kline of."""
        if self._candles is None or not klines:
            return NOTHING
        counted, folded = dict(klines[:-1]), NOTHING
        while (forming := self.forming) is not None:
            folded = folded.merge(Folded(self._candles.skip_absent()))
            open_ms = self.forming.open_ms if self.forming else 0
            if open_ms in counted:
                folded = folded.merge(self.close_counted(open_ms, counted[open_ms]))
            if self.forming is forming:
                break
        return folded

    def close_given_up(self, now_ms: int) -> Folded | None:
        """Close a candle that has waited for trades for too long without them; None if none has."""
        forming = self.forming
        if forming is None or not self.evidence.is_given_up(forming, now_ms):
            return None
        logger.error("trades.missing", symbol=self.symbol, candle=forming.open_ms)
        return self.close(forming.end_ms)

    def close(self, until_ms: int) -> Folded:
        """Close all that has ended by `until_ms`."""
        if self._candles is None:
            return NOTHING
        self.evidence.missing = None
        return Folded(self._candles.advance(until_ms))
