"""Tests of the bounds of what comes from outside, each value on its own."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.clock import ExchangeClock
from market.wire.bounds import MAX_AHEAD_MS, BadFrame, are_positive, is_positive
from market.wire.damage import DamageCounts
from market.wire.frames import read_frames
from market.wire.rest import (
    check_interval,
    read_agg_trades,
    read_exchange_info,
    read_klines,
    read_order_limits,
    read_weight_limit,
)
from orders.core.status import OrderStatus
from orders.venue import wire
from orders.venue.account_wire import read_execution
from orders.venue.exchange import OutcomeUnknown
from sandbox.data.payloads import stream_agg_trade
from sandbox.data.tape import AggTrade, TradeGroup
from sandbox.streams.market_stream_faults import MarketStreamFaults
from tests.fuzz import seeds
from tests.fuzz.test_targets import ABSURD

NOW_MS = 1_723_161_255_400
DAY_MS = 86_400_000
NUMBERS = st.from_regex(
    r"-?[0-9]{1,18}(\.[0-9]{1,70})?(e[+-]?[0-9]{1,7})?|-?Infinity|s?NaN", fullmatch=True
)


@pytest.mark.parametrize("value", ABSURD)
@pytest.mark.parametrize("field", [b'"p":"61837.63000000"', b'"q":"0.02000000"'])
def test_a_tick_that_cannot_be_is_set_aside_alone(field: bytes, value: bytes) -> None:
    absurd = seeds.TICK.replace(field, field[:4] + value)
    batch = read_frames([seeds.TICK, absurd, seeds.TICK])
    assert len(batch.ticks) == 2
    assert len(batch.damaged) + len(batch.unknown) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"l":105', b'"l":99'),
        (b'"a":26129', b'"a":-1'),
        (b'"a":26129', b'"a":9223372036854775808'),
        (b'"T":1723161255342', b'"T":1723161255342000'),
        (b'"T":1723161255342', b'"T":%d' % (NOW_MS + DAY_MS)),
        (b'"T":1723161255342', b'"T":0'),
    ],
)
def test_ids_and_times_that_cannot_be_make_no_tick(old: bytes, new: bytes) -> None:
    batch = read_frames([seeds.TICK.replace(old, new)], NOW_MS)
    assert batch.ticks == []
    assert len(batch.damaged) + len(batch.unknown) == 1


@pytest.mark.parametrize("digits", ["61837.63", "61837.630000001234", "1E+3"])
def test_a_tick_of_other_decimals_than_usual_is_believed(digits: str) -> None:
    (tick,) = read_frames([seeds.TICK.replace(b"61837.63000000", digits.encode())]).ticks
    assert tick.price == Decimal(digits)


@given(st.lists(st.builds(Decimal, NUMBERS), min_size=1))
def test_amounts_checked_together_are_believed_only_where_each_would_be(
    values: list[Decimal],
) -> None:
    assert not are_positive(values) or all(map(is_positive, values))


@pytest.mark.parametrize("odd", ["1e-13", "1." + "0" * 100, "1e15", "1e-2000000", "0e-13", "sNaN"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_amount_out_of_bounds_is_not_lost_among_others(odd: str, place: int) -> None:
    usual = [Decimal("61837.63000000"), Decimal("0.02000000")]
    assert are_positive(usual)
    assert not are_positive([*usual[:place], Decimal(odd), *usual[place:]])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"E":1723161302001', b'"E":1723247702001'),
        (b'"t":1723161240000', b'"t":1723161240000000'),
        (b'"h":"61840.00000000"', b'"h":"NaN"'),
        (b'"h":"61840.00000000"', b'"h":"61000.00000000"'),
        (b'"v":"0.12000000"', b'"v":"-0.12"'),
        (b'"n":6', b'"n":-6'),
        (b'"L":105', b'"L":99'),
    ],
)
def test_a_kline_event_that_cannot_be_is_set_aside(old: bytes, new: bytes) -> None:
    assert len(read_frames([seeds.KLINE], NOW_MS + 60_000).klines) == 1
    assert read_frames([seeds.KLINE.replace(old, new)], NOW_MS + 60_000).klines == []


def test_none_of_the_hostile_trades_of_the_sandbox_is_believed() -> None:
    trades = [
        AggTrade(number, NOW_MS - 100, Decimal("61837.63"), Decimal("0.5"), True, number, number)
        for number in range(8)
    ]
    faults = MarketStreamFaults()
    faults.add_fault("hostile_values", "BTCUSDT", 7)
    groups = faults.filter_trades("BTCUSDT", [TradeGroup(one, []) for one in trades], NOW_MS)
    events = [stream_agg_trade("BTCUSDT", group.agg, NOW_MS) for group in groups]
    frames = [json.dumps({"stream": "x", "data": event}).encode() for event in events]
    assert [tick.tick_id for tick in read_frames(frames, NOW_MS).ticks] == [7]


def test_a_row_that_cannot_be_read_costs_that_row() -> None:
    damaged = seeds.AGG_TRADES.replace(b'"4.70443515"', b'"-1"')
    rows = read_agg_trades("BTCUSDT", damaged)
    assert ([row.tick_id for row in rows], rows.left_out, rows.listed) == ([26130], 1, 2)
    klines = read_klines(seeds.KLINES.replace(b'"61840.0"', b'"Infinity"', 1))
    assert (len(klines), klines.left_out) == (1, 1)
    orders = wire.read_orders(
        b"[" + seeds.ORDER + b"," + seeds.ORDER.replace(b'"0.00300000"', b'"-3"') + b"]", "BTCUSDT"
    )
    assert (len(orders), orders.left_out) == (1, 1)
    trades = wire.read_trades(seeds.TRADES.replace(b'"qty":"0.003"', b'"qty":"-0.003"'), "BTCUSDT")
    assert (trades, trades.left_out) == ([], 1)


def test_an_order_with_a_status_that_nobody_knows_is_one_of_unknown_state() -> None:
    (order,) = wire.read_orders(
        b"[" + seeds.ORDER.replace(b"FILLED", b"PENDING_MOON") + b"]", "BTCUSDT"
    )
    assert order.status == OrderStatus.UNKNOWN


def test_an_answer_about_another_symbol_or_order_is_none() -> None:
    assert read_exchange_info(seeds.EXCHANGE_INFO, {"ETHUSDT"}) == []
    with pytest.raises(OutcomeUnknown):
        wire.read_order(seeds.ORDER, "ETHUSDT")
    with pytest.raises(OutcomeUnknown):
        wire.read_order(seeds.ORDER, "BTCUSDT", 29)
    assert wire.read_trades(seeds.TRADES, "BTCUSDT", 29).left_out == 1
    with pytest.raises(BadFrame, match="5m was asked for"):
        check_interval(read_klines(seeds.KLINES), "5m", NOW_MS)
    check_interval(read_klines(seeds.KLINES), "1m", NOW_MS)


@pytest.mark.parametrize("limit", [b"0", b"1", b"-1", b"99999999999999999999"])
def test_a_limit_that_would_lock_us_out_for_good_is_not_kept(limit: bytes) -> None:
    info = seeds.EXCHANGE_INFO.replace(b'"limit":6000', b'"limit":' + limit)
    assert read_weight_limit(info) is None
    assert read_order_limits(info) == {10: 50}


def test_a_fill_of_a_negative_quantity_is_never_booked() -> None:
    event = seeds.EXECUTION[seeds.EXECUTION.index(b'{"e"') : -1]
    execution = read_execution(event)
    assert execution is not None
    assert execution.report.fills[0].quantity == 1
    with pytest.raises(BadFrame, match="out of bounds"):
        read_execution(event.replace(b'"l":"1.0"', b'"l":"-1.0"'))
    with pytest.raises(OutcomeUnknown):
        wire.read_order(seeds.ORDER.replace(b'"qty":"0.001"', b'"qty":"-0.001"'), "BTCUSDT")


def test_a_balance_that_cannot_be_read_makes_the_account_unknown() -> None:
    with pytest.raises(OutcomeUnknown):
        wire.read_balances(seeds.ACCOUNT.replace(b'"0.0"', b'"-1"'))


def test_the_clock_of_the_exchange_bounds_what_is_believed() -> None:
    class Source:
        def server_time(self) -> int:
            return NOW_MS * 2

    clock = ExchangeClock()
    clock.sync(Source())
    assert 0 <= clock.latest_ms() - NOW_MS * 2 - MAX_AHEAD_MS < 60_000


def test_damage_is_counted_always_and_logged_once(capsys: pytest.CaptureFixture[str]) -> None:
    counts = DamageCounts()
    for _ in range(1000):
        counts.note("frame", "nonsense")
    counts.note("row of klines", "nonsense")
    assert counts.counts() == {"frame": 1000, "row of klines": 1}
    assert capsys.readouterr().out.count("wire.damaged") == 2
