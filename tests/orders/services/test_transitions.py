"""The life of an order: no run of answers, events, lookups and losses leads astray."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from foundation.decimals import EXACT, ZERO
from orders.core.position import Fill
from orders.core.status import ENDED, OrderStatus, may_follow
from orders.models import Order, Position, Trade
from orders.services import record, resolve_order, submit
from orders.venue.exchange import Busy, OutcomeUnknown, Refused
from tests.builders import NOON, opened, symbol
from tests.fakes import FakeExchange
from tests.laws import examples

ANSWERS: dict[str, list[Exception]] = {
    "answered": [],
    "lost": [OutcomeUnknown("timed out")],
    "busy": [Busy(1, "wait")],
    "refused": [Refused(-2010, "insufficient balance")],
}
AFTER_A_LOSS = st.sampled_from(["executed", "late", "never"])
STEPS = st.one_of(
    st.just(("send", 0)),
    st.just(("look up", 0)),
    st.just(("fail to look up", 0)),
    st.just(("carry out", 0)),
    st.just(("list", 0)),
    st.tuples(st.just("event"), st.integers(0, 4)),
    st.tuples(st.just("part"), st.integers(0, 3)),
    st.tuples(st.just("wait"), st.integers(1, 15)),
)


class Run:
    """One order of an exchange, and what was heard of it."""

    def __init__(self, answer: str, fate: str) -> None:
        self.exchange = FakeExchange(
            slices=3,
            fee="0.001",
            fails_with=ANSWERS[answer],
            executes=fate == "executed",
            late=fate == "late",
        )
        self.btc = symbol()
        self.order = opened(self.btc)
        self.name = self.order.client_order_id
        self.now = NOON
        if fate != "never":
            self.exchange.unlisted.add(self.name)

    def clock(self) -> datetime:
        return self.now

    def take(self, step: str, number: int) -> None:
        if step == "send":
            submit([self.order.pk], self.exchange, self.clock)
        elif step == "look up":
            resolve_order(self.order.pk, self.exchange, self.clock)
        elif step == "fail to look up":
            self.exchange.lookup_failures.append(OutcomeUnknown("no answer"))
            resolve_order(self.order.pk, self.exchange, self.clock)
            self.exchange.lookup_failures.clear()
        elif step == "carry out" and self.may_arrive():
            self.exchange.carry_out_late()
        elif step == "list":
            self.exchange.unlisted.clear()
        elif step == "wait":
            self.now += timedelta(seconds=number)
        elif self.name in self.exchange.reports:
            self.hear(step, number)

    def hear(self, step: str, number: int) -> None:
        events = self.exchange.events(self.name)
        report = events[min(number, len(events) - 1)]
        if step == "part":  # an answer whose fills lag behind
            whole = self.exchange.reports[self.name]
            report = replace(whole, fills=whole.fills[:number])
        record(self.order.pk, report, self.now)

    def may_arrive(self) -> bool:
        """The exchange takes nothing later than 15 s after the time that it bears."""
        sent_at = Order.objects.get().submitted_at
        late = self.exchange.late
        return bool(late and sent_at and self.now - sent_at < timedelta(seconds=15))

    def settle(self) -> None:
        """All is quiet, and a minute passes: whatever is still open is looked up."""
        self.exchange.unlisted.clear()
        self.exchange.failures.clear()
        for _ in range(3):
            self.now += timedelta(seconds=30)
            submit([self.order.pk], self.exchange, self.clock)
            resolve_order(self.order.pk, self.exchange, self.clock)


def truth(run: Run) -> dict[int, Fill]:
    report = run.exchange.reports.get(run.name)
    return {fill.trade_id: fill for fill in report.fills} if report else {}


def check(run: Run) -> None:
    trades = list(Trade.objects.all())
    fills = truth(run)
    assert len({trade.trade_id for trade in trades}) == len(trades)
    assert {trade.trade_id for trade in trades} <= fills.keys()
    history = [OrderStatus(change.status) for change in run.order.changes.all()]
    for before, after in pairwise(history):
        assert before == after or may_follow(before, after)
    assert history[-1] == Order.objects.get().status
    assert len(run.exchange.placed) - put_back(run) <= 1
    booked = [fills[trade.trade_id] for trade in trades]
    received = sum((fill.quantity - fill.commission for fill in booked), ZERO)
    paid = sum((fill.quote_quantity for fill in booked), ZERO)
    held = sum(Position.objects.values_list("quantity", flat=True), ZERO)
    gain = sum((EXACT.subtract(p.realised, p.cost) for p in Position.objects.all()), ZERO)
    assert (held, gain) == (received, -paid)


def put_back(run: Run) -> int:
    """How often the exchange was busy, and the order surely not carried out."""
    steps = [change.status for change in run.order.changes.all()]
    return list(pairwise(steps)).count(("SUBMITTED", "PENDING"))


class TestAnyLife(TestCase):
    @pytest.mark.thorough
    @settings(max_examples=examples(150))
    @given(st.sampled_from(sorted(ANSWERS)), AFTER_A_LOSS, st.lists(STEPS, max_size=12))
    def test_is_allowed_and_ends_as_the_exchange_says(
        self, answer: str, fate: str, steps: list[tuple[str, int]]
    ) -> None:
        run = Run(answer, fate)
        for step in steps:
            run.take(*step)
            check(run)
        run.settle()
        check(run)
        order, report = Order.objects.get(), run.exchange.reports.get(run.name)
        assert order.status in ENDED
        if report is not None:
            assert order.status == report.status
            assert order.executed_quantity == report.executed_quantity
            assert Trade.objects.count() == len(report.fills)
        else:
            assert order.status in {OrderStatus.EXPIRED_UNSENT, OrderStatus.REJECTED}
            assert not Trade.objects.exists()
