"""Faults of the events of markets, while REST stays right."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

from sandbox.clock import SECOND_MS
from sandbox.data.kline_builder import ClosedKline
from sandbox.data.klines import Kline
from sandbox.data.symbols import SymbolRules
from sandbox.data.tape import TradeGroup

MAX_HELD_MS = SECOND_MS
DAY_MS = 86_400 * SECOND_MS


class HeldTrade(NamedTuple):
    """An aggregate trade that waits for its successor to go first, though not for ever."""

    group: TradeGroup
    until_ms: int


class MarketStreamFaults:
    """Events still to be dropped, doubled, swapped or falsified, counted by fault and target.

    A target is a symbol, or its klines of one interval: see `kline_target`.
    """

    def __init__(self) -> None:
        self._held: dict[str, HeldTrade] = {}
        self.clear()

    def clear(self) -> None:
        """Let nothing more go wrong; what is held back goes out with the next step."""
        self._pending: dict[tuple[str, str], int] = defaultdict(int)
        self._muted_until_ms: dict[str, int] = {}
        self._held = {symbol: HeldTrade(held.group, 0) for symbol, held in self._held.items()}

    def add_fault(self, fault: str, target: str, count: int) -> None:
        """Have a fault happen `count` more times to a target."""
        self._pending[fault, target] += count

    def mute_symbol(self, symbol: str, until_ms: int) -> None:
        self._muted_until_ms[symbol] = until_ms

    def is_muted(self, symbol: str, now_ms: int) -> bool:
        return self._muted_until_ms.get(symbol, 0) > now_ms

    def filter_trades(
        self, symbol: str, groups: Iterable[TradeGroup], now_ms: int
    ) -> Iterator[TradeGroup]:
        """The aggregate trades that are sent, in their order, of those of a symbol."""
        for group in groups:
            if self._consume("skip_ids", symbol):
                continue
            held = self._held.pop(symbol, None)
            if held is None and self._consume("reorder", symbol):
                self._held[symbol] = HeldTrade(group, now_ms + MAX_HELD_MS)
                continue
            yield _absurd(group) if self._consume("hostile_values", symbol) else group
            if self._consume("duplicate", symbol):
                yield group
            if held:
                yield held.group

    def pop_overdue(self, now_ms: int) -> list[tuple[str, TradeGroup]]:
        """Symbols and aggregate trades that have waited for a successor for too long."""
        if not self._held:
            return []
        late = [symbol for symbol, held in self._held.items() if held.until_ms <= now_ms]
        groups = [(symbol, self._held.pop(symbol).group) for symbol in late]
        return [(symbol, group) for symbol, group in groups if not self.is_muted(symbol, now_ms)]

    def filter_closed_kline(self, rules: SymbolRules, closed: ClosedKline) -> list[Kline]:
        """The kline as often as it is sent once it has closed."""
        if not self._pending:
            return [closed.kline]
        targets = (rules.symbol, kline_target(rules.symbol, closed.interval))
        if self._consume("missing_final", *targets):
            return []
        kline = closed.kline
        if self._consume("wrong_klines", *targets):
            kline = replace(
                kline,
                close=kline.close + rules.price_step,
                volume=kline.volume + rules.quantity_step,
            )
        return [kline, kline] if self._consume("double_final", *targets) else [kline]

    def _consume(self, fault: str, *targets: str) -> bool:
        """True where the fault happens to one of the targets now; then it happens once less."""
        for target in targets if self._pending else ():
            if (fault, target) in self._pending:
                self._pending[fault, target] -= 1
                if not self._pending[fault, target]:
                    del self._pending[fault, target]
                return True
        return False

    def pending(self) -> dict[str, dict[str, int]]:
        """The number of times that each fault is still to happen, by target."""
        found: dict[str, dict[str, int]] = defaultdict(dict)
        for (fault, target), count in self._pending.items():
            found[fault][target] = count
        return found


def _absurd(group: TradeGroup) -> TradeGroup:
    """An aggregate trade with one value that cannot be; the trades in it stay as they are."""
    agg = group.agg
    changes: list[dict[str, Any]] = [
        {"price": Decimal(0)},
        {"quantity": -agg.quantity},
        {"time_ms": agg.time_ms + DAY_MS},
        {"last_id": agg.first_id - 1},
    ]
    return TradeGroup(agg._replace(**changes[agg.agg_id % len(changes)]), group.trades)


def kline_target(symbol: str, interval: str | None) -> str:
    """The target of a fault of closed klines: all of a symbol's, or those of one interval."""
    return f"{symbol}@{interval}" if interval else symbol
