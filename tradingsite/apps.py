from django.apps import AppConfig


class TradingsiteConfig(AppConfig):
    name = "tradingsite"

    def ready(self) -> None:
        from tradingsite import wiring

        wiring.connect()
