"""What limits entries beyond their own series: the halt, the hour, the day, the balance."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.conf import settings

from foundation.decimals import EXACT, ZERO
from market.models import Symbol
from market.ticks import Side
from orders import queries
from orders.core.risk import Circumstances, Intent, Limits, notional_of
from orders.models import HaltLevel

ALL = ""  # stands for all strategies together


@dataclass(slots=True)
class Standing:
    """How things stand for entries. `falls` are by strategy ("" for all) and quote asset.

    `free` is what the account has to spend, less what entries under way will take; an asset
    that it doesn't name is not known.
    """

    limits: Limits = field(default_factory=Limits)
    halted: bool = False
    entries: Counter[str] = field(default_factory=Counter)
    falls: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    free: dict[str, Decimal] = field(default_factory=dict)

    def fall(self, strategy: str, quote_asset: str) -> Decimal:
        return self.falls.get((strategy, quote_asset), ZERO)

    def count(self, intent: Intent, circumstances: Circumstances) -> None:
        """Take note of an entry that passed: the next one is held against it too."""
        self.entries[intent.strategy] += 1
        quote = circumstances.quote_asset
        if quote in self.free:
            spent = notional_of(intent, circumstances)
            self.free[quote] = EXACT.subtract(self.free[quote], spent)


def limits() -> Limits:
    """Those of the settings."""
    return Limits(
        entries_per_hour=settings.MAX_ENTRIES_PER_HOUR,
        daily_loss=settings.MAX_DAILY_LOSS,
        price_move=settings.MAX_PRICE_MOVE,
    )


def standing_for(
    intents: Collection[Intent], symbols: Collection[Symbol], now: datetime
) -> Standing:
    """How things stand for those of the intents that are entries; exits need none of it."""
    strategies = {intent.strategy for intent in intents if intent.side is Side.BUY}
    if not strategies:
        return Standing()
    found = Standing(limits())
    quotes = {symbol.quote_asset for symbol in symbols}
    for kind, name, *values in queries.standing(strategies, quotes, found.limits, now):
        if kind == "halt":
            found.halted = name != HaltLevel.OFF
        elif kind == "entries":
            found.entries[name] = int(values[0])
        elif kind == "fall":
            found.falls[name, values[1]] = Decimal(values[0])
        elif kind == "free":
            found.free[name] = EXACT.add(found.free.get(name, ZERO), Decimal(values[0]))
        else:
            moved = _cash_of(kind, *map(Decimal, values))
            found.free[name] = EXACT.add(found.free.get(name, ZERO), moved)
    return found


def _cash_of(kind: str, executed: Decimal, quantity: Decimal, price: Decimal) -> Decimal:
    """What an order moves that the balance may not know of yet, in quote asset.

    An entry under way will take what it was meant to, or what it has taken by now if that is
    more; of one that ended, what was executed counts. A sale brings what it has brought.
    """
    if kind == "sold":
        return executed
    if kind == "bought":
        return -executed
    return -max(executed, EXACT.multiply(quantity, price))
