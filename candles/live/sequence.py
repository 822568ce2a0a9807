"""Ticks by their ids: what is new, what goes on without a jump."""

from collections.abc import Sequence

from market.ticks import Tick


def in_sequence(ticks: Sequence[Tick], last_id: int) -> bool:
    """True where the ids go on from `last_id`, one by one."""
    return [tick.tick_id for tick in ticks] == list(range(last_id + 1, last_id + 1 + len(ticks)))


def unseen(ticks: Sequence[Tick], last_id: int | None) -> list[Tick]:
    """Those behind `last_id`, each once, in the order of their ids."""
    by_id = {tick.tick_id: tick for tick in ticks if last_id is None or tick.tick_id > last_id}
    return [by_id[tick_id] for tick_id in sorted(by_id)]


def run_length(ticks: Sequence[Tick], last_id: int | None) -> int:
    """Number of `ticks` that go on from `last_id` (or from the first) without a jump."""
    if not ticks:
        return 0
    first = ticks[0].tick_id if last_id is None else last_id + 1
    for count, tick in enumerate(ticks):
        if tick.tick_id != first + count:
            return count
    return len(ticks)
