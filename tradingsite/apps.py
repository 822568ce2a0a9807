import atexit
import gc

import django_stubs_ext
from django.apps import AppConfig

# models.Field[…] and ModelAdmin[…] at run time. Configurations are read before any model is, and
# by no process that does without models.
django_stubs_ext.monkeypatch()


class TradingsiteConfig(AppConfig):
    name = "tradingsite"

    def ready(self) -> None:
        from tradingsite import celery, wiring

        celery.app.set_default()  # else shared tasks use an app of Celery's without our settings
        wiring.connect()
        # Or the interpreter would look through all that is loaded for garbage before it ends:
        # a second and more on a slow machine, of the five that a process has to stop in.
        atexit.register(gc.freeze)
