"""Commissions of fills. Source: protocol D.7."""

from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal

from sandbox.engine.account import Account

COMMISSION_STEP = Decimal("0.00000001")  # commissions are floored to it


class Fees:
    """A rate of what is received, paid in it or, while that lasts, in an asset of one's choice.

    `value_of` gives the value of one unit of an asset now, in a currency that all share.
    """

    def __init__(
        self,
        rate: Decimal,
        asset: str | None = None,
        value_of: Callable[[str], Decimal] | None = None,
    ) -> None:
        self.rate = rate
        self.asset = asset
        self._value_of = value_of

    def charge_commission(
        self, account: Account, received: str, amount: Decimal
    ) -> tuple[Decimal, str]:
        """Take the commission on an amount just received; returns it and its asset."""
        commission, asset = (amount * self.rate).quantize(COMMISSION_STEP, ROUND_DOWN), received
        if self.asset and self._value_of:
            value = commission * self._value_of(received)
            instead = (value / self._value_of(self.asset)).quantize(COMMISSION_STEP, ROUND_DOWN)
            if account.balances[self.asset].free >= instead:
                commission, asset = instead, self.asset
        account.debit(asset, commission)
        return commission, asset
