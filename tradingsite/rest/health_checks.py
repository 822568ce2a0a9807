"""Health checks of each part of the system, asked of the part itself.

A part that is dead, or hangs, is reported as such and holds up neither the others nor the
answer.
"""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any, cast

import orjson
from django.db import connection as database_connection
from django.db import connections

from candles.live.state import StreamState, read_states
from foundation.redis import connection
from foundation.rest.fields import iso
from foundation.times import now_ms
from market.models import Symbol
from orders.core.status import UNANSWERED
from orders.models import AlarmKind, Order
from orders.services import raised_alarms
from orders.venue.account_stream import STATE_KEY
from tradingsite.live.stream_status import Streams
from tradingsite.rest.symbols import stream_json
from tradingsite.tasks import BEAT_KEY, MAX_BEAT_AGE_MS

Report = dict[str, Any]

ANSWER_TIMEOUT_S = 3.0
# The exchange refuses what is dated more than a second ahead of its clock.
MAX_CLOCK_OFFSET_MS = 1_000
MAX_UNANSWERED_MS = 60_000


class PartFailed(Exception):
    """A part answered, and is not well. Carries what is known of it."""

    def __init__(self, error: str, **report: Any) -> None:
        super().__init__(error)
        self.report = report


def _checked(error: str | None, report: Report) -> Report:
    if error:
        raise PartFailed(error, **report)
    return report


def database() -> Report:
    started = time.perf_counter()
    with database_connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return {"answered_ms": _elapsed_ms(started)}


def redis() -> Report:
    started = time.perf_counter()
    connection().ping()
    return {"answered_ms": _elapsed_ms(started)}


def _elapsed_ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 2)


def stream() -> Report:
    """The stream processes, and the last tick of every followed symbol."""
    connection().ping()  # without Redis that is what is wrong
    streams = Streams.read()
    if not streams.shards:
        raise PartFailed("the stream process never ran; start it with manage.py runstream")
    names = list(Symbol.objects.followed().values_list("name", flat=True))
    states = read_states(connection(), names)
    report = {
        "lag_ms": streams.lag_ms,
        "damaged": streams.damaged,
        "shards": {one.shard: _shard(one, streams.now_ms) for one in streams.shards},
        "symbols": {name: stream_json(name, streams, states.get(name)) for name in names},
    }
    wrong = {
        "up": None,
        "down": "not connected to the exchange; it keeps trying",
        "stale": "no stream process responds; is manage.py runstream running?",
    }
    return _checked(wrong[streams.availability], report)


def _shard(shard: StreamState, now_ms: int) -> Report:
    return {
        "connected": shard.connected,
        "leader": shard.holder,
        "holder": shard.holder,
        "standbys": shard.standbys,
        "beat_age_ms": now_ms - shard.beat_ms,
        "last_frame_age_ms": now_ms - shard.last_frame_ms if shard.last_frame_ms else None,
    }


def worker() -> Report:
    beat = cast(bytes | None, connection().get(BEAT_KEY))
    if beat is None:
        raise PartFailed("no worker responds; start one with celery -A tradingsite worker")
    age_ms = now_ms() - int(beat)
    silent = f"no worker or no beat for {age_ms // 1000} s" if age_ms > MAX_BEAT_AGE_MS else None
    return _checked(silent, {"beat_age_ms": age_ms})


def exchange_clock() -> Report:
    """The exchange's clock, in milliseconds ahead of ours, as the stream processes measured it."""
    offsets = [shard.clock_offset_ms for shard in Streams.read().shards]
    if not offsets:
        raise PartFailed("not measured: the stream process never ran")
    offset_ms = max(offsets, key=abs)
    off = abs(offset_ms) > MAX_CLOCK_OFFSET_MS
    return _checked(
        "our clock is off by more than a second; set it" if off else None,
        {"offset_ms": offset_ms},
    )


