"""Limits of entries beyond their own series: the halt, the hour, the day, the balance."""

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
from orders.core.risk import Intent, Limits, RiskContext, notional_of, quantity_of
from orders.models import HaltLevel

ALL_STRATEGIES = ""  # stands for all of them together


@dataclass(slots=True)
class EntryLimits:
    """The limits and what counts against them. `drawdowns` are by strategy ("" for all) and
    quote asset.

    `free_balances` is what the account has to spend, less what entries under way will take; an
    asset that is not named there is not known. `account_positions` is what it has of the base
    assets that MAX_POSITION bounds, with what entries under way bring.
    """

    limits: Limits = field(default_factory=Limits)
    halted: bool = False
    entries: Counter[str] = field(default_factory=Counter)
    drawdowns: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    free_balances: dict[str, Decimal] = field(default_factory=dict)
    account_positions: dict[str, Decimal] = field(default_factory=dict)

    def drawdown(self, strategy: str, quote_asset: str) -> Decimal:
        return self.drawdowns.get((strategy, quote_asset), ZERO)

    def count_entry(self, intent: Intent, context: RiskContext) -> None:
        """Count an entry that passed: the next one is checked against it too."""
        self.entries[intent.strategy] += 1
        quote = context.quote_asset
        if quote in self.free_balances:
            self.add_cash(quote, notional_of(intent, context).copy_negate())
        if context.base_asset in self.account_positions:
            self.add_base(context.base_asset, quantity_of(intent, context))

    def add_cash(self, quote_asset: str, amount: Decimal) -> None:
        free = self.free_balances.get(quote_asset, ZERO)
        self.free_balances[quote_asset] = EXACT.add(free, amount)

    def add_base(self, base_asset: str, amount: Decimal) -> None:
        has = self.account_positions.get(base_asset, ZERO)
        self.account_positions[base_asset] = EXACT.add(has, amount)


def configured_limits() -> Limits:
    """The limits of the settings."""
    return Limits(
        entries_per_hour=settings.MAX_ENTRIES_PER_HOUR,
        daily_loss=settings.MAX_DAILY_LOSS,
        price_move=settings.MAX_PRICE_MOVE,
    )


def read_entry_limits(
    intents: Collection[Intent],
    symbols: Collection[Symbol],
    bounded: Collection[str],
    now: datetime,
) -> EntryLimits:
    """The limits of those intents that are entries; exits need none of it.

    `bounded` are the base assets of which the account may have only so much.
    """
    strategies = {intent.strategy for intent in intents if intent.side is Side.BUY}
    if not strategies:
        return EntryLimits()
    found = EntryLimits(configured_limits())
    quotes = {symbol.quote_asset for symbol in symbols}
    for kind, name, *values in queries.entry_limits(strategies, quotes, found.limits, now):
        if kind == "halt":
            found.halted = name != HaltLevel.OFF
        elif kind == "entries":
            found.entries[name] = int(values[0])
        elif kind == "drawdown":
            found.drawdowns[name, values[1]] = Decimal(values[0])
        elif kind == "free_balance":
            found.add_cash(name, Decimal(values[0]))
        else:
            found.add_cash(name, _cash_moved(kind, *map(Decimal, values)))
    for kind, asset, *amounts in queries.account_positions(bounded, now) if bounded else ():
        found.add_base(asset, _base_moved(kind, *map(Decimal, amounts)))
    return found


def _cash_moved(kind: str, executed: Decimal, quantity: Decimal, price: Decimal) -> Decimal:
    """Quote asset that an order moves and that the balance may not know of yet.

    An entry under way will take what it was meant to, or what it has taken by now if that is
    more; of one that ended, what was executed counts. A sale brings what it has brought.
    """
    if kind == "sold":
        return executed
    if kind == "bought":
        return -executed
    return -max(executed, EXACT.multiply(quantity, price))


def _base_moved(kind: str, amount: Decimal, executed: Decimal) -> Decimal:
    """Base asset that a free balance or an order adds to what counts for MAX_POSITION.

    A BUY under way counts whole, perhaps twice for a moment; a resting stop has locked what it
    is still to sell.
    """
    if kind == "locked":
        return EXACT.subtract(amount, executed)
    return {"bought": executed, "sold": -executed}.get(kind, amount)
