"""Spans of time that candles cover, kept small however many candles there are."""

from bisect import bisect_right


class Spans:
    """Disjoint spans `[start, end)`, ascending; those less than `near` apart are one."""

    def __init__(self, near: int) -> None:
        self.near = near
        self.starts: list[int] = []
        self.ends: list[int] = []

    def cover(self, start: int, end: int) -> bool:
        """Cover a span, in any order; False where its start was covered already."""
        starts, ends = self.starts, self.ends
        if not ends or start >= ends[-1] + self.near:
            starts.append(start)
            ends.append(end)
            return True
        at = bisect_right(starts, start)  # the first that starts behind it
        new = at == 0 or start >= ends[at - 1]
        first = at - 1 if at and start < ends[at - 1] + self.near else at
        behind = at
        while behind < len(starts) and starts[behind] < end + self.near:
            behind += 1
        if first < behind:
            start, end = min(start, starts[first]), max(end, ends[behind - 1])
        starts[first:behind] = [start]
        ends[first:behind] = [end]
        return new

    def gaps(self) -> list[tuple[int, int]]:
        """The gaps between the spans, as `(start, end)`."""
        return list(zip(self.ends, self.starts[1:], strict=False))
