"""The steps between a decision and its booked fills at which a process can be killed.

Every step is a function of ours that is wrapped: killed as it is called, or once it has returned.
While the file `crashes` of VAR_DIR exists processes crash, and write there where they did.
"""

import importlib
import os
import signal
import threading
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

FILE = "crashes.log"
FIRST_CHANCE = 0.5  # of a step at which nothing has crashed yet
CHANCE = 0.01
WHOLE_GROUP = 0.3  # else the one process alone: a worker's child, whose parent lives on


class Step(NamedTuple):
    """`where` is a module and, after the colon, the name that callers find the function by."""

    name: str
    where: str
    before: bool


STEPS = [
    Step("intent written, not committed", "orders.services.pre_trade:write_orders", before=False),
    Step("committed, nobody told", "foundation.events:_react", before=True),
    Step("committed, nobody told", "orders.tasks:submit_orders.delay", before=True),
    Step("claimed, not committed", "orders.services.sending:record_changes", before=False),
    Step("claimed, not sent", "orders.services.sending:_send", before=True),
    Step("sent, not answered", "urllib3.connection:HTTPConnection.getresponse", before=True),
    Step("answered, not booked", "orders.services.sending:_book_answer", before=True),
    Step("fills written, not committed", "orders.services.booking:_book_fills", before=False),
    Step("booked, the next one not", "orders.services.sending:_book_answer", before=False),
    Step("logged, not marked", "os:fsync", before=False),
    Step("stop hit, not written", "tradingsite.stream.stop_monitor:stop_out", before=True),
    Step("stop written and told", "tradingsite.stream.stop_monitor:stop_out", before=False),
    Step("stop cancelled, not booked", "orders.services.protection:_cancel_stop", before=False),
    Step("stop ended, sale not sent", "orders.services.protection:_cancel_stops", before=False),
    Step("event heard, not booked", "orders.services:apply_executions", before=True),
]
_placing = threading.local()


class Crasher:
    """Decides, and kills."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.log = folder / FILE
        self.dice = Random(f"{seed}:{os.getpid()}")
        os.register_at_fork(after_in_child=lambda: self.dice.seed(f"{seed}:{os.getpid()}"))

    def pass_by(self, step: str) -> None:
        """Perhaps the last thing this process does."""
        try:
            log = os.open(self.log, os.O_RDWR | os.O_APPEND)  # never made anew: then it is over
        except FileNotFoundError:
            return
        crashed = os.read(log, 1_000_000).decode().splitlines()
        if self.dice.random() < (CHANCE if step in crashed else FIRST_CHANCE):
            os.write(log, f"{step}\n".encode())
            if self.dice.random() < WHOLE_GROUP:
                os.killpg(os.getpgrp(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        os.close(log)

    def install(self) -> None:
        for step in STEPS:
            owner, name = _found(step.where)
            setattr(owner, name, self._wrapped(getattr(owner, name), step))
        sending = importlib.import_module("orders.services.sending")
        vars(sending)["_place"] = _marked(vars(sending)["_place"])

    def _wrapped(self, function: Callable[..., Any], step: Step) -> Callable[..., Any]:
        @wraps(function)
        def passing(*args: Any, **kwargs: Any) -> Any:
            counts = _counts(step, args)
            if step.before and counts:
                self.pass_by(step.name)
            result = function(*args, **kwargs)
            if not step.before and counts:
                self.pass_by(step.name)
            return result

        return passing


def _counts(step: Step, args: Sequence[Any]) -> bool:
    """Of all requests those that place an order, of all reactions the sending, of all notes those
    of a claim, which say nothing; no taking back of no stops at all.
    """
    if "getresponse" in step.where:
        return getattr(_placing, "now", False)
    if "_react" in step.where:
        return bool(args[0] == "orders.send")
    if "sending:record_changes" in step.where:
        return len(args) == 2
    return bool(args[0]) if "_cancel_stops" in step.where else True


def _found(where: str) -> tuple[Any, str]:
    """What holds the function, and its name there."""
    module, _, path = where.partition(":")
    *outer, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for part in outer:
        owner = getattr(owner, part)
    return owner, name


def _marked(place: Callable[..., Any]) -> Callable[..., Any]:
    """Of all requests only those that place an order are to be struck."""

    @wraps(place)
    def placing(*args: Any) -> Any:
        _placing.now = True
        try:
            return place(*args)
        finally:
            _placing.now = False

    return placing
