from django.apps import AppConfig


class TradingsiteConfig(AppConfig):
    name = "tradingsite"

    def ready(self) -> None:
        from tradingsite import celery, wiring

        celery.app.set_default()  # else shared tasks use an app of Celery's without our settings
        wiring.connect()
