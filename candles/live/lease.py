"""The leader's claim on a shard of symbols, and the fence that keeps a former leader out.

A leader takes a token of its own. Its lease expires unless it is renewed with every write, and
a write that bears another token than the fence's changes nothing.

Keys, `{shard}` being the leader's share of the symbols:

    candles:owner:{shard}      string  token of the living leader; expires unless renewed
    candles:fence:{shard}      string  token of the last leader
    candles:standby:{shard}    hash    name of a standby -> when it said so, in ms
"""

from pathlib import Path
from typing import cast
from uuid import uuid4

import redis

LEASE_MS = 1000  # another process takes over after this long without a write
MAX_STANDBY_SILENCE_MS = 1500


class Fenced(Exception):
    """Another process leads now; nothing was written."""


def lua(name: str) -> str:
    """The text of a script in this folder."""
    return Path(__file__).with_name("lua").joinpath(f"{name}.lua").read_text()


ACQUIRE, RELEASE, STAND_BY = lua("acquire"), lua("release"), lua("stand_by")


class Lease:
    """The right to write one shard's candles, held or stood by for under the name `holder`.

    `token` is empty before the lease was acquired.
    """

    def __init__(self, client: redis.Redis, shard: str = "1/1", holder: str = "") -> None:
        self.client = client
        self.shard = shard
        self.holder = holder
        self.token = ""
        self.key = f"candles:owner:{shard}"
        self.fence_key = f"candles:fence:{shard}"
        self._standby_key = f"candles:standby:{shard}"
        self._acquire = client.register_script(ACQUIRE)
        self._release = client.register_script(RELEASE)
        self._stand_by = client.register_script(STAND_BY)

    def acquire(self) -> bool:
        """Become the leader; False where another one is alive."""
        token = uuid4().hex
        keys = [self.key, self.fence_key, self._standby_key]
        acquired = bool(self._acquire(keys=keys, args=[token, LEASE_MS, self.holder]))
        self.token = token if acquired else ""
        return acquired

    def release(self) -> None:
        """Let another process take over without waiting."""
        self._release(keys=[self.key, self.fence_key], args=[self.token])

    def is_newest(self, token: str) -> bool:
        """False once another process has become the leader after the one with this token."""
        return bool(token) and self.client.get(self.fence_key) == token.encode()

    def stand_by(self) -> None:
        """Say that we are connected and would take over."""
        self._stand_by(keys=[self._standby_key], args=[self.holder, MAX_STANDBY_SILENCE_MS])

    def standbys(self) -> list[str]:
        """The names of those that would take over."""
        names = self._stand_by(keys=[self._standby_key], args=["", MAX_STANDBY_SILENCE_MS])
        return sorted(name.decode() for name in cast(list[bytes], names))
