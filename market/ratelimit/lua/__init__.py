"""Lua scripts of the rate limiter: each runs in Redis as one step that nothing interrupts."""

from functools import cache
from pathlib import Path

import redis
from redis.commands.core import Script

FOLDER = Path(__file__).parent


def load_script(client: redis.Redis, name: str) -> Script:
    """The script `name`.lua, to be called with `keys` and `args`."""
    return client.register_script(_source(name))


@cache
def _source(name: str) -> str:
    return (FOLDER / f"{name}.lua").read_text()
