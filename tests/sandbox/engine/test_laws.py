"""Laws that hold for every run of orders, cancels and trades."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.engine.matching_engine import ExecutionTiming
from sandbox.engine.orders import STP_MODES, Order
from sandbox.errors import ApiError
from tests.laws import examples
from tests.sandbox.engine.bench import FUNDS, EngineBench

QUANTITIES = st.decimals("0.01", "4", places=2)
PRICES = st.integers(90, 112)
SIDES = st.sampled_from(("BUY", "SELL"))
SPENDING = st.tuples(SIDES, st.integers(1, 2_000), st.sampled_from(STP_MODES))
ORDERS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(
            ("MARKET", "LIMIT", "LIMIT_MAKER", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT")
        ),
        "side": SIDES,
        "quantity": QUANTITIES,
        "price": PRICES,
        "stop_price": PRICES,
        "time_in_force": st.sampled_from(("GTC", "IOC", "FOK")),
        "stp_mode": st.sampled_from(STP_MODES),
        "timing": st.sampled_from(
            (ExecutionTiming(), ExecutionTiming(delay_ms=2), ExecutionTiming(fills_over_ms=5))
        ),
    }
)
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("place"), ORDERS),
        st.tuples(st.just("spend"), SPENDING),
        st.tuples(st.just("tick"), st.tuples(PRICES, QUANTITIES)),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.just("wait"), st.integers(1, 10)),
    ),
    max_size=25,
)


Acts = list[tuple[str, Any]]


def perform(bench: EngineBench, act: str, what: Any) -> None:
    """One step; a refusal is one, too."""
    try:
        if act == "place":
            bench.place_order(**what)
        elif act == "spend":
            bench.place_order("MARKET", what[0], quote_quantity=what[1], stp_mode=what[2])
        elif act == "tick":
            bench.trade(*what)
        elif act == "wait":
            bench.pass_time(what)
        elif what in bench.engine.orders:
            order = bench.engine.orders[what]
            bench.engine.cancel_order(order, "gone", bench.market.rules, bench.now_ms)
    except ApiError:
        return


def locked_amounts(orders: list[Order]) -> dict[str, Decimal]:
    """Locked amounts by asset of these orders."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    for order in orders:
        found["USDT" if order.request.is_buy else "BTC"] += order.locked
    return found


@settings(max_examples=examples(150))
@given(ACTS)
def test_money_is_neither_made_nor_lost_nor_locked_for_nothing(
    acts: Acts,
) -> None:
    bench = EngineBench(fee_asset="BNB")
    for act, what in acts:
        perform(bench, act, what)
        orders = list(bench.engine.orders.values())
        held = dict(FUNDS)
        for order in orders:
            sign = 1 if order.request.is_buy else -1
            held["BTC"] += sign * order.executed
            held["USDT"] -= sign * order.executed_quote
            for fill in order.fills:
                held[fill.commission_asset] -= fill.commission
            assert order.is_open or not order.locked
            assert 0 <= order.remaining <= order.quantity
        for asset, balance in bench.engine.account.balances.items():
            assert balance.free >= 0
            assert balance.free + balance.locked == held[asset]
            assert balance.locked == locked_amounts(orders)[asset]


@given(ACTS)
def test_reports_alone_tell_what_the_ledger_knows(acts: Acts) -> None:
    bench = EngineBench()
    for act, what in acts:
        perform(bench, act, what)
    filled: dict[int, Decimal] = defaultdict(Decimal)
    status: dict[int, str] = {}
    balances = {asset: f"{amount:.8f}" for asset, amount in FUNDS.items()}
    for event in bench.outbox:
        if event["e"] == "outboundAccountPosition":
            balances |= {row["a"]: row["f"] for row in event["B"]}
            continue
        filled[event["i"]] += Decimal(event["l"])
        status[event["i"]] = event["X"]
        assert Decimal(event["z"]) == filled[event["i"]]
    orders = bench.engine.orders
    assert status == {number: order.status for number, order in orders.items()}
    assert dict(filled) == {number: order.executed for number, order in orders.items()}
    assert balances == {a: f"{bench.balance(a)[0]:.8f}" for a in balances}


@given(ACTS, st.integers(0, 30))
def test_the_past_can_be_seen_as_it_was(acts: Acts, stop: int) -> None:
    bench, then = EngineBench(), (0, [""], {"": Decimal(0)})
    for place, (act, what) in enumerate(acts):
        bench.now_ms += 1
        perform(bench, act, what)
        if place == stop:
            states = [f"{o.status} {o.executed} {len(o.fills)}" for o in bench.engine.orders_at()]
            free = {a: b.free for a, b in bench.engine.account.balances.items()}
            then = (bench.now_ms, states, free)
    if stop < len(acts):
        seen = bench.engine.orders_at(then[0])
        assert [f"{o.status} {o.executed} {len(o.fills)}" for o in seen] == then[1]
        assert {a: b.free for a, b in bench.engine.account.balances_at(then[0]).items()} == then[2]
