"""Blows that every storm has."""

import time
from random import Random

from launcher import redis_server
from launcher.redis_files import DataFiles
from tests.servers import Redis, Site, frozen


class RedisBlows:
    """Kills and freezes the Redis of a site, and cuts its power."""

    def __init__(self, site: Site, dice: Random) -> None:
        self.site, self.dice = site, dice

    def kill_redis(self) -> None:
        self.site.redis.kill()
        time.sleep(self.dice.uniform(0.1, 1.5))
        self.site.redis = Redis(self.site.folder)

    def cut_power_of_redis(self) -> None:
        """What was written last is gone, and zeros are in its place; `make run` repairs that."""
        self.site.redis.kill()
        files = sorted((self.site.folder / "appendonlydir").glob("*.incr.aof"))
        lost = self.dice.randint(1, 2000)
        for file in files[-1:]:
            kept = file.read_bytes()
            file.write_bytes(kept[: max(0, len(kept) - lost)] + bytes(4096))
        repaired = DataFiles(redis_server.program(), self.site.folder).repair()
        assert repaired or not files, "the damage was not noticed"
        self.site.redis = Redis(self.site.folder)

    def freeze_redis(self) -> None:
        with frozen(self.site.redis):
            time.sleep(self.dice.uniform(0.1, 2.5))
