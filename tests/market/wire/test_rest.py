from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from market.wire.bounds import BadFrame
from market.wire.rest import (
    KlineRow,
    contradicts_itself,
    read_agg_trades,
    read_exchange_info,
    read_klines,
    read_server_time,
)


def test_recorded_rest_answers_are_read(more_recorded: Path) -> None:
    rest = more_recorded / "rest"
    ticks = read_agg_trades(
        "BTCUSDT", (rest / "recorded-BTCUSDT-agg_trades-2021-10-22.json").read_bytes()
    )
    assert ticks
    assert ticks[0].symbol == "BTCUSDT"
    rows = read_klines((rest / "recorded-BTCUSDT-klines-2021-10-22.json").read_bytes())
    assert len(rows) == 10
    assert all(row[6] - row[0] == 59_999 for row in rows)
    (info,) = [
        info
        for info in read_exchange_info(
            (rest / "exchangeInfo-prod-2025-10-26_BTCUSDT_ETHUSDT_BNBUSDT.json").read_bytes()
        )
        if info.symbol == "ETHUSDT"
    ]
    assert (info.base_asset, info.quote_asset, info.status) == ("ETH", "USDT", "TRADING")


def test_an_answer_that_is_not_what_it_should_be_says_so() -> None:
    with pytest.raises(BadFrame, match="not a server time: b'<html>'"):
        read_server_time(b"<html>")
    assert read_server_time(b'{"serverTime":1499827319559}') == 1499827319559


ROW = (0, "10", "12", "9", "11", "2", 59_999, "21", 3, "1", "10.5", "0")


def row(**changed: str) -> KlineRow:
    places = {"open": 1, "high": 2, "low": 3, "close": 4, "volume": 5, "quote": 7, "taker": 9}
    cells: list[Any] = [Decimal(one) if isinstance(one, str) else one for one in ROW]
    for name, value in changed.items():
        cells[places[name]] = Decimal(value)
    return cast(KlineRow, tuple(cells))


@pytest.mark.parametrize(
    "changed",
    [{"volume": "4"}, {"volume": "1"}, {"high": "10.5"}, {"low": "10.5"}, {"taker": "3"}],
)
def test_a_kline_that_cannot_be_is_told(changed: dict[str, str]) -> None:
    assert contradicts_itself(row(**changed))


def test_a_kline_that_can_be_is_believed() -> None:
    assert not contradicts_itself(row())


def test_recorded_klines_are_believed(more_recorded: Path) -> None:
    for file in (more_recorded / "rest").glob("*klines*.json"):
        if not file.name.startswith("docs"):
            assert not any(map(contradicts_itself, read_klines(file.read_bytes())))
