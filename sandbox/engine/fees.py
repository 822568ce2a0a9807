"""What the exchange keeps of every fill. Source: protocol D.7."""

from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal

from sandbox.engine.account import Account

CENT = Decimal("0.00000001")  # the smallest part of any asset; commissions are floored to it


class Fees:
    """A rate of what is received, paid in it or, while that lasts, in an asset of one's choice.

    `worth` is what one unit of an asset is worth now, in a currency all assets share.
    """

    def __init__(
        self, rate: Decimal, asset: str | None = None, worth: Callable[[str], Decimal] | None = None
    ) -> None:
        self.rate = rate
        self.asset = asset
        self._worth = worth

    def charge(self, account: Account, received: str, amount: Decimal) -> tuple[Decimal, str]:
        """Take the commission for what the account has just received; returns it and its asset."""
        commission, asset = (amount * self.rate).quantize(CENT, ROUND_DOWN), received
        if self.asset and self._worth:
            worth = commission * self._worth(received)
            instead = (worth / self._worth(self.asset)).quantize(CENT, ROUND_DOWN)
            if account.balances[self.asset].free >= instead:
                commission, asset = instead, self.asset
        account.take(asset, commission)
        return commission, asset
