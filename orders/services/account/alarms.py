"""Alarms: what a person should know of a symbol, noted, raised, settled, accepted."""

from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q

from foundation.decimals import EXACT, plain
from market.models import GONE, TRADING, Symbol
from orders.events import alarm_changed
from orders.models import Alarm, AlarmKind, Epoch, Order, Position

RAISED_AFTER = timedelta(seconds=90)  # fills under way explain what lasts less
logger = structlog.get_logger(__name__)


def raised_alarms() -> list[Alarm]:
    """The alarms that stand, oldest first."""
    return list(Alarm.objects.raised().select_related("symbol").order_by("since", "pk"))


@transaction.atomic
def record_difference(symbol: Symbol, has: Decimal, expected: Decimal, now: datetime) -> None:
    """Record a difference in the base asset, and raise an alarm once it has lasted."""
    alarm, _ = Alarm.objects.select_for_update(of=("self",)).get_or_create(
        symbol=symbol, kind=AlarmKind.DIFFERENCE, settled_at=None, defaults={"since": now}
    )
    asset = symbol.base_asset
    text = f"account balance {plain(has)} {asset}, expected {plain(expected)}"
    alarm.text, alarm.difference = text, EXACT.subtract(has, expected)
    if alarm.raised_at is None and now - alarm.since >= RAISED_AFTER:
        alarm.raised_at = now
        logger.error("alarm.raised", symbol=symbol.name, text=text)
        alarm_changed.announce([alarm])
    alarm.save(update_fields=["text", "difference", "raised_at"])


def settle_difference(symbol: Symbol, now: datetime) -> None:
    """Account and books agree: end the alarm, or forget a difference that never was one."""
    settle_alarm(symbol, AlarmKind.DIFFERENCE, now)


@transaction.atomic
def raise_alarm(symbol: Symbol, kind: AlarmKind, text: str, now: datetime) -> None:
    """Raise an alarm at once; one that stands already says from now on what this says."""
    alarm, created = Alarm.objects.select_for_update(of=("self",)).get_or_create(
        symbol=symbol, kind=kind, settled_at=None,
        defaults={"since": now, "raised_at": now, "text": text},
    )  # fmt: skip
    if not created and alarm.text == text:
        return
    alarm.text = text
    alarm.save(update_fields=["text"])
    logger.error("alarm.raised", symbol=symbol.name, text=text)
    alarm_changed.announce([alarm])


@transaction.atomic
def settle_alarm(symbol: Symbol, kind: AlarmKind, now: datetime) -> None:
    """End the alarm where one stands, or forget one that was never raised."""
    alarms = Alarm.objects.select_for_update(of=("self",)).select_related("symbol")
    alarm = alarms.unsettled().of(symbol, kind).first()
    if alarm is None:
        return
    if alarm.raised_at is None:
        alarm.delete()
        return
    alarm.settled_at = now
    alarm.save(update_fields=["settled_at"])
    logger.info("alarm.settled", symbol=symbol.name, kind=kind)
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
    raised = list(alarms.raised().differences().order_by("pk"))
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


def names_not_trading() -> list[str]:
    """Symbols that are held and not trading."""
    held = Position.objects.open().exclude(symbol__status=TRADING)
    return sorted(set(held.values_list("symbol__name", flat=True)))


def check_trading(now: datetime) -> None:
    """Raise an alarm for each symbol that is held or followed and not to be traded; settle those
    that are over. One that is followed alone and may trade again raises none.
    """
    held = set(Position.objects.open().values_list("symbol", flat=True))
    followed_or_held = Symbol.objects.filter(Q(followed=True) | Q(pk__in=held))
    raised = []
    for symbol in followed_or_held.exclude(status=TRADING):
        if text := _not_trading(symbol, symbol.pk in held):
            raise_alarm(symbol, AlarmKind.NOT_TRADING, text, now)
            raised.append(symbol.pk)
    standing = Alarm.objects.unsettled().filter(kind=AlarmKind.NOT_TRADING)
    for alarm in standing.exclude(symbol__in=raised).select_related("symbol"):
        settle_alarm(alarm.symbol, AlarmKind.NOT_TRADING, now)


def _not_trading(symbol: Symbol, is_held: bool) -> str:
    """Text for a person about a symbol that is not trading; none where nothing is at stake."""
    if symbol.status == GONE:
        remedy = "write its open position off" if is_held else "follow it no longer"
        return f"the exchange no longer lists it: {remedy}"
    if is_held:
        return f"a position is open, and the symbol is in {symbol.status}: nothing can be sold"
    return ""


def settle_known_statuses(now: datetime) -> None:
    """Settle alarms of unknown order statuses where every order of the symbol is known again."""
    standing = Alarm.objects.unsettled().filter(kind=AlarmKind.ORDER_STATUS)
    for alarm in standing.select_related("symbol"):
        in_doubt = Order.objects.filter(symbol=alarm.symbol).live().not_resting()
        if not in_doubt.filter(submitted_at__lt=alarm.since).exists():
            settle_alarm(alarm.symbol, AlarmKind.ORDER_STATUS, now)
