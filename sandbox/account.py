"""What the one account holds, free and locked, to the last decimal."""

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

from sandbox.symbols import QUOTES_USDT, Listing
from sandbox.wire import rejected

ZERO = Decimal(0)
FREE_USDT = Decimal(1_000_000)
FREE_BTC = Decimal(100)
GRANT_WORTH = 250_000  # USDT; of every other asset, rounded to one digit


def insufficient() -> Exception:
    return rejected("Account has insufficient balance for requested action.")


@dataclass(slots=True)
class Balance:
    free: Decimal = ZERO
    locked: Decimal = ZERO


@dataclass(slots=True)
class Account:
    """Balances by asset. Nothing here ever goes below zero: `reserve` refuses first."""

    balances: dict[str, Balance] = field(default_factory=lambda: defaultdict(Balance))

    def grant(self, asset: str, amount: Decimal) -> None:
        self.balances[asset].free += amount

    def reserve(self, asset: str, amount: Decimal) -> None:
        """Move free to locked; raises -2010 where there is too little."""
        balance = self.balances[asset]
        if balance.free < amount:
            raise insufficient()
        balance.free -= amount
        balance.locked += amount

    def release(self, asset: str, amount: Decimal) -> None:
        balance = self.balances[asset]
        balance.locked -= amount
        balance.free += amount

    def spend(self, asset: str, amount: Decimal) -> None:
        """Take what was locked away for good."""
        self.balances[asset].locked -= amount


def grants(listings: list[Listing]) -> dict[str, Decimal]:
    """What the account begins with: something of every asset that is listed."""
    amounts = {"USDT": FREE_USDT, "BTC": FREE_BTC}
    for listing in listings:
        rules = listing.rules
        worth = listing.price * QUOTES_USDT[rules.quote]
        for asset, price in ((rules.base, worth), (rules.quote, QUOTES_USDT[rules.quote])):
            amounts.setdefault(asset, Decimal(int(float(f"{GRANT_WORTH / price:.0e}")) or 1))
    return amounts
