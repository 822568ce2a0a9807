"""Import contracts: each catches what it forbids, planted one at a time in a copy."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import ROOT

pytestmark = pytest.mark.processes

PACKAGES = (
    "foundation", "accounts", "market", "candles", "orders", "strategies", "tradingsite",
    "launcher", "sandbox",
)  # fmt: skip
# Who imports whom, and a name of the contract that forbids it.
VIOLATIONS = [
    ("sandbox.clock", "market.ticks", "The sandbox imports nothing of the apps"),
    ("market.ticks", "sandbox.clock", "The apps import nothing of the sandbox"),
    ("launcher.preflight", "sandbox.clock", "The apps import nothing of the sandbox"),
    ("foundation.decimals", "market.ticks", "Apps import downwards"),
    ("market.services", "orders.models", "Apps import downwards"),
    ("candles.services.recording", "orders.models", "Apps import downwards"),
    ("orders.models", "candles.models", "Apps import downwards"),
    ("orders.services.booking", "strategies.models", "Apps import downwards"),
    ("strategies.tasks", "tradingsite.wiring", "Apps import downwards"),
    ("candles.ohlcv", "candles.models", "Core modules are plain Python"),
    ("orders.core.risk", "orders.models", "Core modules are plain Python"),
    ("candles.ohlcv", "foundation.redis", "Core modules are plain Python"),
    ("market.wire.frames", "market.rest", "Core modules are plain Python"),
    ("strategies.rules.sma_ema", "django.conf", "Core modules are plain Python"),
    ("orders.services.sending", "orders.venue.binance", "Services know the exchange"),
    ("strategies.services.exits", "orders.venue.wire", "Services know the exchange"),
    ("orders.models", "orders.venue.binance", "Services know the exchange"),
    ("orders.services.booking", "orders.tasks", "Orders:"),
    ("candles.live.ingest", "candles.services.recording", "Candles:"),
    ("candles.services.recording", "candles.api", "Candles:"),
    ("strategies.models", "strategies.services.evaluation", "Strategies:"),
    ("market.stream.connection", "market.services", "Market:"),
    ("market.wire.bounds", "market.wire.frames", "Wire:"),
    ("foundation.times", "foundation.redis", "Foundation:"),
    ("tradingsite.live.publisher", "tradingsite.rest.health", "Site:"),
    ("tradingsite.stream.recorder", "tradingsite.rest.positions", "Site:"),
    ("orders.services.booking", "channels.layers", "The apps know no page"),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of all that is imported, with the contracts."""
    copy = tmp_path_factory.mktemp("project")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package)
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def check(project: Path) -> "subprocess.CompletedProcess[str]":
    lint = Path(sys.executable).with_name("lint-imports")
    return subprocess.run([lint], cwd=project, capture_output=True, text=True, check=False)


def test_the_contracts_hold(project: Path) -> None:
    checked = check(project)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(("importer", "imported", "contract"), VIOLATIONS)
def test_a_planted_import_is_caught(
    project: Path, importer: str, imported: str, contract: str
) -> None:
    path = project / importer.replace(".", "/")
    module = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    innocent = module.read_text()
    module.write_text(f"{innocent}\n\ndef planted() -> None:\n    import {imported}\n")
    try:
        checked = check(project)
    finally:
        module.write_text(innocent)
    assert checked.returncode == 1, checked.stdout + checked.stderr
    broken = [line for line in checked.stdout.splitlines() if " BROKEN" in line]
    assert any(line.startswith(contract) for line in broken), broken


@pytest.mark.parametrize(
    "package",
    [
        "foundation",
        "accounts",
        "market",
        "market/wire",
        "candles",
        "strategies",
        "orders",
        "tradingsite",
        "sandbox",
    ],
)
def test_a_module_without_a_layer_is_caught(project: Path, package: str) -> None:
    stray = project / package / "stray.py"
    stray.write_text("")
    try:
        assert check(project).returncode == 1
    finally:
        stray.unlink()
