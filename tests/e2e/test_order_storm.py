"""Dense trading in a storm: every process, Redis and the database are killed and frozen, the
exchange answers wrongly, late or not at all, and processes crash at every step between an order
and its booked fills; afterwards our books are the exchange's."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Set
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from sandbox.faults import registry
from tests.crashing.steps import FILE, STEPS
from tests.e2e.books import everything, last_differences
from tests.e2e.conftest import Built
from tests.e2e.storms import RedisBlows
from tests.environment import ON_POSTGRES
from tests.postgres import Postgres
from tests.servers import HANG_S, Sandbox, Server, ServerFailedError, Site, eventually, frozen

SYMBOLS = "BTCUSDT,ETHUSDT,BNBUSDT,SOLUSDT,XRPUSDT,ADAUSDT,DOGEUSDT,LTCUSDT"
FAULTS = (
    *registry.faults_by_name(registry.OrderFaultTypes),
    *registry.faults_by_name(registry.UserDataFaultTypes),
    *("read_lag", "clock_skew", "order_limit", "rate_limit", "rest_error", "slow_rest"),
    *("disconnect", "stall"),
    *("unknown_status", "suspension"),
)
# Averages and stops so close that every candle may cross and every rise and fall ends a position.
DENSE = {
    "SYMBOLS": SYMBOLS,
    "SMA_PERIOD": "3", "EMA_PERIOD": "2", "VARIANT_A_SL": "0.0004", "VARIANT_B_SL": "0.0002",
    "INTERVALS": "1s", "MAX_ENTRIES_PER_HOUR": "0", "MAX_PRICE_MOVE": "0",
}  # fmt: skip
SHORT_SEEDS = [3]  # a run of all tests has a quarter of an hour
# With the streams stopped, what rests at the exchange and fills is found once a minute; so may be
# what is written down anew after that.
SETTLE_S = 180


class Storm(RedisBlows):
    """Kills, freezes and revives the processes of a site."""

    def __init__(self, site: Site, cluster: list[Postgres], dice: Random) -> None:
        super().__init__(site, dice)
        self.cluster = cluster
        names = ("web", "worker", "beat", "stream", "stream")
        self.running = [(name, site.start(name)) for name in names]
        self.blows: Counter[str] = Counter()

    def rage(self, seconds: float, enough: Callable[[], bool] = lambda: False) -> None:
        """Strike for so long, or until it is enough."""
        blows = [self.kill, self.kill, self.freeze, self.freeze]
        blows += [self.kill_redis, self.freeze_redis, self.cut_power_of_redis]
        blows += [self.kill_database, self.freeze_database] if self.cluster else []
        until = time.monotonic() + seconds
        while time.monotonic() < until and not enough():
            blow = self.dice.choice(blows)
            blow()
            self.blows[blow.__name__] += 1
            time.sleep(self.dice.uniform(1, 5))
            self.revive()

    def revive(self) -> None:
        """Start what was killed, or crashed of itself."""
        for place, (name, server) in enumerate(self.running):
            if server.process.poll() is not None:
                self.running[place] = (name, self.site.start(name))

    def kill(self) -> None:
        self._victim().kill()

    def freeze(self) -> None:
        with frozen(self._victim()):
            time.sleep(self.dice.uniform(0.2, 3))

    def kill_database(self) -> None:
        self.cluster[-1].kill()
        time.sleep(self.dice.uniform(0.1, 1.5))
        self.cluster.append(restarted(self.cluster[-1]))

    def freeze_database(self) -> None:
        with frozen(self.cluster[-1]):
            time.sleep(self.dice.uniform(0.1, 2))

    def crashes(self) -> Counter[str]:
        """The steps at which processes crashed so far."""
        return Counter((self.site.folder / FILE).read_text().splitlines())

    def end(self) -> None:
        """No more blows, and no further signals."""
        (self.site.folder / FILE).rename(self.site.folder / "crashed.log")
        time.sleep(1)  # who opened the file before may be about to crash
        self.revive()
        for name, server in self.running:
            if name == "stream":
                server.stop()

    @property
    def gone(self) -> list[str]:
        """What no longer runs though nobody stopped it: its exit code and its last words."""
        return [
            f"{name} {server.process.returncode}: {server.text()[-2000:]}"
            for name, server in self.running
            if name != "stream" and server.process.poll() is not None
        ]

    def _victim(self) -> Server:
        return self.dice.choice(self.running)[1]


def restarted(database: Postgres) -> Postgres:
    """What a killed server's children leave in shared memory has first to go."""
    for _ in range(20):
        try:
            return Postgres(database.folder, database.port, durable=True)
        except ServerFailedError:
            time.sleep(0.5)
    raise ServerFailedError(database.text()[-3000:])


