from hypothesis import given
from hypothesis import strategies as st

from tradingsite.live.messages import Backlog, Conflation, EncodedMessage, Message, encode


def told(kind: str, symbol: str = "BTCUSDT", text: str = "") -> EncodedMessage:
    return EncodedMessage(kind, symbol, text)


def test_a_message_is_written_up_to_its_number() -> None:
    message = encode(Message("candle", "BTCUSDT", {"close": "1.5"}))
    assert message.text + "7}" == '{"type":"candle","data":{"close":"1.5"},"seq":7}'


def test_of_forming_candles_only_the_newest_of_a_symbol_waits() -> None:
    backlog = Backlog(max_messages=10)
    for text in ("old", "new"):
        backlog.append(told("forming", text=text))
    assert [message.text for message in backlog.drain()] == ["new"]


def test_what_is_important_is_told_before_what_is_forming() -> None:
    backlog = Backlog(max_messages=10)
    backlog.append(told("forming"))
    backlog.append(told("order"))
    assert [backlog.pop().type, backlog.pop().type] == ["order", "forming"]


def test_a_full_backlog_drops_the_oldest_and_counts_it() -> None:
    backlog = Backlog(max_messages=2)
    for text in ("first", "second", "third"):
        backlog.append(told("order", text=text))
    assert (backlog.appended, backlog.dropped) == (3, 1)
    assert [message.text for message in backlog.drain()] == ["second", "third"]


def test_the_symbol_that_waits_longest_comes_first_with_its_newest_state() -> None:
    conflation: Conflation[int] = Conflation(per_second=20)
    conflation.replace("BTCUSDT", 1)
    conflation.replace("ETHUSDT", 2)
    conflation.replace("BTCUSDT", 3)
    assert conflation.due(now_ms=0) == ("BTCUSDT", 3)
    assert conflation.due(now_ms=50) is None
    assert conflation.wait_ms(now_ms=50) == 1
    assert conflation.due(now_ms=51) == ("ETHUSDT", 2)
    assert conflation.wait_ms(now_ms=51) is None


@given(st.lists(st.tuples(st.integers(0, 60), st.sampled_from("ABCDE")), max_size=300))
def test_no_second_ever_has_more_than_twenty(steps: list[tuple[int, str]]) -> None:
    conflation: Conflation[int] = Conflation(per_second=20)
    now_ms, shown = 0, []
    for wait_ms, symbol in steps:
        now_ms += wait_ms
        conflation.replace(symbol, now_ms)
        if conflation.due(now_ms):
            shown.append(now_ms)
    for start in shown:
        assert sum(start <= moment <= start + 1000 for moment in shown) <= 20
