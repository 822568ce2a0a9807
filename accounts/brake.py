"""Brake on guessing passwords and tokens: failures counted in Redis, for all processes together.

After too many of them nothing is tried any more until a while has passed: of one account from one
address, of one account from anywhere, and from one address whatever the account. The middle one is
set high, for with it strangers could keep somebody out. Without Redis nothing is counted, and
attempts go through: whoever has to look after a Redis that is down must be able to sign in.
"""

import hashlib
from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address, ip_network
from typing import NamedTuple, cast

import structlog
from redis.client import Pipeline
from redis.exceptions import RedisError

from foundation.redis import connection

PREFIX = "brake:"
logger = structlog.get_logger(__name__)


class Bound(NamedTuple):
    """At most `failures` within `window_s` seconds from the first of them, counted under `key`."""

    key: str
    failures: int
    window_s: int


def source(address: str) -> str:
    """The part of a client's address that it cannot choose: of IPv6 the /64 network, for whoever
    has one has all its addresses. What is no address stands for itself.
    """
    try:
        parsed = ip_address(address)
    except ValueError:  # of a program of ours, or through a Unix socket
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped:  # of a socket that takes both kinds
        return str(parsed.ipv4_mapped)
    return str(ip_network((int(parsed), 64), strict=False))


def password_bounds(account: str, address: str) -> list[Bound]:
    account = hashlib.sha256(account.casefold().encode("utf-8", "surrogatepass")).hexdigest()[:32]
    address = source(address)
    return [
        Bound(f"{PREFIX}account:{account}:{address}", 5, 900),
        Bound(f"{PREFIX}account:{account}", 50, 900),
        Bound(f"{PREFIX}address:{address}", 20, 900),
    ]


def token_bounds(address: str) -> list[Bound]:
    return [Bound(f"{PREFIX}token:{source(address)}", 20, 60)]


def locked_for_s(bounds: Sequence[Bound]) -> int:
    """The seconds for which nothing may be tried; 0 where it may."""
    try:
        pipe = connection().pipeline(transaction=False)
        for bound in bounds:
            pipe.get(bound.key)
            pipe.ttl(bound.key)
        answers = pipe.execute()
    except RedisError as error:
        logger.warning("sign_in.count_failed", error=str(error))
        return 0
    waits = [
        max(1, cast(int, ttl))
        for bound, count, ttl in zip(bounds, answers[::2], answers[1::2], strict=True)
        if int(count or 0) >= bound.failures
    ]
    return max(waits, default=0)


def count(bounds: Sequence[Bound]) -> list[int]:
    """Count an attempt before it is tried, so that many at once are no more than one after the
    other; the attempts of each bound so far.
    """
    try:
        pipe = connection().pipeline()
        for bound in bounds:
            _begin(pipe, bound)
            pipe.incr(bound.key)
        return list(pipe.execute()[1::2])
    except RedisError as error:
        logger.warning("sign_in.count_failed", error=str(error))
        return [0] * len(bounds)


def _begin(pipe: Pipeline, bound: Bound) -> None:
    """Begin the bound's window where none runs. EXPIRE … NX would need Redis 7."""
    pipe.set(bound.key, 0, ex=bound.window_s, nx=True)


def exceeds(bounds: Sequence[Bound], counts: Sequence[int]) -> bool:
    return any(done > bound.failures for bound, done in zip(bounds, counts, strict=True))


def log_failure(bounds: Sequence[Bound], counts: Sequence[int], **facts: str) -> None:
    """Log a failed attempt, and the one that reaches a bound; never what was guessed."""
    logger.warning("sign_in.failed", **facts)
    for bound, done in zip(bounds, counts, strict=True):
        if done == bound.failures:
            logger.warning("sign_in.locked_out", failures=done, for_s=bound.window_s, **facts)


def forget(bounds: Sequence[Bound]) -> None:
    """Take back an attempt that succeeded, and the failures of the first, the narrowest bound: it
    was its user after all.
    """
    try:
        pipe = connection().pipeline()
        pipe.delete(bounds[0].key)
        for bound in bounds[1:]:
            _begin(pipe, bound)
            pipe.decr(bound.key)
        pipe.execute()
    except RedisError as error:
        logger.warning("sign_in.count_failed", error=str(error))
