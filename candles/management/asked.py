"""What a user asked a command for, checked, and whether to stop."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType

from django.core.management.base import CommandError

from candles.intervals import INTERVALS_MS
from foundation.times import to_ms, to_time
from market.models import Symbol
from market.rest import ExchangeRefused, MarketRest
from market.services import ExchangeUnreachable, UnknownSymbol, known
from market.wire import BadFrame

STOPPED = 130  # what a shell says of a program that SIGINT ended


def symbol_asked(name: str, rest: MarketRest) -> Symbol:
    """The symbol, stored or learned from the exchange. May raise ExchangeUnreachable."""
    try:
        return known(name.upper(), rest)
    except UnknownSymbol as error:
        raise CommandError(f"{error}; give one that it trades, like BTCUSDT") from error


def interval_asked(name: str) -> str:
    if name not in INTERVALS_MS:
        raise CommandError(f"--interval {name}: use one of {', '.join(INTERVALS_MS)}")
    return name


def time_asked(option: str, text: str) -> int:
    """A date or an ISO 8601 time, UTC where it names no zone, in ms since the epoch."""
    try:
        time = datetime.fromisoformat(text)
        return to_ms(time if time.tzinfo else time.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise CommandError(f"{option} {text}: give a date or time like 2024-01-31T12:00") from None


def written(time_ms: int) -> str:
    return f"{to_time(time_ms):%Y-%m-%d %H:%M:%S}"


@contextmanager
def asking() -> Iterator[threading.Event]:
    """What goes wrong between the exchange and us is the command's failure, in one line.

    The first SIGINT or SIGTERM sets the event; waiting for the exchange ends then.
    """
    with stoppable() as stopping:
        try:
            yield stopping
        except ExchangeRefused as error:
            raise CommandError(f"the exchange refused: {error}") from error
        except (ExchangeUnreachable, BadFrame) as error:
            if stopping.is_set():
                raise CommandError("stopped", returncode=STOPPED) from error
            raise CommandError(f"the exchange could not be asked: {error}") from error


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets; the second one does what it always did."""
    stopping = threading.Event()

    def stop(number: int, _: FrameType | None) -> None:
        stopping.set()
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, stop)
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
