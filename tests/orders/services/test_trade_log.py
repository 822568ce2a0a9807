"""The trade log holds every fill once, whenever its writer dies."""

import json
from pathlib import Path

import pytest
from pytest_django import Settings

from orders.models import Order, Trade
from orders.services import append_trade_log, submit
from tests.builders import NOON, opened, symbol
from tests.fakes import FakeExchange

pytestmark = pytest.mark.django_db


@pytest.fixture
def log(settings: Settings, tmp_path: Path) -> Path:
    settings.TRADE_LOG = tmp_path / "trades.jsonl"
    return Path(settings.TRADE_LOG)


@pytest.fixture
def three_fills() -> Order:
    order = opened(symbol())
    submit([order.pk], FakeExchange(slices=3, fee="0.001"), lambda: NOON)
    return order


def lines(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_every_fill_is_a_line(log: Path, three_fills: Order) -> None:
    assert append_trade_log() == 3
    assert [line["trade_id"] for line in lines(log)] == [1, 2, 3]
    assert lines(log)[0] == {
        "time": "2026-01-02T12:00:00.000Z",
        "strategy": "A",
        "symbol": "BTCUSDT",
        "side": "BUY",
        "price": "60000",
        "quantity": "0.00033333",
        "quote_quantity": "19.9998",
        "commission": "0.00000033333",
        "commission_asset": "BTC",
        "trade_id": 1,
        "client_order_id": three_fills.client_order_id,
        "exchange_order_id": 1,
    }


def test_a_second_run_writes_nothing(log: Path, three_fills: Order) -> None:
    append_trade_log()
    assert append_trade_log() == 0
    assert len(lines(log)) == 3


def test_a_writer_killed_before_it_could_mark_leaves_no_fill_twice(
    log: Path, three_fills: Order
) -> None:
    append_trade_log()
    Trade.objects.update(logged=False)
    assert append_trade_log() == 0
    assert len(lines(log)) == 3
    assert not Trade.objects.filter(logged=False).exists()


def test_a_half_written_line_is_written_again(log: Path, three_fills: Order) -> None:
    append_trade_log()
    whole = log.read_bytes()
    Trade.objects.update(logged=False)
    for cut in (len(whole) - 1, len(whole) - 40, 5, 0):
        log.write_bytes(whole[:cut])
        append_trade_log()
        assert log.read_bytes() == whole
        Trade.objects.update(logged=False)


@pytest.mark.parametrize("tail", [b"", bytes(40), bytes(700_000), b'{"time": "2026'])
def test_fills_whose_line_was_lost_after_they_were_marked_are_logged_again_once(
    log: Path, three_fills: Order, tail: bytes
) -> None:
    append_trade_log()
    whole = log.read_bytes()
    lines = whole.splitlines(keepends=True)
    Trade.objects.filter(pk=Trade.objects.latest("pk").pk).update(logged=False)  # a next fill
    log.write_bytes(lines[0] + lines[1][:30] + tail)
    append_trade_log()
    assert log.read_bytes() == whole
    assert log.with_name(f"{log.name}.damaged").read_bytes() == lines[1][:30] + tail + b"\n"


def test_a_foreign_line_is_left_alone(log: Path, three_fills: Order) -> None:
    log.write_text("# my notes\n[1]\n")
    append_trade_log()
    assert log.read_text().startswith("# my notes\n[1]\n")
    assert log.read_text().count("\n") == 5
