"""Alarms: differences between the account and our books, noted, raised, settled, accepted."""

from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from django.contrib.auth.models import User
from django.db import transaction

from foundation.decimals import EXACT, plain
from market.models import Symbol
from orders.events import alarm_changed
from orders.models import Alarm, Epoch

RAISED_AFTER = timedelta(seconds=90)  # fills under way explain what lasts less
logger = structlog.get_logger(__name__)


def raised_alarms() -> list[Alarm]:
    """The alarms that stand, oldest first."""
    return list(Alarm.objects.raised().select_related("symbol").order_by("since", "pk"))


@transaction.atomic
def record_difference(symbol: Symbol, has: Decimal, expected: Decimal, now: datetime) -> None:
    """Record a difference in the base asset, and raise an alarm once it has lasted."""
    alarm, _ = Alarm.objects.select_for_update(of=("self",)).get_or_create(
        symbol=symbol, settled_at=None, defaults={"since": now}
    )
    asset = symbol.base_asset
    text = f"account balance {plain(has)} {asset}, expected {plain(expected)}"
    alarm.text, alarm.difference = text, EXACT.subtract(has, expected)
    if alarm.raised_at is None and now - alarm.since >= RAISED_AFTER:
        alarm.raised_at = now
        logger.error("alarm.raised", symbol=symbol.name, text=text)
        alarm_changed.announce([alarm])
    alarm.save(update_fields=["text", "difference", "raised_at"])


@transaction.atomic
def settle_difference(symbol: Symbol, now: datetime) -> None:
    """Account and books agree: end the alarm, or forget a difference that never was one."""
    alarms = Alarm.objects.select_for_update(of=("self",)).select_related("symbol")
    alarm = alarms.unsettled().filter(symbol=symbol).first()
    if alarm is None:
        return
    if alarm.raised_at is None:
        alarm.delete()
        return
    alarm.settled_at = now
    alarm.save(update_fields=["settled_at"])
    logger.info("alarm.settled", symbol=symbol.name)
    alarm_changed.announce([alarm])


@transaction.atomic
def accept_alarm(alarm_id: int, difference: Decimal, by: User, now: datetime) -> list[Alarm]:
    """Take the account's word: the `difference` that an alarm shows is no mistake, but a deposit.

    From now on the epoch's beginning counts it in. With the alarm settle those of other symbols
    in the same asset, which say the same; the answer is all that were settled. None are where the
    alarm no longer stands, or shows another difference by now. What the account has moved since
    it was read, the next reconciliation finds.
    """
    epoch = Epoch.objects.select_for_update().first()
    alarms = Alarm.objects.select_for_update(of=("self",)).select_related("symbol")
    raised = list(alarms.raised().order_by("pk"))
    alarm = next((one for one in raised if one.pk == alarm_id), None)
    if epoch is None or alarm is None or alarm.difference != difference:
        return []
    asset = alarm.symbol.base_asset
    start = EXACT.add(Decimal(epoch.balances.get(asset, "0")), difference)
    epoch.balances[asset] = plain(start)
    epoch.save(update_fields=["balances"])
    settled = [one for one in raised if one.symbol.base_asset == asset]
    for one in settled:
        one.settled_at, one.accepted_by = now, by
        one.save(update_fields=["settled_at", "accepted_by"])
        logger.warning("alarm.accepted", symbol=one.symbol.name, text=one.text, by=by.username)
    alarm_changed.announce(settled)
    return settled
