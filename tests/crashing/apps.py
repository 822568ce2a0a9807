from pathlib import Path

from django.apps import AppConfig
from django.conf import settings

from tests.crashing.steps import Crasher


class CrashingConfig(AppConfig):
    name = "tests.crashing"

    def ready(self) -> None:
        Crasher(Path(settings.VAR_DIR), settings.SANDBOX_SEED).install()
