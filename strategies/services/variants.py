"""The two strategies that come with the system."""

from django.conf import settings
from django.db import transaction

from strategies.models import Strategy

STOP_LOSS_SETTINGS = {"A": "VARIANT_A_SL", "B": "VARIANT_B_SL"}


@transaction.atomic
def ensure_variants() -> None:
    """Make strategies A and B where they are missing.

    A parameter that the operator set governs at every start; of the others the setting is the
    default at creation, and afterwards the admin governs.
    """
    for name, stop_loss in STOP_LOSS_SETTINGS.items():
        variables = {
            "sma_period": "SMA_PERIOD",
            "ema_period": "EMA_PERIOD",
            "stop_loss": stop_loss,
        }
        values = {field: getattr(settings, variable) for field, variable in variables.items()}
        governed = {
            field: values[field]
            for field, variable in variables.items()
            if variable in settings.SET_STRATEGY_PARAMETERS
        }
        Strategy.objects.update_or_create(name=name, defaults=governed, create_defaults=values)
