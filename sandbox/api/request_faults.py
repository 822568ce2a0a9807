"""What stands between a request and its true answer: nothing, but for faults."""

from dataclasses import replace

from sandbox.data.klines import Kline
from sandbox.errors import ApiError

Paths = tuple[str, ...]  # none means every path


class RequestFaults:
    """One of each kind at a time: the one asked for last. Times are ms of the exchange's clock."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Let every answer be true and come at once."""
        self.slow_until_ms, self.slow_by_ms, self.slow_paths = 0, 0, Paths()
        self.failures_left, self.failure_status, self.failing_paths = 0, 0, Paths()
        self.lag_until_ms, self.lag_ms = 0, 0
        self.limited_until_ms, self.banned, self.only_signed = 0, False, False
        self.orders_limited_until_ms = 0
        self.read_lag_until_ms, self.read_lag_ms = 0, 0
        self.skew_until_ms, self.skew_ms = 0, 0
        self.wrong_klines: dict[str, int] = {}

    def delay_answers(self, until_ms: int, by_ms: int, paths: Paths) -> None:
        """Answer later by so much."""
        self.slow_until_ms, self.slow_by_ms, self.slow_paths = until_ms, by_ms, paths

    def fail_requests(self, count: int, status: int, paths: Paths) -> None:
        """Answer the next `count` GETs with a status and nothing that can be read."""
        self.failures_left, self.failure_status, self.failing_paths = count, status, paths

    def lag_market_data(self, until_ms: int, by_ms: int) -> None:
        """Show trades and klines as they were a while ago."""
        self.lag_until_ms, self.lag_ms = until_ms, by_ms

    def limit_requests(self, until_ms: int, banned: bool, only_signed: bool) -> None:
        """Refuse every request, or every signed one, as of an address that has asked too much."""
        self.limited_until_ms, self.banned, self.only_signed = until_ms, banned, only_signed

    def limit_orders(self, until_ms: int) -> None:
        """Refuse placements as of an account that has placed too many orders."""
        self.orders_limited_until_ms = until_ms

    def lag_account(self, until_ms: int, by_ms: int) -> None:
        """Show orders, own trades and balances as they were a while ago."""
        self.read_lag_until_ms, self.read_lag_ms = until_ms, by_ms

    def skew_clock(self, until_ms: int, by_ms: int) -> None:
        """Have the servers' clock, by which requests are in time, go wrong by so much."""
        self.skew_until_ms, self.skew_ms = until_ms, by_ms

    def falsify_klines(self, symbol: str, count: int) -> None:
        """Give the last closed kline of the next `count` answers a wrong volume."""
        self.wrong_klines[symbol] = self.wrong_klines.get(symbol, 0) + count

    def check_limit(self, signed: bool, now_ms: int) -> None:
        """Raise 429, or 418 where banned, while requests are refused."""
        until_ms = self.limited_until_ms
        if until_ms <= now_ms or (self.only_signed and not signed):
            return
        if not self.banned:
            message = "Too many requests; please slow down."
            raise ApiError(-1003, message, 429, retry_at_ms=until_ms)
        message = f"Way too many requests; IP banned until {until_ms}."
        raise ApiError(-1003, message, 418, retry_at_ms=until_ms)

    def check_order_limit(self, now_ms: int) -> None:
        """Raise -1015 while placements are refused."""
        if self.orders_limited_until_ms > now_ms:
            message = "Too many new orders; current limit is 50 orders per 10 SECOND."
            raise ApiError(-1015, message, 429, retry_at_ms=self.orders_limited_until_ms)

    def pop_failure(self, method: str, path: str) -> int | None:
        """The status that this request fails with, if it does; then one fewer is to fail."""
        if not self.failures_left or method != "GET" or not _applies_to(path, self.failing_paths):
            return None
        self.failures_left -= 1
        return self.failure_status

    def answer_delay_ms(self, path: str, now_ms: int) -> int:
        """How much later this request is answered."""
        slow = self.slow_until_ms > now_ms and _applies_to(path, self.slow_paths)
        return self.slow_by_ms if slow else 0

    def market_data_until_ms(self, now_ms: int) -> int | None:
        """The time up to which trades and klines are shown; None for all of them."""
        return now_ms - self.lag_ms if self.lag_until_ms > now_ms else None

    def account_data_until_ms(self, now_ms: int) -> int | None:
        """The time up to which orders, own trades and balances are shown; None for all."""
        return now_ms - self.read_lag_ms if self.read_lag_until_ms > now_ms else None

    def server_time_ms(self, now_ms: int) -> int:
        """What the servers' clock shows."""
        return now_ms + self.skew_ms if self.skew_until_ms > now_ms else now_ms

    def falsified(self, symbol: str, rows: list[Kline], now_ms: int) -> list[Kline]:
        """What is answered of these klines of a symbol."""
        closed = [place for place, kline in enumerate(rows) if kline.end_ms <= now_ms]
        if not closed or not self.wrong_klines.get(symbol):
            return rows
        self.wrong_klines[symbol] -= 1
        wrong = replace(rows[closed[-1]], volume=2 * rows[closed[-1]].volume + 1)
        return [*rows[: closed[-1]], wrong, *rows[closed[-1] + 1 :]]


def _applies_to(path: str, paths: Paths) -> bool:
    return not paths or path in paths
