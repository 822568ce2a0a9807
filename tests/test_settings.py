"""What an operator may write into the environment, and what happens where it is wrong."""

import ast
import os
import re
import runpy
import stat
import subprocess
import sys
import tomllib
from typing import Any

import pytest
from django.conf import settings

from tests.environment import setting_names
from tests.servers import ROOT
from tradingsite.startup.env import BadSetting
from tradingsite.startup.var_dir import make_secret_key

PRODUCTION = "https://api.binance.com"
KEYS = {"BINANCE_API_KEY": "k" * 64, "BINANCE_API_SECRET": "s" * 64}
URLS = ("BINANCE_REST_URL", "BINANCE_STREAM_URL", "BINANCE_WS_API_URL")


def read(settings: dict[str, str]) -> dict[str, Any]:
    """What the settings module defines in an environment with these variables."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in settings.items():
            environment.setenv(name, value)
        return runpy.run_path(str(ROOT / "tradingsite" / "settings.py"))


def values(settings: dict[str, str], *names: str) -> list[str]:
    found = read(settings)
    return [str(found[name]) for name in names]


def complaint(settings: dict[str, str]) -> str:
    """The one line with which the start is refused."""
    with pytest.raises(BadSetting) as refusal:
        read(settings)
    line = str(refusal.value)
    assert "\n" not in line
    return line


def names_read() -> set[str]:
    """The first argument of every call that reads a variable."""
    tree = ast.parse((ROOT / "tradingsite" / "settings.py").read_text())
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args)
    named = ((ast.unparse(call.func), call.args[0]) for call in calls)
    return {
        str(argument.value)
        for name, argument in named
        if re.match(r"env_|_exchange_url", name) and isinstance(argument, ast.Constant)
    }


def test_the_example_names_every_setting_and_no_other():
    assert names_read() == setting_names()


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("PORT", "eighty", "1 to 65535"),
        ("WS_PORT", "0", "1 to 65535"),
        ("SANDBOX_PORT", "70000", "1 to 65535"),
        ("SANDBOX_SEED", "-1", "from 0"),
        ("SANDBOX_SPEED", "0", "above 0"),
        ("SANDBOX_REPLAY", "no/such.csv", "no file"),
        ("SMA_PERIOD", "0", "1 to 1000"),
        ("EMA_PERIOD", "5.5", "whole number"),
        ("VARIANT_A_SL", "1", "below 1"),
        ("VARIANT_A_SL", "1e-999999999", "above 0"),
        ("VARIANT_B_SL", "NaN", "above 0"),
        ("INTERVALS", "1m,7m", "1s, 1m"),
        ("SYMBOLS", ",", "comma-separated"),
        ("DEBUG", "maybe", "true or false"),
        ("PUBLIC_READ", "2", "true or false"),
        ("PROTECTIVE_STOPS", "always", "true or false"),
        ("TRADING_ENABLED", "ja", "true or false"),
        ("MAX_ENTRIES_PER_HOUR", "-1", "from 0"),
        ("MAX_DAILY_LOSS", "-50", "0 (no limit)"),
        ("MAX_PRICE_MOVE", "NaN", "0 (no limit)"),
        ("MAX_PRICE_MOVE", "0.0000000000001", "0 (no limit)"),
        ("DATABASE_URL", "mysql://root@localhost/x", "postgres://"),
        ("DATABASE_URL", "nonsense", "sqlite:///"),
        ("DATABASE_URL", "postgres://db.example/trading?sslmod=require", '"sslmod"'),
        ("DATABASE_URL", "postgres://", "user@host/name"),
        ("DATABASE_URL", "postgres://[db.example/trading", "user@host/name"),
        ("DATABASE_URL", "sqlite:///:memory:", "path/to/file"),
        ("DATABASE_URL", "sqlite://", "path/to/file"),
        ("REDIS_URL", "localhost", "redis://"),
        ("REDIS_URL", "redis://127.0.0.1:port/0", "redis://"),
        ("REDIS_URL", "redis://[::1", "redis://"),
        ("REDIS_URL", "redis://127.0.0.1:6379/first", "redis://"),
        ("REDIS_URL", "redis://", "redis://"),
        ("REDIS_URL", "unix://", "unix:///path"),
        ("BINANCE_REST_URL", "ws://127.0.0.1:9090", "http://"),
        ("BINANCE_STREAM_URL", "http://127.0.0.1:9090", "ws://"),
        ("BINANCE_ARCHIVES_URL", PRODUCTION, "data.binance.vision"),
        ("BINANCE_ARCHIVES_URL", "https://testnet.binance.vision", "data.binance.vision"),
        ("BINANCE_ARCHIVES_URL", "ws://127.0.0.1:9090", "https"),
        ("BINANCE_REST_URL", "https://data.binance.vision", "testnet.binance.vision"),
        ("VAR_DIR", "/dev/null/var", "folder"),
        ("VAR_DIR", f"/tmp/{'long' * 30}", "shorter"),  # noqa: S108
    ],
)
def test_a_wrong_value_stops_the_start_with_one_line(name, value, allowed):
    line = complaint({"REDIS_URL": "", name: value})
    assert line.startswith(f"{name}=")
    assert allowed in line


@pytest.mark.processes
def test_a_command_ends_with_that_line_too():
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env=os.environ | {"SMA_PERIOD": "ten"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "SMA_PERIOD='ten' cannot be used: use a whole number from 1 to 1000\n"


@pytest.mark.parametrize("name", URLS)
@pytest.mark.parametrize("keys", [{}, KEYS])
def test_a_production_host_is_refused_with_keys_and_without(name, keys):
    assert f"{name}='{PRODUCTION}'" in complaint(keys | {name: PRODUCTION})


def test_without_keys_all_addresses_lead_to_the_sandbox():
    assert values({"SANDBOX_PORT": "9191"}, *URLS, "STARTS_SANDBOX") == [
        "http://127.0.0.1:9191",
        "ws://127.0.0.1:9191",
        "ws://127.0.0.1:9191/ws-api/v3",
        "True",
    ]


def test_with_keys_all_addresses_lead_to_the_testnet():
    assert values(KEYS, *URLS, "STARTS_SANDBOX") == [
        "https://testnet.binance.vision",
        "wss://stream.testnet.binance.vision",
        "wss://ws-api.testnet.binance.vision/ws-api/v3",
        "False",
    ]


def test_another_sandbox_is_used_and_none_is_started():
    elsewhere = dict.fromkeys(URLS, "ws://127.0.0.1:7/") | {URLS[0]: "http://127.0.0.1:7"}
    assert values(elsewhere, "BINANCE_STREAM_URL", "STARTS_SANDBOX") == [
        "ws://127.0.0.1:7",
        "False",
    ]


@pytest.mark.parametrize("given", sorted(KEYS))
def test_half_a_pair_of_keys_is_refused_by_the_name_of_the_other(given):
    (other,) = set(KEYS) - {given}
    line = complaint({given: KEYS[given]})
    assert line.startswith(f"{other}=")
    assert KEYS[given] not in line


@pytest.mark.parametrize("secret", ["", "short"])
def test_beyond_loopback_a_long_secret_key_is_demanded(secret):
    line = complaint({"BIND": "0.0.0.0", "SECRET_KEY": secret})  # noqa: S104
    assert line.startswith("SECRET_KEY=")
    assert "50" in line
    assert "short" not in line


def test_beyond_loopback_reading_is_not_public():
    beyond = {"BIND": "0.0.0.0", "SECRET_KEY": "x" * 50}  # noqa: S104
    assert values(beyond, "PUBLIC_READ") == ["False"]
    assert values({}, "PUBLIC_READ") == ["True"]


def test_what_the_address_of_the_database_says_goes_before_our_options():
    url = "postgres://user@db.example/trading?sslmode=require&connect_timeout=1"
    (databases,) = values({"DATABASE_URL": url}, "DATABASES")
    options = ast.literal_eval(databases)["default"]["OPTIONS"]
    assert (options["sslmode"], int(options["connect_timeout"])) == ("require", 1)
    assert (options["tcp_user_timeout"], options["pool"]["max_size"]) == (10_000, 12)


def test_a_password_in_a_url_is_never_printed():
    for name in ("DATABASE_URL", "REDIS_URL"):
        assert "word" not in complaint({name: "mysql://user:word@localhost/x"})


def test_the_secret_key_is_kept_for_its_owner_alone(own_folder):
    unset = {"VAR_DIR": str(own_folder), "SECRET_KEY": ""}
    assert values(unset, "SECRET_KEY") == [""]
    assert not list(own_folder.iterdir())  # settings write nothing
    make_secret_key(own_folder)
    first = values(unset, "SECRET_KEY")
    make_secret_key(own_folder)
    assert values(unset, "SECRET_KEY") == first
    assert len(first[0]) >= 50
    assert stat.S_IMODE((own_folder / "secret_key").stat().st_mode) == 0o600


def test_only_what_the_operator_set_governs_the_first_two_strategies():
    assert values({}, "SET_STRATEGY_PARAMETERS") == ["frozenset()"]
    assert values({"SMA_PERIOD": "12"}, "SET_STRATEGY_PARAMETERS") == ["frozenset({'SMA_PERIOD'})"]


def test_the_version_has_one_source():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert settings.SPECTACULAR_SETTINGS["VERSION"] == version
    assert f"## [{version}] - " in (ROOT / "CHANGELOG.md").read_text()