def unanswered_orders() -> Report:
    """Orders that were sent and whose outcome is unknown."""
    sent = Order.objects.filter(status__in=UNANSWERED).order_by("submitted_at")
    times = [time for time in sent.values_list("submitted_at", flat=True) if time is not None]
    age_ms = (datetime.now(UTC) - times[0]).total_seconds() * 1000 if times else None
    late = age_ms is not None and age_ms > MAX_UNANSWERED_MS
    return _checked(
        "an order has been without an answer for more than a minute" if late else None,
        {"count": len(times), "oldest_age_ms": None if age_ms is None else int(age_ms)},
    )


def account_stream() -> Report:
    """The account's own events, as the process that listens to them reports."""
    stored = cast(bytes | None, connection().get(STATE_KEY))
    if stored is None:
        raise PartFailed("no response; is manage.py runstream running?")
    state = orjson.loads(stored)
    last_frame_ms = state["last_frame_ms"]
    report = {
        "subscribed": state["subscribed"],
        "last_frame_age_ms": now_ms() - last_frame_ms if last_frame_ms else None,
    }
    why = f"not subscribed; it keeps trying ({state['error'] or 'connecting'})"
    return _checked(None if state["subscribed"] else why, report)


def reconciliation() -> Report:
    """Alarms that stand: differences of account and books, and symbols that are not trading."""
    alarms = raised_alarms()
    report = {
        "alarms": [
            {"symbol": one.symbol.name, "text": one.text, "since": iso(one.since)} for one in alarms
        ]
    }
    differing = any(one.kind == AlarmKind.DIFFERENCE for one in alarms)
    others = "; ".join(f"{one.symbol.name}: {one.text}" for one in alarms)
    return _checked("account and books disagree" if differing else others or None, report)


class HealthCheck:
    """One part's check in a thread of its own. While one runs, whoever asks waits for that one:
    a part that hangs has one thread, however often it is asked for.
    """

    def __init__(self, check: Callable[[], Report]) -> None:
        self.check = check
        self._lock = threading.Lock()
        self._running: Future[Report] | None = None

    def start(self) -> "Future[Report]":
        """The check that is under way, else a new one. Its report belongs to all who wait for it,
        and nothing of it is kept for those who ask later.
        """
        with self._lock:
            if self._running is None or self._running.done():
                running: Future[Report] = Future()
                # A daemon: a check that hangs must not keep the process from ending.
                threading.Thread(
                    target=lambda: running.set_result(self._run()), daemon=True
                ).start()
                self._running = running
            return self._running

    def _run(self) -> Report:
        try:
            return {"ok": True, **self.check()}
        except PartFailed as failure:
            return {"ok": False, "error": str(failure), **failure.report}
        except Exception as error:
            # Whatever it is, it is what the part has to say: /health reports it, never fails.
            return {"ok": False, "error": _line(error)}
        finally:
            connections.close_all()


def _line(error: Exception) -> str:
    words = str(error).strip().splitlines()
    return f"{type(error).__name__}: {words[0][:200]}" if words else type(error).__name__


CHECKS = {
    check.__name__: HealthCheck(check)
    for check in (
        database,
        redis,
        stream,
        worker,
        exchange_clock,
        unanswered_orders,
        account_stream,
        reconciliation,
    )
}


def run_checks(checks: Mapping[str, HealthCheck] = CHECKS) -> dict[str, Report]:
    """Every part by name: `ok`, what there is to say of it, and `error` where it is not ok."""
    running = {name: check.start() for name, check in checks.items()}
    deadline = time.monotonic() + ANSWER_TIMEOUT_S
    return {name: _report_by(deadline, check) for name, check in running.items()}


def _report_by(deadline: float, running: "Future[Report]") -> Report:
    """The report of a check, or that there was none by `deadline` (monotonic seconds)."""
    try:
        return running.result(max(0.0, deadline - time.monotonic()))
    except TimeoutError:
        return {"ok": False, "error": f"no answer within {ANSWER_TIMEOUT_S:.0f} s"}
