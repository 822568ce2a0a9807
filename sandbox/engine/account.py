"""Balances of the one account, free and locked, exact to the last decimal."""

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from sandbox.data.symbols import QUOTE_VALUES_USDT, Listing
from sandbox.errors import order_rejected

ZERO = Decimal(0)
INITIAL_USDT = Decimal(1_000_000)
INITIAL_BTC = Decimal(100)
INITIAL_VALUE_USDT = 250_000  # of every other asset, rounded to one digit


def insufficient_balance() -> Exception:
    return order_rejected("Account has insufficient balance for requested action.")


@dataclass(slots=True)
class Balance:
    """The free and the locked amount of one asset."""

    free: Decimal = ZERO
    locked: Decimal = ZERO


class BalanceRecord(NamedTuple):
    """A balance as it was from a time on."""

    time_ms: int
    free: Decimal
    locked: Decimal


@dataclass(slots=True)
class Account:
    """Balances by asset. Nothing here ever goes below zero: `lock` and `debit` refuse first."""

    balances: dict[str, Balance] = field(default_factory=lambda: defaultdict(Balance))
    history: dict[str, list[BalanceRecord]] = field(default_factory=lambda: defaultdict(list))
    touched: dict[str, None] = field(default_factory=dict)  # since last recorded, in order

    def credit(self, asset: str, amount: Decimal) -> None:
        self._touch(asset).free += amount

    def debit(self, asset: str, amount: Decimal) -> None:
        """Take from the free amount; raises -2010 where there is too little."""
        balance = self._touch(asset)
        if balance.free < amount:
            raise insufficient_balance()
        balance.free -= amount

    def lock(self, asset: str, amount: Decimal) -> None:
        """Move free to locked, or back where `amount` is below zero; raises -2010."""
        self.debit(asset, amount)
        self.balances[asset].locked += amount

    def spend_locked(self, asset: str, amount: Decimal) -> None:
        """Take from the locked amount."""
        self._touch(asset).locked -= amount

    def _touch(self, asset: str) -> Balance:
        self.touched[asset] = None
        return self.balances[asset]

    def record_balances(self, now_ms: int) -> dict[str, tuple[Decimal, Decimal]]:
        """Keep the balances after an action; returns free and locked of those it touched."""
        changed = {asset: self.balances[asset] for asset in self.touched}
        for asset, balance in changed.items():
            self.history[asset].append(BalanceRecord(now_ms, balance.free, balance.locked))
        self.touched.clear()
        return {asset: (balance.free, balance.locked) for asset, balance in changed.items()}

    def balances_at(self, time_ms: int) -> dict[str, Balance]:
        """The balances as they were then; an asset is absent before it was first granted."""
        found = {}
        for asset, records in self.history.items():
            known = bisect_right(records, time_ms, key=lambda record: record.time_ms)
            if known:
                found[asset] = Balance(records[known - 1].free, records[known - 1].locked)
        return found


def initial_balances(listings: list[Listing]) -> dict[str, Decimal]:
    """Balances that the account begins with: some of every listed asset."""
    amounts = {"USDT": INITIAL_USDT, "BTC": INITIAL_BTC}
    for listing in listings:
        rules = listing.rules
        value = listing.price * QUOTE_VALUES_USDT[rules.quote]
        for asset, price in ((rules.base, value), (rules.quote, QUOTE_VALUES_USDT[rules.quote])):
            amounts.setdefault(asset, Decimal(int(float(f"{INITIAL_VALUE_USDT / price:.0e}")) or 1))
    return amounts
