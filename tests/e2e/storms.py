"""Blows that every storm has."""

import time
from random import Random

from tests.servers import Redis, Site, frozen


class RedisBlows:
    """Kills and freezes the Redis of a site."""

    def __init__(self, site: Site, dice: Random) -> None:
        self.site, self.dice = site, dice

    def kill_redis(self) -> None:
        self.site.redis.kill()
        time.sleep(self.dice.uniform(0.1, 1.5))
        self.site.redis = Redis(self.site.folder)

    def freeze_redis(self) -> None:
        with frozen(self.site.redis):
            time.sleep(self.dice.uniform(0.1, 2.5))
