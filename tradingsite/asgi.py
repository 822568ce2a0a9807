"""HTTP to Django, WebSocket to the dashboard's consumer; both on every port daphne serves."""

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingsite.settings")
http = get_asgi_application()  # sets Django up, before anything that needs its models

from tradingsite.consumers import DashboardConsumer  # noqa: E402

application = ProtocolTypeRouter({"http": http, "websocket": DashboardConsumer()})
