"""The project's settings with crashes: for processes that a test starts and lets crash."""

from tradingsite.settings import *  # noqa: F403 (the same, and one app more)
from tradingsite.settings import INSTALLED_APPS as OURS

INSTALLED_APPS = [*OURS, "tests.crashing"]
