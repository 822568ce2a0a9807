"""What the one account holds, free and locked, to the last decimal."""

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from sandbox.data.symbols import QUOTE_VALUES_USDT, Listing
from sandbox.errors import order_rejected

ZERO = Decimal(0)
FREE_USDT = Decimal(1_000_000)
FREE_BTC = Decimal(100)
GRANT_WORTH = 250_000  # USDT; of every other asset, rounded to one digit


def insufficient() -> Exception:
    return order_rejected("Account has insufficient balance for requested action.")


@dataclass(slots=True)
class Balance:
    free: Decimal = ZERO
    locked: Decimal = ZERO


class Held(NamedTuple):
    """A balance as it was from a time on."""

    time_ms: int
    free: Decimal
    locked: Decimal


@dataclass(slots=True)
class Account:
    """Balances by asset. Nothing here ever goes below zero: `reserve` and `take` refuse first."""

    balances: dict[str, Balance] = field(default_factory=lambda: defaultdict(Balance))
    history: dict[str, list[Held]] = field(default_factory=lambda: defaultdict(list))
    touched: dict[str, None] = field(default_factory=dict)  # since last remembered, in order

    def grant(self, asset: str, amount: Decimal) -> None:
        self._changing(asset).free += amount

    def take(self, asset: str, amount: Decimal) -> None:
        """Take from what is free; raises -2010 where there is too little."""
        balance = self._changing(asset)
        if balance.free < amount:
            raise insufficient()
        balance.free -= amount

    def reserve(self, asset: str, amount: Decimal) -> None:
        """Move free to locked, or back where `amount` is below zero; raises -2010."""
        self.take(asset, amount)
        self.balances[asset].locked += amount

    def spend(self, asset: str, amount: Decimal) -> None:
        """Take what was locked away for good."""
        self._changing(asset).locked -= amount

    def _changing(self, asset: str) -> Balance:
        self.touched[asset] = None
        return self.balances[asset]

    def remember(self, now_ms: int) -> dict[str, tuple[Decimal, Decimal]]:
        """Keep what an action left behind; returns free and locked of what it touched."""
        changed = {asset: self.balances[asset] for asset in self.touched}
        for asset, balance in changed.items():
            self.history[asset].append(Held(now_ms, balance.free, balance.locked))
        self.touched.clear()
        return {asset: (balance.free, balance.locked) for asset, balance in changed.items()}

    def as_of(self, time_ms: int) -> dict[str, Balance]:
        """The balances as they were then; an asset is absent before it was first granted."""
        found = {}
        for asset, held in self.history.items():
            place = bisect_right(held, time_ms, key=lambda row: row.time_ms)
            if place:
                found[asset] = Balance(held[place - 1].free, held[place - 1].locked)
        return found


def grants(listings: list[Listing]) -> dict[str, Decimal]:
    """What the account begins with: something of every asset that is listed."""
    amounts = {"USDT": FREE_USDT, "BTC": FREE_BTC}
    for listing in listings:
        rules = listing.rules
        worth = listing.price * QUOTE_VALUES_USDT[rules.quote]
        for asset, price in ((rules.base, worth), (rules.quote, QUOTE_VALUES_USDT[rules.quote])):
            amounts.setdefault(asset, Decimal(int(float(f"{GRANT_WORTH / price:.0e}")) or 1))
    return amounts
