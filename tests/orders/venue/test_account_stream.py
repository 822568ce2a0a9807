"""The account's own stream: read, and booked once with whatever else is heard."""

import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from foundation.times import to_ms
from market.models import Symbol
from market.rest import MarketRest
from market.stream.bounded_websocket import BoundedSocket
from market.ticks import Side
from market.wire.bounds import BadFrame
from orders.core.status import OrderStatus
from orders.events import (
    account_subscribed,
    order_changed,
    position_changed,
    trade_booked,
)
from orders.models import ForeignOrder, Order, OrderChange, Position, Trade
from orders.services import apply_executions, create_orders, resolve_order, submit
from orders.venue.account_stream import AccountStream
from orders.venue.account_subscription import AccountSubscription, StreamLost
from orders.venue.account_wire import read_execution
from orders.venue.binance import BinanceExchange
from orders.venue.exchange import Execution, ExecutionReport, ListedOrder, OutcomeUnknown
from orders.venue.signing import signed_request
from tests.builders import NOON, NOON_MS, intent, opened, symbol
from tests.fakes import FakeExchange
from tests.servers import Sandbox, eventually

pytestmark = pytest.mark.thorough  # real sockets and threads

KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
LOST = OutcomeUnknown("timed out")
# A market order's second fill, in the fields of "User Data Streams", executionReport.
REPORT: dict[str, Any] = {
    "e": "executionReport", "E": NOON_MS, "s": "BTCUSDT", "c": "test-1", "S": "BUY",
    "o": "MARKET", "f": "GTC", "q": "0.00300000", "p": "0.00000000", "P": "0.00000000",
    "F": "0.00000000", "g": -1, "C": "", "x": "TRADE", "X": "FILLED", "r": "NONE", "i": 28,
    "l": "0.00200000", "z": "0.00300000", "L": "60015.00000000", "n": "0.00000200", "N": "BTC",
    "T": NOON_MS, "t": 57, "I": 8641984, "w": False, "m": False, "M": False, "O": NOON_MS,
    "Z": "180.03000000", "Y": "120.03000000", "Q": "0.00000000", "V": "EXPIRE_MAKER", "W": NOON_MS,
}  # fmt: skip


def event(**fields: Any) -> bytes:
    return json.dumps(REPORT | fields).encode()


def announce_subscription(urls: Sequence[str]) -> None:
    account_subscribed.announce(urls)  # looked up at each call: a test replaces it


def listener(url: str, now_ms: Callable[[], int]) -> AccountStream:
    """An account stream whose executions are booked, as the stream process has them booked."""
    return AccountStream(
        url,
        KEY,
        SECRET,
        now_ms,
        apply=lambda executions: apply_executions(executions, timezone.now()),
        on_subscribed=announce_subscription,
    )


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ({}, "681110a6057ad58657af22f5640fab9dd17418834cdfccdc81be8b0f7b2cde3e"),
        ({"recvWindow": 5000}, "49601ffc5b0122c3c7ee3ea85ef7d6cd76256f5191a57c976418faa32e917653"),
    ],
)
def test_a_subscription_is_signed_sorted_and_raw(window: dict[str, int], expected: str) -> None:
    given: dict[str, str | int] = {"timestamp": 1747385641636, "apiKey": KEY, **window}
    assert signed_request(SECRET, given)["signature"] == expected


def test_what_is_not_ascii_is_signed_as_it_is() -> None:
    given: dict[str, str | int] = {
        "symbol": "\uff11\uff12\uff13\uff14\uff15\uff16", "side": "BUY", "type": "LIMIT",
        "timeInForce": "GTC", "quantity": "1.00000000", "price": "0.10000000",
        "recvWindow": 5000, "timestamp": 1645423376532, "apiKey": KEY,
    }  # fmt: skip
    expected = "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd"
    assert signed_request(SECRET, given)["signature"] == expected


