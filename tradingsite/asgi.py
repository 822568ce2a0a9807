"""HTTP to Django, WebSocket to the dashboard's consumer; both on every port daphne serves."""

import os

from channels.routing import ProtocolTypeRouter
from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingsite.settings")
django = get_asgi_application()  # sets Django up, before anything that needs its models

from tradingsite import logs
from tradingsite.live.consumer import DashboardConsumer
from tradingsite.web.body_limit import limit_bodies
from tradingsite.web.charset import in_utf8
from tradingsite.web.proxy import BehindProxy, PublicAddress
from tradingsite.web.shutdown import finishing, stop_in_time
from tradingsite.web.unprepared import OncePrepared

logs.set_up()
stop_in_time()
limit_bodies()
application = OncePrepared(
    BehindProxy(
        ProtocolTypeRouter({"http": finishing(in_utf8(django)), "websocket": DashboardConsumer()}),
        settings.TRUSTED_PROXY,
        PublicAddress.of_url(settings.PUBLIC_URL) if settings.PUBLIC_URL else None,
    )
)
