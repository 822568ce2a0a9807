import pytest
from hypothesis import given
from hypothesis import strategies as st

from candles.shards import Shard


@given(st.text(), st.integers(1, 50))
def test_every_symbol_has_exactly_one_shard(symbol: str, count: int) -> None:
    assert sum(Shard(number, count).covers(symbol) for number in range(1, count + 1)) == 1


def test_a_shard_is_written_as_it_is_read() -> None:
    assert str(Shard.parse("2/3")) == "2/3"
    assert Shard.parse("2/3") == Shard(2, 3)


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0", "1/-2", "", " 1/2"])
def test_what_is_no_shard_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is no share: use I/N"):
        Shard.parse(text)
