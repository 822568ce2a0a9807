"""The law of exits and protective stops: whatever happens, and in whatever order, no more is sold
than was bought, and what is decided to be sold is sold in the end."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from market.models import Symbol
from market.ticks import Side
from orders.core.stops import hit
from orders.models import Order, Position
from orders.services import (
    ANSWER_DUE,
    cancel_misfit_stops,
    create_orders,
    open_stops,
    reconcile_account,
    resolve_order,
    send_orders,
    set_halt,
)
from orders.venue.exchange import Busy, OutcomeUnknown, Refused
from strategies.services import finish_exits, open_protective_stops, stop_out
from tests.builders import NOON, NOON_MS, intent, strategy, symbol, tick
from tests.fakes import FakeExchange
from tests.laws import examples

pytestmark = pytest.mark.django_db
GRANTED = Decimal(10)
LOST = OutcomeUnknown("timed out")
BUSY, REFUSED = Busy(1, "limits"), Refused(-2010, "no")


class World:
    """Strategy A, its exchange, and a clock that moves on by a second with every step."""

    def __init__(self) -> None:
        self.exchange = FakeExchange()
        self.seconds = 0
        self.btc: Symbol = symbol()
        strategy()
        reconcile_account(self.exchange, self.now)

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)

    def order(self, side: Side, *, send: bool = False) -> None:
        until_ms = NOON_MS + (self.seconds + 60) * 1000
        name = f"law-{self.seconds}"
        wish = intent(self.btc, side, client_order_id=name, expires_ms=until_ms)
        create_orders([wish], [self.btc], self.exchange, now=self.now(), send=send)

    def buy(self) -> None:
        self.order(Side.BUY)
        self.send()

    def sell(self) -> None:
        self.order(Side.SELL)
        self.send()

    def tick(self) -> None:
        """A tick hits all stops."""
        stop_out(
            hit(open_stops(), [tick("53999", time_ms=NOON_MS + 10**9)]), self.now(), self.exchange
        )
        self.send()

    def tick_unsent(self) -> None:
        """The same, by a process that dies at once."""
        stop_out(
            hit(open_stops(), [tick("53999", time_ms=NOON_MS + 10**9)]), self.now(), self.exchange
        )

    def send(self) -> None:
        send_orders(Order.objects.unsent().ids(), self.exchange, self.now)

    def sweep(self) -> None:
        finish_exits(self.now(), self.exchange)
        open_protective_stops(self.now())
        cancel_misfit_stops(self.exchange, self.now)
        self.send()
        for order_id in Order.objects.unanswered(self.now() - ANSWER_DUE).ids():
            resolve_order(order_id, self.exchange, self.now)

    def account(self) -> None:
        reconcile_account(self.exchange, self.now)

    def trigger(self) -> None:
        for name in self.exchange.waiting():
            self.exchange.trigger(name)

    def trigger_in_part(self) -> None:
        for name in self.exchange.waiting():
            self.exchange.trigger(name, "0.0004")

    def wait(self) -> None:
        self.seconds += 30

    def lose_cancel(self) -> None:
        self.exchange.cancel_failures = [LOST]

    def refuse_cancel(self) -> None:
        self.exchange.cancel_failures = [Refused(-2011, "Unknown order sent."), BUSY]

    def lose_lookup(self) -> None:
        self.exchange.lookup_failures = [LOST, BUSY]

    def lose_placement(self) -> None:
        self.exchange.failures = [LOST]

    def refuse_placement(self) -> None:
        self.exchange.failures = [REFUSED]

    def busy_placement(self) -> None:
        self.exchange.failures = [BUSY]

    def thin(self) -> None:
        """The book has room for a part of what we sell."""
        self.exchange.depth = Decimal("0.0003")

    def thicken(self) -> None:
        self.exchange.depth = None

    def suspend(self) -> None:
        Symbol.objects.update(status="BREAK")
        self.btc.refresh_from_db()

    def resume(self) -> None:
        Symbol.objects.update(status="TRADING")
        self.btc.refresh_from_db()

    def flatten(self) -> None:
        set_halt("flatten", None, "", self.now())

    def end_halt(self) -> None:
        set_halt("off", None, "", self.now())

    def hide(self) -> None:
        """Lookups lag behind: what was placed last is not known yet."""
        self.exchange.unlisted = set(list(self.exchange.reports)[-1:])

    def show(self) -> None:
        self.exchange.unlisted = set()


STEPS: list[Callable[[World], None]] = [
    World.buy, World.sell, World.tick, World.tick_unsent, World.sweep, World.account, World.trigger,
    World.trigger_in_part, World.wait, World.lose_cancel, World.refuse_cancel, World.lose_lookup,
    World.lose_placement, World.refuse_placement, World.busy_placement, World.hide, World.show,
    World.thin, World.thicken, World.suspend, World.resume, World.flatten, World.end_halt,
]  # fmt: skip


@pytest.mark.thorough
@settings(max_examples=examples(25))
@given(st.lists(st.sampled_from(STEPS), min_size=5, max_size=20))
def test_no_more_is_sold_than_was_bought(steps: list[Callable[[World], None]]) -> None:
    with override_settings(PROTECTIVE_STOPS=True), transaction.atomic():
        world = World()
        world.buy()
        world.sweep()
        for take in steps:
            world.seconds += 1
            take(world)
            assert world.exchange.held["BTC"] >= GRANTED
        calm(world)
        held = sum(Position.objects.values_list("quantity", flat=True), Decimal(0))
        assert world.exchange.held["BTC"] == GRANTED + held
        transaction.set_rollback(True)


def calm(world: World) -> None:
    """Nothing goes wrong any more: what was under way ends, and what is held is guarded."""
    world.exchange.cancel_failures, world.exchange.lookup_failures = [], []
    world.exchange.failures, world.exchange.unlisted = [], set()
    world.thicken()
    world.resume()
    world.end_halt()
    for name in world.exchange.waiting():
        if world.exchange.reports[name].executed_quantity:
            world.exchange.trigger(name)
    for _ in range(5):
        world.seconds += 61
        world.account()
        world.sweep()
    assert not Position.objects.exiting().exists()  # what was decided to be sold is sold
    waiting = [one.client_order_id for one in Order.objects.filter(kind="STOP_LOSS", status="NEW")]
    assert world.exchange.waiting() == waiting
    assert len(waiting) == Position.objects.filter(status="open").count()