@pytest.fixture
def own_cluster(own_folder: Path) -> Iterator[list[Postgres]]:
    """A PostgreSQL that may be killed, and its successors; none where the tests run on SQLite."""
    started = [Postgres(own_folder / "cluster", durable=True)] if ON_POSTGRES else []
    yield started
    for database in started:
        database.stop()


def weather(
    cluster: list[Postgres],
    system: Callable[..., Built],
    seed: int,
    seconds: float,
    steps: Set[str] = frozenset(),
) -> set[str]:
    """Let it rage, then hold the books against the ledger; returns the steps that were struck.

    It goes on for as long again where not all of `steps` were struck by then.
    """
    dice = Random(seed)
    fees = ["--fee-asset", "BNB", "--fee", "0.02"] if seed % 3 == 0 else []
    settings = DENSE | {"PROTECTIVE_STOPS": "true" if seed % 2 else "false"}
    if cluster:
        settings["DATABASE_URL"] = cluster[-1].url
    print(f"ORDER_STORM_SEED={seed}, fees {fees}, stops {settings['PROTECTIVE_STOPS']}")
    sandbox, site = system(
        "--seed", str(seed), "--rate", "5", "--symbols", SYMBOLS, *fees,
        SANDBOX_SEED=str(seed), DJANGO_SETTINGS_MODULE="tests.crashing.settings", **settings,
    )  # fmt: skip
    if fees:  # so little of it is left that fees soon eat what positions hold
        granted = Decimal(sandbox.ledger()["initial_balances"]["BNB"])
        sandbox.inject("transfer", asset="BNB", amount=str(Decimal("0.01") - granted))
    storm = Storm(site, cluster, dice)
    assert eventually(lambda: everything(site, "trades"), 2 * HANG_S)
    (site.folder / FILE).touch()
    sandbox.storm(seed, 0.8, *FAULTS)
    storm.rage(seconds / 2)
    sandbox.inject("delisting", symbol=dice.choice(SYMBOLS.split(",")))  # it comes back at the end
    storm.rage(seconds / 2)
    storm.rage(seconds, lambda: steps <= set(storm.crashes()))
    injected = sandbox.calm()
    storm.end()
    left = last_differences(site, sandbox, SETTLE_S)
    crashes = Counter((site.folder / "crashed.log").read_text().splitlines())
    print(f"{len(injected)} faults, blows {dict(storm.blows)}, crashes {dict(crashes)}")
    tell_orders(site, sandbox)
    print(f"gone since: {storm.gone}")
    assert left == []
    return set(crashes)


def tell_orders(site: Site, sandbox: Sandbox) -> None:
    orders = everything(site, "orders")
    states = Counter(order["status"] for order in orders)
    denials = Counter(
        order["reason"].split(":")[0] for order in orders if order["status"] == "DENIED"
    )
    sent = len(sandbox.ledger()["orders"])
    print(f"orders {dict(states)}, denied {dict(denials)}, {sent} in the ledger")


@pytest.mark.processes
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SHORT_SEEDS)
def test_the_books_balance_after_a_short_storm(
    own_cluster: list[Postgres], system: Callable[..., Built], seed: int
) -> None:
    assert weather(own_cluster, system, seed, 20)


@pytest.mark.processes
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(1, 31))
def test_the_books_balance_after_a_long_storm(
    own_cluster: list[Postgres], system: Callable[..., Built], seed: int
) -> None:
    steps = {step.name for step in STEPS if seed % 2 or "protection" not in step.where}
    assert weather(own_cluster, system, seed, 130, steps) == steps