class TestReading:
    def test_a_fill_is_read_with_its_order(self) -> None:
        execution = read_execution(event())
        assert execution is not None
        assert (execution.execution_id, execution.symbol) == (8641984, "BTCUSDT")
        report = execution.report
        assert (report.client_order_id, report.exchange_order_id) == ("test-1", 28)
        assert (report.status, report.executed_quantity) == ("FILLED", Decimal("0.003"))
        [fill] = report.fills
        assert (fill.trade_id, fill.side, fill.price) == (57, Side.BUY, Decimal(60015))
        assert (fill.quantity, fill.commission) == (Decimal("0.002"), Decimal("0.000002"))
        assert execution.order.quantity == Decimal("0.003")

    def test_a_step_that_fills_nothing_has_no_fill(self) -> None:
        new = read_execution(event(x="NEW", X="NEW", t=-1, l="0", L="0", n="0", N=None, z="0"))
        assert new is not None
        assert (new.report.status, new.report.fills) == ("NEW", ())

    def test_a_cancel_gives_the_order_another_name_and_we_read_the_first(self) -> None:
        gone = read_execution(event(x="CANCELED", X="CANCELED", c="their-cancel", C="test-1", t=-1))
        assert gone is not None
        assert gone.report.client_order_id == "test-1"

    def test_why_an_order_ended_is_kept(self) -> None:
        why = "EXECUTION_RULE_PRICE_RANGE_EXCEEDED"
        ended = read_execution(event(x="EXPIRED", X="EXPIRED", t=-1, eR=why))
        assert ended is not None
        assert ended.report.reason == why

    def test_a_status_that_nobody_knows_is_unknown(self) -> None:
        strange = read_execution(event(X="TOMORROW"))
        assert strange is not None
        assert (strange.report.status, len(strange.report.fills)) == (OrderStatus.UNKNOWN, 1)

    def test_other_events_say_nothing_of_an_order(self) -> None:
        assert read_execution(b'{"e":"outboundAccountPosition","E":1,"u":1,"B":[]}') is None

    @pytest.mark.parametrize("bad", [b"{}", b'{"e":"executionReport"}', event(i="none")])
    def test_what_cannot_be_read_has_one_name(self, bad: bytes) -> None:
        with pytest.raises(BadFrame):
            read_execution(bad)


def told(exchange: FakeExchange, order: Order) -> list[Execution]:
    """What the stream tells of an order, from the oldest execution to the newest."""
    return [
        Execution(number, order.symbol.name, seen(report, order), report)
        for number, report in enumerate(exchange.events(order.client_order_id), start=100)
    ]


def seen(report: ExecutionReport, order: Order) -> ListedOrder:
    return ListedOrder(
        report.client_order_id, report.exchange_order_id, report.status, Side(order.side),
        order.quantity, report.executed_quantity, NOON_MS,
    )  # fmt: skip


@pytest.mark.django_db
class TestHearing:
    @pytest.fixture
    def order(self) -> Order:
        return opened(symbol())

    def lost(self, order: Order) -> FakeExchange:
        """The order was carried out in three fills, and its answer lost."""
        exchange = FakeExchange(slices=3, fails_with=LOST)
        submit([order.pk], exchange, lambda: NOON)
        return exchange

    def assert_whole(self, order: Order) -> None:
        order.refresh_from_db()
        assert (order.status, order.trades.count()) == (OrderStatus.FILLED, 3)
        assert Position.objects.get().quantity == order.quantity

    def test_events_settle_an_order_whose_answer_was_lost(self, order: Order) -> None:
        exchange = self.lost(order)
        apply_executions(told(exchange, order), NOON)
        self.assert_whole(order)

    @pytest.mark.parametrize("at", range(24))
    def test_the_order_they_come_in_does_not_matter(self, order: Order, at: int) -> None:
        exchange = self.lost(order)
        for execution in list(itertools.permutations(told(exchange, order)))[at]:
            apply_executions([execution, execution], NOON)
        resolve_order(order.pk, exchange, lambda: NOON + timedelta(seconds=4))
        self.assert_whole(order)

    def test_what_the_answer_said_already_is_not_written_again(
        self, order: Order, django_assert_num_queries: Any
    ) -> None:
        exchange = FakeExchange(slices=3)
        submit([order.pk], exchange, lambda: NOON)
        with django_assert_num_queries(2):
            apply_executions(told(exchange, order), NOON)
        self.assert_whole(order)

    def test_an_answer_after_the_events_changes_nothing(self, order: Order) -> None:
        exchange = self.lost(order)
        apply_executions(told(exchange, order), NOON)
        steps = OrderChange.objects.count()
        resolve_order(order.pk, exchange, lambda: NOON)
        assert OrderChange.objects.count() == steps
        self.assert_whole(order)

    def test_a_step_that_never_came_is_looked_up(self, order: Order) -> None:
        exchange = self.lost(order)
        apply_executions(self.without(told(exchange, order), 2), NOON)
        order.refresh_from_db()
        assert order.status == OrderStatus.UNKNOWN
        resolve_order(order.pk, exchange, lambda: NOON)
        self.assert_whole(order)

    def without(self, steps: Sequence[Execution], at: int) -> list[Execution]:
        return [*steps[:at], *steps[at + 1 :]]

    def test_an_order_that_is_not_ours_is_noted_and_not_touched(self) -> None:
        execution = read_execution(event(c="somebody-else"))
        assert execution is not None
        for _ in range(2):
            apply_executions([execution], NOON)
        other = ForeignOrder.objects.get()
        assert (other.client_order_id, other.status) == ("somebody-else", "FILLED")
        assert not Order.objects.exists()
        assert not Trade.objects.exists()


