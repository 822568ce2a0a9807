from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from market.models import Symbol
from orders.models import Adjustment, Alarm, Epoch, Halt, Position
from tests.admins import may_not_change, page, row_page, signed_in
from tests.builders import symbol
from tests.rows import at, order, position, trade

pytestmark = pytest.mark.django_db
MODELS = ["orders_order", "orders_trade", "orders_position", "orders_halt"]


@pytest.fixture
def client() -> Client:
    return signed_in()


@pytest.fixture
def btc() -> Symbol:
    return symbol("BTCUSDT")


def fill(of: Symbol, number: int) -> dict[str, Any]:
    """One row of every kind."""
    halt = Halt.objects.create(level="off", reason=f"reason {number}", at=at(number))
    made = order(of, number, executed_quote=Decimal("60.500"), exchange_order_id=1000 + number)
    held = position(of, f"S{number}")
    return dict(zip(MODELS, [made, trade(made, held, number), held, halt], strict=True))


@pytest.mark.parametrize("model", MODELS)
def test_facts_are_shown_and_never_changed(client: Client, btc: Symbol, model: str) -> None:
    row = fill(btc, 1)[model]
    assert page(client, model)
    assert row_page(client, model, row)
    assert may_not_change(client, model, row)


@pytest.mark.parametrize("model", MODELS)
def test_a_list_takes_as_many_queries_for_ten_rows_as_for_one(
    client: Client, btc: Symbol, model: str
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            page(client, model)
        return len(captured)

    fill(btc, 1)
    queries()  # content types are read once
    for_one = queries()
    for number in range(2, 11):
        fill(btc, number)
    assert queries() == for_one


def test_an_order_shows_the_states_it_was_in_and_its_trades(client: Client, btc: Symbol) -> None:
    shown = row_page(client, "orders_order", fill(btc, 1)["orders_order"])
    for text in ("PENDING", "FILLED", ">60.5<", ">0.06<"):
        assert text in shown, text


@pytest.mark.parametrize(
    ("query", "found"),
    [("q=test-1", 1), ("q=1002", 1), ("q=S9", 0), ("q=A", 2), ("status__exact=DENIED", 0),
     ("symbol=BTCUSDT", 2), ("strategy=A", 2), ("created_at__year=2026", 2)],
)  # fmt: skip
def test_orders_are_searched_and_filtered(
    client: Client, btc: Symbol, query: str, found: Any
) -> None:
    fill(btc, 1)
    fill(btc, 2)
    shown = page(client, "orders_order", query)
    assert sum(f">test-{number}<" in shown for number in (1, 2)) == found


def test_decimals_do_not_sort(client: Client, btc: Symbol) -> None:
    fill(btc, 1)
    shown = page(client, "orders_trade")
    assert "sortable column-time" in shown
    assert "sortable column-price" not in shown


@pytest.mark.parametrize("model", MODELS)
def test_every_list_can_be_searched(client: Client, btc: Symbol, model: str) -> None:
    fill(btc, 1)
    page(client, model, "q=something+else+99")


class TestAlarms:
    @pytest.fixture
    def alarm(self, btc: Symbol) -> Alarm:
        Epoch.objects.create(started_at=at(0), reason="first look", balances={"BTC": "10"})
        return Alarm.objects.create(
            symbol=btc, text="account balance 12 BTC, expected 10",
            difference=Decimal(2), since=at(1), raised_at=at(2),
        )  # fmt: skip

    def accept(self, client: Client, alarm: Alarm, **form: str) -> str:
        """Choose the action, and where `form` says so, confirm."""
        form |= {"action": "accept", "_selected_action": str(alarm.pk)}
        return client.post("/admin/orders/alarm/", form, follow=True).content.decode()

    def confirm(self, client: Client, alarm: Alarm, difference: str = "2") -> str:
        return self.accept(client, alarm, sure="yes", **{f"difference-{alarm.pk}": difference})

    def test_whoever_knows_better_accepts_one(self, client: Client, alarm: Alarm) -> None:
        assert "Accept the account balance" in page(client, "orders_alarm")
        asked = self.accept(client, alarm)
        assert "account balance 12 BTC, expected 10 (difference 2 BTC)" in asked
        assert f'name="difference-{alarm.pk}" value="2"' in asked
        assert Epoch.objects.get().balances == {"BTC": "10"}
        assert "Accepted: BTCUSDT: account balance 12 BTC" in self.confirm(client, alarm)
        assert Epoch.objects.get().balances == {"BTC": "12"}
        alarm.refresh_from_db()
        assert str(alarm.accepted_by) == "root"

    def test_twice_is_once(self, client: Client, alarm: Alarm) -> None:
        self.confirm(client, alarm)
        assert "BTCUSDT: the alarm has changed" in self.confirm(client, alarm)
        assert Epoch.objects.get().balances == {"BTC": "12"}

    @pytest.mark.parametrize("shown", ["1", "", "sNaN"])
    def test_no_other_difference_than_was_shown(
        self, client: Client, alarm: Alarm, shown: str
    ) -> None:
        assert "has changed since it was shown" in self.confirm(client, alarm, shown)
        assert Epoch.objects.get().balances == {"BTC": "10"}

    def test_who_may_only_look_may_not(self, alarm: Alarm) -> None:
        looker = User.objects.create_user("looker", is_staff=True)
        looker.user_permissions.add(Permission.objects.get(codename="view_alarm"))
        client = Client()
        client.force_login(looker)
        assert "Accept the account balance" not in page(client, "orders_alarm")
        self.confirm(client, alarm)
        assert Epoch.objects.get().balances == {"BTC": "10"}


class TestWriteOff:
    def choose(self, client: Client, held: Position, **form: str) -> str:
        form |= {"action": "write_off", "_selected_action": str(held.pk)}
        return client.post("/admin/orders/position/", form, follow=True).content.decode()

    def test_it_asks_for_a_reason_and_keeps_it_with_the_name(
        self, client: Client, btc: Symbol
    ) -> None:
        held = position(btc)
        assert 'name="reason"' in self.choose(client, held)
        assert 'name="reason"' in self.choose(client, held, sure="yes", reason=" ")
        assert "Written off: A BTCUSDT" in self.choose(client, held, sure="yes", reason="delisted")
        adjustment = Adjustment.objects.get()
        assert (str(adjustment.by), adjustment.reason) == ("root", "delisted")
        assert "Not written off" in self.choose(client, held, sure="yes", reason="twice")

    def test_a_reason_that_postgresql_cannot_store_is_no_error(
        self, client: Client, btc: Symbol
    ) -> None:
        self.choose(client, position(btc), sure="yes", reason="de\0listed")
        assert Adjustment.objects.get().reason == "delisted"

    def test_who_may_only_look_may_not(self, btc: Symbol) -> None:
        looker = User.objects.create_user("looker", is_staff=True)
        looker.user_permissions.add(Permission.objects.get(codename="view_position"))
        client = Client()
        client.force_login(looker)
        self.choose(client, position(btc), sure="yes", reason="delisted")
        assert not Adjustment.objects.exists()
