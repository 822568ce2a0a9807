"""When an order took which step, and how long steps take."""

from datetime import timedelta
from decimal import Decimal

import pytest

from candles.events import ClosedCandle
from candles.models import Candle
from candles.ohlcv import ClosingTick
from orders.core.stops import Hit
from orders.core.timeline import Step, latency
from orders.models import Order, Position
from orders.representation import order_json
from orders.services import open_stops, submit
from orders.venue.exchange import Busy, OutcomeUnknown
from strategies.services import CandleClose, evaluate, stop_out
from tests.builders import NOON, NOON_MS, candle, opened, strategy, symbol
from tests.fakes import FakeExchange


def steps_of(order: Order) -> list[str]:
    """The steps that are known, in order of their times."""
    order.refresh_from_db()
    return sorted(order.timeline, key=lambda step: (order.timeline[step], list(Step).index(step)))


@pytest.mark.django_db
class TestAnOrder:
    def test_keeps_every_step_from_the_tick_that_closed_its_candle(self, redis: object) -> None:
        strategy()
        btc = symbol()
        rows = [candle(btc, close, minute=n) for n, close in enumerate(["10000"] * 11 + ["11000"])]
        last = Candle.objects.bulk_create(rows)[-1]
        fact = ClosedCandle(last, ClosingTick(traded_ms=NOON_MS, received_ms=NOON_MS + 3))
        [signal] = evaluate(
            [CandleClose.from_closed(fact)],
            last.open_time + timedelta(seconds=60.5),
            FakeExchange(),
        )
        assert signal.order is not None
        submit([signal.order.pk], FakeExchange(), lambda: NOON)
        assert set(steps_of(signal.order)) == set(Step)
        assert (signal.order.timeline["traded"], signal.order.timeline["received"]) == (
            NOON_MS,
            NOON_MS + 3,
        )
        ours = [step for step in steps_of(signal.order) if step not in {"traded", "filled"}]
        assert ours == [step for step in Step if step not in {"traded", "filled"}]

    def test_of_a_stop_knows_the_tick_that_hit(self) -> None:
        strategy()
        submit([opened(symbol()).pk], FakeExchange(), lambda: NOON)
        [stop] = open_stops()
        hit = Hit(stop, Decimal(53999), NOON_MS + 5, 1, received_ms=NOON_MS + 7)
        [signal] = stop_out([hit], NOON, FakeExchange())
        assert signal.order is not None
        submit([signal.order.pk], FakeExchange(), lambda: NOON)
        assert set(steps_of(signal.order)) == set(Step) - {Step.CLOSED}
        assert Position.objects.get().status == "closed"

    def test_without_an_answer_was_sent_and_not_acknowledged(self) -> None:
        order = opened(symbol())
        submit([order.pk], FakeExchange(fails_with=OutcomeUnknown("?")), lambda: NOON)
        assert steps_of(order) == ["committed", "sent"]

    def test_put_back_was_not_sent(self) -> None:
        order = opened(symbol())
        submit([order.pk], FakeExchange(fails_with=Busy(1, "later")), lambda: NOON)
        assert steps_of(order) == []

    def test_shows_its_steps_in_json(self) -> None:
        order = opened(symbol(), timeline={"received": NOON_MS})
        assert order_json(order)["timeline"] == {
            **dict.fromkeys(Step),
            "received": "2026-01-02T12:00:00.000Z",
        }


def test_percentiles_are_by_nearest_rank() -> None:
    figures = latency({"committed": 0, "sent": ms} for ms in range(1, 101))
    assert figures["sent"] == {"measured": 100, "p50": 50, "p90": 90, "p99": 99}


def test_a_step_that_nobody_measured_has_no_percentiles() -> None:
    figures = latency([{"received": 5, "sent": 12}, {}])
    assert figures["total"] == {"measured": 1, "p50": 7, "p90": 7, "p99": 7}
    assert figures["closed"] == {"measured": 0, "p50": None, "p90": None, "p99": None}
