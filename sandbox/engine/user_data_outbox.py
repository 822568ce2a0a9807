"""Writes down what happens to orders and balances, and has user data tell it."""

from decimal import Decimal
from itertools import count

from sandbox.engine.account import Account
from sandbox.engine.orders import Fill, Order
from sandbox.engine.user_data_events import (
    Prevented,
    account_position,
    balance_update,
    execution_report,
)
from sandbox.wire import Json

EXECUTION_IDS_STEP = 3  # they rise, but are not consecutive


class Journal:
    """Events go to `outbox` in the order of F.2: reports of an action, then the balances."""

    def __init__(self, account: Account, outbox: list[Json]) -> None:
        self.account = account
        self.outbox = outbox
        self._execution_ids = count(1, EXECUTION_IDS_STEP)
        self._is_changed = False

    def note(
        self,
        order: Order,
        kind: str,
        now_ms: int,
        *,
        original_id: str = "",
        fill: Fill | None = None,
        prevented: Prevented | None = None,
    ) -> None:
        """One change of an order; `kind` is the wire's `x`."""
        order.remember(kind, now_ms)
        report = execution_report(
            order,
            kind,
            next(self._execution_ids),
            now_ms,
            original_id=original_id,
            fill=fill,
            prevented=prevented,
        )
        self.outbox.append(report)
        self._is_changed = True

    def moved(self, asset: str, delta: Decimal, now_ms: int) -> None:
        """A deposit or withdrawal."""
        self.outbox.append(balance_update(asset, delta, now_ms))
        self._is_changed = True

    def close(self, now_ms: int) -> None:
        """The end of one action; nothing where nothing happened."""
        if self._is_changed:
            self._is_changed = False
            changed = self.account.remember(now_ms)
            self.outbox.append(account_position(changed, now_ms, now_ms))
