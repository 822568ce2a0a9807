"""Evidence about a symbol's open candle: what the exchange has said about that very span.

Ids that join across a span prove that nothing was traded there, an event or a kline of a base
interval that the exchange has a candle of it, and the trades that it counts that ours is complete.
An event of a later interval proves nothing. Where the stream leaves evidence out, REST is asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from candles.ohlcv import OHLCV

# How long a candle stays open for trades that the exchange's kline counts and nobody sends.
MAX_TRADES_WAIT_MS = 10_000
# A tick beyond an empty interval waits for the kline event that may be right behind it.
MAX_EVENT_DELAY_MS = 500
MAX_KLINES = 2_000  # open times of one symbol that are remembered
POLL_EVERY_MS = 2_000
MAX_PAUSE_MS = 30_000
CountedKlines = Sequence[tuple[int, int]]  # open times in ms, ascending, and trades


@dataclass(slots=True)
class ProofPace:
    """Pace at which one symbol's proof is asked for; ever slower where nothing is new."""

    next_ms: int = 0
    fruitless: int = 0

    def is_due(self, now_ms: int) -> bool:
        return now_ms >= self.next_ms

    def asked(self, now_ms: int, pause_ms: int) -> None:
        """Asked for now; `pause_ms` is the pause that many symbols leave each."""
        backed_off_ms = min(POLL_EVERY_MS << min(self.fruitless, 8), MAX_PAUSE_MS)
        self.next_ms = now_ms + max(pause_ms, backed_off_ms)

    def answered(self, *, anything_new: bool) -> None:
        if anything_new and self.fruitless:
            self.next_ms = 0
        self.fruitless = 0 if anything_new else self.fruitless + 1


class MissingTrades(msgspec.Struct):
    """Trades of the open base candle that the exchange's own kline counts and we don't have.

    Once REST has been asked in vain the candle waits until `until_ms`, by the exchange's clock.
    """

    open_ms: int
    trades: int
    asked_in_vain: bool = False
    until_ms: int = 0


@dataclass(slots=True)
class Evidence:
    """Statements of the exchange about one symbol's open candle and the time behind it.

    `klines` is as in `candles.ohlcv.CandleBuilder`. `doubted_ms` is since when a tick waits, or
    is missing by the count of a kline event; 0 where none does.
    """

    klines: dict[int, bool] = field(default_factory=dict)
    missing: MissingTrades | None = None
    doubted_ms: int = 0
    pace: ProofPace = field(default_factory=ProofPace)

    def clear(self) -> None:
        self.klines.clear()
        self.missing, self.doubted_ms = None, 0

    def note_event(self, open_ms: int, forming: OHLCV | None) -> None:
        """Note that the exchange has a kline there; of a time before `forming` nothing is asked."""
        if forming is None or open_ms >= forming.open_ms:
            if len(self.klines) >= MAX_KLINES:
                self.klines.clear()  # REST tells
            self.klines[open_ms] = True

    def note_answer(self, klines: CountedKlines, forming: OHLCV) -> None:
        """Note which base klines the exchange has, up to the last, which may still be open."""
        there = {open_ms for open_ms, _ in klines}
        until_ms = klines[-1][0] + forming.interval_ms if klines else 0
        for open_ms in range(forming.open_ms, until_ms, forming.interval_ms):
            self.klines[open_ms] = open_ms in there or self.klines.get(open_ms, False)

    def miss_trades(self, open_ms: int, trades: int) -> None:
        """The exchange counts so many trades of the open candle, and we have another number."""
        if self.missing is None or self.missing.open_ms != open_ms:
            self.missing = MissingTrades(open_ms, trades)
        self.missing.trades = trades

    def note_asked(self, counted: Mapping[int, int]) -> None:
        """REST has counted, and its ticks didn't make up the difference."""
        if self.missing is not None and self.missing.open_ms in counted:
            self.missing.asked_in_vain = True

    def is_given_up(self, forming: OHLCV, now_ms: int) -> bool:
        """True where the open candle has waited for missing trades for too long."""
        missing = self.missing
        if missing is None or not missing.asked_in_vain or missing.open_ms != forming.open_ms:
            return False
        missing.until_ms = missing.until_ms or now_ms + MAX_TRADES_WAIT_MS
        return now_ms >= missing.until_ms

    def is_lacking(self, forming: OHLCV, now_ms: int, *, unproven: bool) -> bool:
        """True where REST has to be asked about the open candle, which ended at `now_ms` or not."""
        if self.missing is not None:
            return True
        if unproven or self.doubted_ms:
            self.doubted_ms = self.doubted_ms or now_ms
            return now_ms - self.doubted_ms >= MAX_EVENT_DELAY_MS
        return forming.end_ms <= now_ms
