"""Modules that a process loads: no view, page or admin where none is served."""

import subprocess

import pytest

from tests.servers import PYTHON, ROOT

pytestmark = pytest.mark.processes

LOADED = """
import sys
import django
from importlib import import_module
django.setup()
for name in sys.argv[1:]:
    import_module(name)
print(*sys.modules)
"""
STREAM = ("tradingsite.wiring", "tradingsite.management.commands.runstream")
WORKER = (
    "tradingsite.celery", "tradingsite.wiring", "tradingsite.warmup", "tradingsite.tasks",
    "market.tasks", "candles.tasks", "orders.tasks", "strategies.tasks",
)  # fmt: skip
APPS = ("foundation", "market", "candles", "orders", "strategies")


def loaded(*names: str) -> list[str]:
    """Modules that a fresh interpreter has loaded once it imported `names`."""
    command = [PYTHON, "-c", LOADED, *names]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("names", [STREAM, WORKER], ids=["stream", "worker"])
def test_who_serves_no_page_loads_no_view(names: tuple[str, ...]) -> None:
    views = {f"{app}.{edge}" for app in APPS for edge in ("api", "admin")}
    found = loaded(*names)
    assert set(names) <= set(found)
    assert [
        name
        for name in found
        if name in views or name == "tradingsite.urls" or name.startswith("tradingsite.rest")
    ] == []