class TestMessages:
    @pytest.fixture
    def subscription(self) -> AccountSubscription:
        return AccountSubscription(BoundedSocket())

    def test_a_subscription_that_is_refused_is_lost(
        self, subscription: AccountSubscription
    ) -> None:
        subscription.read(b'{"id":1,"status":200,"result":{"subscriptionId":0}}')
        assert subscription.subscribed_ms
        with pytest.raises(StreamLost, match="-1021"):
            subscription.read(b'{"id":1,"status":400,"error":{"code":-1021,"msg":"Timestamp"}}')

    def test_an_end_is_one(self, subscription: AccountSubscription) -> None:
        with pytest.raises(StreamLost, match="ends the stream"):
            subscription.read(b'{"subscriptionId":0,"event":{"e":"eventStreamTerminated","E":1}}')

    def test_an_announced_shutdown_is_time_to_replace_it(
        self, subscription: AccountSubscription
    ) -> None:
        assert not subscription.is_retiring
        subscription.read(b'{"event":{"e":"serverShutdown","E":1770123456789}}')
        assert subscription.is_retiring

    def test_what_cannot_be_read_ends_nothing(self, subscription: AccountSubscription) -> None:
        for text in (b"{", b'{"event":{"e":"executionReport"}}', b'{"event":{"e":"new kind"}}'):
            assert subscription.read(text) is None


@pytest.mark.django_db(transaction=True)
class TestAgainstTheSandbox:
    @pytest.fixture
    def subscriptions(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        urls: list[str] = []
        monkeypatch.setattr(account_subscribed, "reactions", [urls.extend])
        for event in (order_changed, trade_booked, position_changed):
            monkeypatch.setattr(event, "reactions", [])
        return urls

    @pytest.fixture
    def listening(self, sandbox: Sandbox, subscriptions: list[str]) -> Iterator[AccountStream]:
        rest = MarketRest(sandbox.rest_url)
        stream = listener(sandbox.ws_api_url, rest.server_time)
        stream.start()
        assert eventually(lambda: subscriptions)
        yield stream
        sandbox.calm()
        stream.stop()

    def placed(self, sandbox: Sandbox, number: int) -> Order:
        now = timezone.now()
        wish = intent(symbol(), number=number, expires_ms=to_ms(now) + 60_000)
        wish = replace(wish, client_order_id=f"ud-{number}-{to_ms(now)}")
        [order] = create_orders([wish], Symbol.objects.all(), FakeExchange(), now=now)
        submit([order.pk], BinanceExchange(sandbox.rest_url, KEY, SECRET))
        order.refresh_from_db()
        return order

    def settled(self, order: Order) -> bool:
        order.refresh_from_db()
        return order.status == OrderStatus.FILLED

    def test_an_order_whose_answer_was_lost_is_booked_by_its_events(
        self, sandbox: Sandbox, listening: AccountStream
    ) -> None:
        sandbox.inject("order_error", executed=True)
        sandbox.inject("duplicate_reports", count=9)
        order = self.placed(sandbox, 1)
        assert eventually(lambda: self.settled(order))
        assert Position.objects.get().quantity == order.quantity * Decimal("0.999")
        assert "UNKNOWN" in [change.status for change in order.changes.all()]

    def test_a_lost_connection_is_made_again_and_told(
        self, sandbox: Sandbox, listening: AccountStream, subscriptions: list[str]
    ) -> None:
        sandbox.inject("user_disconnect")
        assert eventually(lambda: len(subscriptions) == 2)
        assert listening.state["subscribed"]
        sandbox.inject("order_error", executed=True)
        order = self.placed(sandbox, 2)
        assert eventually(lambda: self.settled(order))

    def test_a_connection_that_is_about_to_end_is_replaced_before_it_does(
        self, sandbox: Sandbox, listening: AccountStream, subscriptions: list[str]
    ) -> None:
        assert sandbox.inject("user_shutdown", seconds=2)["sockets"] == 1
        closed_s = time.monotonic() + 3
        gaps: list[object] = []

        def is_over() -> bool:
            gaps.extend([] if listening.state["subscribed"] else ["not subscribed"])
            return time.monotonic() > closed_s

        assert eventually(is_over)
        sandbox.inject("order_error", executed=True)
        order = self.placed(sandbox, 3)
        assert eventually(lambda: self.settled(order))
        assert (gaps, len(subscriptions)) == ([], 1)

    def test_a_database_that_is_away_as_it_subscribes_ends_nothing(
        self,
        sandbox: Sandbox,
        listening: AccountStream,
        subscriptions: list[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        announce, away = account_subscribed.announce, [OperationalError("gone")]

        def at_first_in_vain(facts: Sequence[str]) -> None:
            if away:
                raise away.pop()
            announce(facts)

        monkeypatch.setattr(account_subscribed, "announce", at_first_in_vain)
        sandbox.inject("user_disconnect")
        assert eventually(lambda: len(subscriptions) == 2)
        assert not away
