"""Faults of requests and their answers."""

from dataclasses import replace

from sandbox.data.klines import Kline
from sandbox.errors import ApiError

Paths = tuple[str, ...]  # none means every path


class RequestFaults:
    """The faults in force, one of each kind: the latest. Times are ms of the exchange's clock."""

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
        self.statuses_hidden_until_ms = 0
        self.wrong_klines: dict[str, int] = {}

    def delay_answers(self, until_ms: int, by_ms: int, paths: Paths) -> None:
        """Answer requests later by so much."""
        self.slow_until_ms, self.slow_by_ms, self.slow_paths = until_ms, by_ms, paths

    def fail_requests(self, count: int, status: int, paths: Paths) -> None:
        """Answer the next `count` GETs with a status and nothing that can be read."""
        self.failures_left, self.failure_status, self.failing_paths = count, status, paths

    def lag_market_data(self, until_ms: int, by_ms: int) -> None:
        """Show trades and klines as they were a while ago."""
        self.lag_until_ms, self.lag_ms = until_ms, by_ms

    def limit_requests(self, until_ms: int, banned: bool, only_signed: bool) -> None:
        """Refuse every request, or every signed one, as if its address had sent too many."""
        self.limited_until_ms, self.banned, self.only_signed = until_ms, banned, only_signed

    def limit_orders(self, until_ms: int) -> None:
        """Refuse placements as if the account had placed too many orders."""
        self.orders_limited_until_ms = until_ms

    def lag_account(self, until_ms: int, by_ms: int) -> None:
        """Show orders, own trades and balances as they were a while ago."""
        self.read_lag_until_ms, self.read_lag_ms = until_ms, by_ms

    def hide_statuses(self, until_ms: int) -> None:
        """Show an order in a status that is not documented."""
        self.statuses_hidden_until_ms = until_ms

    def skew_clock(self, until_ms: int, by_ms: int) -> None:
        """Set the servers' clock, by which requests are in time, wrong by so much."""
        self.skew_until_ms, self.skew_ms = until_ms, by_ms

    def falsify_klines(self, symbol: str, count: int) -> None:
        """Give the last closed kline of the next `count` answers a wrong volume."""
        self.wrong_klines[symbol] = self.wrong_klines.get(symbol, 0) + count

    def check_limit(self, is_signed: bool, now_ms: int) -> None:
        """Raise 429, or 418 where banned, while requests are refused."""
        until_ms = self.limited_until_ms
        if until_ms <= now_ms or (self.only_signed and not is_signed):
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
        """The delay of the answer to a request."""
        slow = self.slow_until_ms > now_ms and _applies_to(path, self.slow_paths)
        return self.slow_by_ms if slow else 0

    def market_data_until_ms(self, now_ms: int) -> int | None:
        """The time up to which trades and klines are shown; None for all of them."""
        return now_ms - self.lag_ms if self.lag_until_ms > now_ms else None

    def account_data_until_ms(self, now_ms: int) -> int | None:
        """The time up to which orders, own trades and balances are shown; None for all."""
        return now_ms - self.read_lag_ms if self.read_lag_until_ms > now_ms else None

    def shown_status(self, status: str, now_ms: int) -> str:
        """The status that the newest order of an answer is shown in."""
        return "PENDING_SETTLEMENT" if self.statuses_hidden_until_ms > now_ms else status

    def server_time_ms(self, now_ms: int) -> int:
        """Time of the servers' clock."""
        return now_ms + self.skew_ms if self.skew_until_ms > now_ms else now_ms

    def filter_klines(self, symbol: str, rows: list[Kline], now_ms: int) -> list[Kline]:
        """The klines of a symbol as they are answered."""
        closed = [index for index, kline in enumerate(rows) if kline.end_ms <= now_ms]
        if not closed or not self.wrong_klines.get(symbol):
            return rows
        self.wrong_klines[symbol] -= 1
        last = closed[-1]
        wrong = replace(rows[last], volume=2 * rows[last].volume + 1)
        return [*rows[:last], wrong, *rows[last + 1 :]]


def _applies_to(path: str, paths: Paths) -> bool:
    return not paths or path in paths
