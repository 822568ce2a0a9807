from random import Random

from hypothesis import given
from hypothesis import strategies as st

from candles.spans import Spans

STARTS = st.lists(st.integers(0, 200), max_size=40)


@given(STARTS, st.integers(1, 9), st.integers(1, 9))
def test_spans_say_of_each_start_whether_it_was_covered(
    starts: list[int], length: int, near: int
) -> None:
    spans, covered = Spans(near), set[int]()
    for start in starts:
        spans.cover(start, start + length)
        covered |= set(range(start, start + length))
    bounds = [*zip(spans.starts, spans.ends, strict=True)]
    assert bounds == sorted(bounds)
    assert covered <= {time for start, end in bounds for time in range(start, end)}
    assert all(end - start >= near for start, end in spans.gaps())
    assert all(time not in covered for start, end in spans.gaps() for time in range(start, end))


@given(STARTS, st.randoms())
def test_the_order_of_candles_changes_neither_gaps_nor_duplicates(
    starts: list[int], shuffler: Random
) -> None:
    def seen(order: list[int]) -> tuple[list[tuple[int, int]], int]:
        spans = Spans(near=1)
        new = [spans.cover(start * 3, start * 3 + 3) for start in order]
        return spans.gaps(), new.count(False)

    shuffled = starts.copy()
    shuffler.shuffle(shuffled)
    assert seen(shuffled) == seen(starts)
    assert seen(starts)[1] == len(starts) - len(set(starts))
