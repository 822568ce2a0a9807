"""Natural keys of signals. The order of a signal has the same key as its client order id.

Times are part of them and row numbers of candles and positions are not: a new database begins
to count at 1 again, and the exchange remembers.
"""


def candle_key(strategy_id: int, symbol_id: int, interval: str, open_ms: int) -> str:
    """The key of the one signal that a strategy can give at a candle."""
    return f"{strategy_id}-{symbol_id}-{interval}-{open_ms}"


def exit_key(strategy_id: int, symbol_id: int, opened_ms: int, attempt: int) -> str:
    """The key of the `attempt`th sale, counted from 1, of the position opened at `opened_ms`."""
    return f"{strategy_id}-{symbol_id}-exit-{opened_ms}-{attempt}"


def stop_key(strategy_id: int, symbol_id: int, opened_ms: int) -> str:
    """The prefix of the keys of a position's protective stops; their number follows."""
    return f"{strategy_id}-{symbol_id}-stop-{opened_ms}-"
