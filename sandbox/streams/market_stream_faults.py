"""What the streams carry of what happened: all of it, once and in order, but for faults."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from sandbox.clock import SECOND_MS
from sandbox.data.kline_builder import ClosedKline
from sandbox.data.klines import Kline
from sandbox.data.symbols import SymbolRules
from sandbox.data.tape import TradeGroup

LONGEST_HELD_MS = SECOND_MS


class Held(NamedTuple):
    """A print that waits for its successor to go first, though not for ever."""

    printed: TradeGroup
    until_ms: int


class Outgoing:
    """Counts what is still to go wrong, by fault and symbol (for klines also by interval)."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self.end()

    def end(self) -> None:
        """Let nothing more go wrong; what is held back goes out with the next beat."""
        self._left: dict[tuple[str, str], int] = defaultdict(int)
        self._muted_until_ms: dict[str, int] = {}
        self._held = {symbol: Held(held.printed, 0) for symbol, held in self._held.items()}

    def befall(self, fault: str, name: str, count: int) -> None:
        """Have a fault happen `count` more times to a symbol, or to its klines of an interval."""
        self._left[fault, name] += count

    def mute(self, symbol: str, until_ms: int) -> None:
        self._muted_until_ms[symbol] = until_ms

    def is_mute(self, symbol: str, now_ms: int) -> bool:
        return self._muted_until_ms.get(symbol, 0) > now_ms

    def prints(
        self, symbol: str, prints: Iterable[TradeGroup], now_ms: int
    ) -> Iterator[TradeGroup]:
        """What is sent of these prints of a symbol."""
        for printed in prints:
            if self._takes("skip_ids", symbol):
                continue
            held = self._held.pop(symbol, None)
            if held is None and self._takes("reorder", symbol):
                self._held[symbol] = Held(printed, now_ms + LONGEST_HELD_MS)
                continue
            yield printed
            if self._takes("duplicate", symbol):
                yield printed
            if held:
                yield held.printed

    def overdue(self, now_ms: int) -> list[tuple[str, TradeGroup]]:
        """Symbols and their prints that have waited for a successor for too long."""
        if not self._held:
            return []
        late = [symbol for symbol, held in self._held.items() if held.until_ms <= now_ms]
        prints = [(symbol, self._held.pop(symbol).printed) for symbol in late]
        return [(symbol, one) for symbol, one in prints if not self.is_mute(symbol, now_ms)]

    def finals(self, rules: SymbolRules, closed: ClosedKline) -> list[Kline]:
        """What is sent of a kline that has closed."""
        if not self._left:
            return [closed.kline]
        names = (rules.symbol, final_name(rules.symbol, closed.interval))
        if self._takes("missing_final", *names):
            return []
        kline = closed.kline
        if self._takes("wrong_klines", *names):
            kline = replace(
                kline,
                close=kline.close + rules.price_step,
                volume=kline.volume + rules.quantity_step,
            )
        return [kline, kline] if self._takes("double_final", *names) else [kline]

    def _takes(self, fault: str, *names: str) -> bool:
        """Whether the fault happens now; then it happens once less."""
        for name in names if self._left else ():
            if (fault, name) in self._left:
                self._left[fault, name] -= 1
                if not self._left[fault, name]:
                    del self._left[fault, name]
                return True
        return False

    def waiting(self) -> dict[str, dict[str, int]]:
        """How often each fault is still to happen, by what it happens to."""
        found: dict[str, dict[str, int]] = defaultdict(dict)
        for (fault, name), left in self._left.items():
            found[fault][name] = left
        return found


def final_name(symbol: str, interval: str | None) -> str:
    """What a fault of closed klines is counted under: all of a symbol's, or of one interval."""
    return f"{symbol}@{interval}" if interval else symbol
