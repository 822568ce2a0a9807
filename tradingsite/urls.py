"""REST, pages, admin."""

from django.contrib import admin
from django.templatetags.static import static
from django.urls import path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from accounts.authentication import BrakedLoginForm
from candles import api as candles
from orders import api as orders
from strategies import api as strategies
from tradingsite.rest import health as views
from tradingsite.rest import pages
from tradingsite.rest import positions as positions_api
from tradingsite.rest import symbols as symbols_api

admin.autodiscover()
admin.site.site_header = "Trading system"
admin.site.site_title = "Trading system"
admin.site.index_title = "Administration"

admin.site.login_form = BrakedLoginForm

# No script and no style stands in the page itself: the Content-Security-Policy lets none in.
DOCS = SpectacularSwaggerSplitView.as_view(url_name="schema", template_name="docs.html")
handler400 = "tradingsite.rest.health.bad_request"
handler500 = "tradingsite.rest.health.server_fault"

urlpatterns = [
    path("", pages.dashboard),
    path("favicon.ico", RedirectView.as_view(url=static("icon.svg"))),
    path("admin/", admin.site.urls),
    path("health", views.HealthView.as_view()),
    path("symbols", symbols_api.SymbolsView.as_view()),
    path("symbols/<str:symbol>", symbols_api.SymbolView.as_view()),
    path("candles", candles.CandlesView.as_view()),
    path("candles/<str:symbol>", candles.SymbolCandlesView.as_view()),
    path("ticks", candles.TicksView.as_view()),
    path("ticks/<str:symbol>", candles.SymbolTicksView.as_view()),
    path("positions", positions_api.PositionsView.as_view()),
    path("positions/<str:symbol>", positions_api.SymbolPositionsView.as_view()),
    path("trades", orders.TradesView.as_view()),
    path("orders", orders.OrdersView.as_view()),
    path("adjustments", orders.AdjustmentsView.as_view()),
    path("signals", strategies.SignalsView.as_view()),
    path("strategy", strategies.StrategiesView.as_view()),
    path("strategy/<str:name>", strategies.StrategyView.as_view()),
    path("halt", orders.HaltView.as_view()),
    path("performance", positions_api.PerformanceView.as_view()),
    path("schema", SpectacularAPIView.as_view(), name="schema"),
    path("docs", pages.for_readers(DOCS)),
    re_path(rf"^(?:{'|'.join(views.API_PREFIXES)})/", views.UnknownPathView.as_view()),
]
