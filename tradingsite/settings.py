"""Every setting of the system, read once from the environment or `.env`.

`.env.example` lists the variables with unit and default; `tradingsite.startup.env` refuses what
cannot be used.
"""

import os
import re
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

from candles.intervals import INTERVALS_MS
from market.hosts import LOOPBACK_HOSTS, archive_url_error, url_error
from tradingsite.startup.env import (
    BadSetting,
    env_bool,
    env_checked,
    env_decimal,
    env_files,
    env_folder,
    env_int,
    env_limit,
    env_list,
    env_networks,
    env_origin,
    env_str,
    env_symbols,
    is_set,
)
from tradingsite.startup.env_file import load_env_file
from tradingsite.startup.servers import env_database, env_redis
from tradingsite.startup.var_dir import read_secret_key

BASE_DIR = Path(__file__).resolve().parent.parent
load_env_file(BASE_DIR / ".env")

# --- Where the system writes and listens -------------------------------------------------

VAR_DIR = env_folder("VAR_DIR", BASE_DIR / "var")  # made by `prepare`
os.umask(0o077)  # what is written there is its owner's alone
ADMIN_PASSWORD_FILE = VAR_DIR / "admin_password"
BIND = env_str("BIND", "127.0.0.1")
BOUND_TO_LOOPBACK = BIND in LOOPBACK_HOSTS
PORT = env_int("PORT", 8000, least=1, most=65535)
WS_PORT = env_int("WS_PORT", 8001, least=1, most=65535)
PUBLIC_URL = env_origin("PUBLIC_URL")  # as browsers know the site, through a proxy
PUBLIC_HOST = urlsplit(PUBLIC_URL).netloc
TRUSTED_PROXY = env_networks("TRUSTED_PROXY", "127.0.0.1,::1" if PUBLIC_URL else "")
HTTPS = PUBLIC_URL.startswith("https://")
if HTTPS and not (BOUND_TO_LOOPBACK or is_set("TRUSTED_PROXY")):
    raise BadSetting("TRUSTED_PROXY", "", f"name the proxy that serves PUBLIC_URL={PUBLIC_URL}")
IS_PUBLIC = bool(PUBLIC_URL) or not BOUND_TO_LOOPBACK
PUBLIC_READ = env_bool("PUBLIC_READ", default=not IS_PUBLIC)

DEBUG = env_bool("DEBUG", default=False)
if not BOUND_TO_LOOPBACK and len(env_str("SECRET_KEY")) < 50:
    shown = "…" if is_set("SECRET_KEY") else ""
    raise BadSetting(
        "SECRET_KEY", shown, f"give 50 or more random characters, for BIND={BIND} is not loopback"
    )
SECRET_KEY = env_str("SECRET_KEY") or read_secret_key(VAR_DIR)  # empty until `prepare` made it
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", f"localhost,127.0.0.1,[::1],{BIND}")
if PUBLIC_HOST:
    ALLOWED_HOSTS.append(re.sub(r":\d+$", "", PUBLIC_HOST))
if DEBUG and (IS_PUBLIC or not set(ALLOWED_HOSTS) <= {*LOOPBACK_HOSTS, "[::1]"}):
    raise BadSetting("DEBUG", "true", "its pages tell secrets: use it on loopback alone")

# --- The exchange -------------------------------------------------------------------------

SANDBOX_PORT = env_int("SANDBOX_PORT", 9090, least=1, most=65535)
SANDBOX_SEED = env_int("SANDBOX_SEED", 1, least=0, most=2**63 - 1)
SANDBOX_REPLAY = env_files("SANDBOX_REPLAY", BASE_DIR)
SANDBOX_SPEED = env_decimal("SANDBOX_SPEED", "1", above="0", below="100000")

# The sandbox opens to the credentials that Binance prints in its documentation: public, and
# worth nothing anywhere else.
SANDBOX_API_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SANDBOX_API_SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"  # noqa: S105

USES_SANDBOX = not is_set("BINANCE_API_KEY") and not is_set("BINANCE_API_SECRET")
if not USES_SANDBOX:
    for name in ("BINANCE_API_KEY", "BINANCE_API_SECRET"):
        if not is_set(name):
            raise BadSetting(name, "", "give both the key and its secret, or neither")
BINANCE_API_KEY = env_str("BINANCE_API_KEY", SANDBOX_API_KEY)
BINANCE_API_SECRET = env_str("BINANCE_API_SECRET", SANDBOX_API_SECRET)

_SANDBOX = f"127.0.0.1:{SANDBOX_PORT}"


def _project_version() -> str:
    project = tomllib.loads((BASE_DIR / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def _exchange_url(name: str, scheme: str, sandbox: str, testnet: str) -> str:
    url = env_checked(name, sandbox if USES_SANDBOX else testnet, url_error)
    if not url.lower().startswith((f"{scheme}://", f"{scheme}s://")):
        raise BadSetting(name, url, f"use an address with {scheme}:// or {scheme}s://")
    return url.rstrip("/")


BINANCE_REST_URL = _exchange_url(
    "BINANCE_REST_URL", "http", f"http://{_SANDBOX}", "https://testnet.binance.vision"
)
BINANCE_STREAM_URL = _exchange_url(
    "BINANCE_STREAM_URL", "ws", f"ws://{_SANDBOX}", "wss://stream.testnet.binance.vision"
)
BINANCE_WS_API_URL = _exchange_url(
    "BINANCE_WS_API_URL",
    "ws",
    f"ws://{_SANDBOX}/ws-api/v3",
    "wss://ws-api.testnet.binance.vision/ws-api/v3",
)
BINANCE_ARCHIVES_URL = env_checked(
    "BINANCE_ARCHIVES_URL", "https://data.binance.vision", archive_url_error
)
# Does `make run` have a sandbox to start, or do the addresses lead elsewhere?
STARTS_SANDBOX = USES_SANDBOX and SANDBOX_PORT in {
    urlsplit(url).port for url in (BINANCE_REST_URL, BINANCE_STREAM_URL, BINANCE_WS_API_URL)
}

# --- What is traded -----------------------------------------------------------------------

SYMBOLS = env_symbols("SYMBOLS", "BTCUSDT,ETHUSDT")
INTERVALS = env_list("INTERVALS", "1m", among=INTERVALS_MS)
SMA_PERIOD = env_int("SMA_PERIOD", 10, least=1, most=1000)
EMA_PERIOD = env_int("EMA_PERIOD", 5, least=1, most=1000)
VARIANT_A_SL = env_decimal("VARIANT_A_SL", "0.15", above="0", below="1")  # fraction of entry
VARIANT_B_SL = env_decimal("VARIANT_B_SL", "0.10", above="0", below="1")
# Which of the four above the operator set: those govern strategies A and B at every start.
SET_STRATEGY_PARAMETERS = frozenset(
    name for name in ("SMA_PERIOD", "EMA_PERIOD", "VARIANT_A_SL", "VARIANT_B_SL") if is_set(name)
)
TRADING_ENABLED = env_bool("TRADING_ENABLED", default=True)
PROTECTIVE_STOPS = env_bool("PROTECTIVE_STOPS", default=False)  # stops rest at the exchange too
# What limits entries; 0 switches a limit off. Exits are never limited.
MAX_ENTRIES_PER_HOUR = env_int("MAX_ENTRIES_PER_HOUR", 1000, least=0, most=1_000_000)
MAX_DAILY_LOSS = env_limit("MAX_DAILY_LOSS", "0", below="1e12")  # quote asset
MAX_PRICE_MOVE = env_limit("MAX_PRICE_MOVE", "0.02", below="100")  # fraction
# Every tick in files by hour, and how long those are kept; 0 is for good, or however large.
RECORD_TICKS = env_bool("RECORD_TICKS", default=False)
TICKS_DIR = VAR_DIR / "ticks"
TICKS_MAX_DAYS = env_int("TICKS_MAX_DAYS", 30, least=0, most=100_000)
TICKS_MAX_BYTES = env_int("TICKS_MAX_BYTES", 10_000_000_000, least=0, most=2**63 - 1)
TRADE_LOG = VAR_DIR / env_str("TRADE_LOG", "trades.jsonl")

# --- Database, Redis, Celery, Channels ----------------------------------------------------

DATABASES = {"default": env_database("DATABASE_URL", f"sqlite:///{VAR_DIR / 'db.sqlite3'}")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

MAX_SOCKET_PATH_BYTES = 100  # bytes; the kernels' own limits are 103 and 107
REDIS_SOCKET = VAR_DIR / "redis.sock"
STARTS_REDIS = not is_set("REDIS_URL")
if STARTS_REDIS and len(os.fsencode(REDIS_SOCKET)) > MAX_SOCKET_PATH_BYTES:
    raise BadSetting(
        "VAR_DIR", str(VAR_DIR), "too long for a Unix socket: choose a shorter one, or REDIS_URL"
    )
REDIS_URL = env_redis("REDIS_URL", f"unix://{REDIS_SOCKET}")

CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL]},
    }
}

# --- Django -------------------------------------------------------------------------------

INSTALLED_APPS = [
    "django.contrib.admin.apps.SimpleAdminConfig",  # urls load the apps' admin, for web
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "accounts",
    "market",
    "candles",
    "strategies",
    "orders",
    "tradingsite",
]
MIDDLEWARE = [
    "tradingsite.web.middleware.SecurityHeaders",
    "tradingsite.web.middleware.ReadableCookies",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "tradingsite.urls"
ASGI_APPLICATION = "tradingsite.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
AUTHENTICATION_BACKENDS = ["accounts.authentication.BrakedBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True  # no collectstatic between a change and the page
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SECURE_REFERRER_POLICY = "same-origin"
# Behind a proxy that ends TLS, nothing is served without it but /health, to programs beside us.
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_SSL_HOST = PUBLIC_HOST or None
SECURE_REDIRECT_EXEMPT = [r"^health$"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS

# --- REST -----------------------------------------------------------------------------------

REST_FRAMEWORK = {
    # The first one also says how strangers are sent away: with 401.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["tradingsite.rest.permissions.ReadersAndStaff"],
    "DEFAULT_RENDERER_CLASSES": ["foundation.rest.renderers.JsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["foundation.rest.parsers.JsonParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "tradingsite.rest.errors.error_response",
    "URL_FORMAT_OVERRIDE": None,  # `format` is a parameter of /trades alone
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Trading system",
    "DESCRIPTION": (
        "Prices, quantities and money are decimal strings; times are ISO 8601 in UTC. "
        'Refusals are `{"error": code, "detail": text}`. Reads are open where PUBLIC_READ; '
        "writes need staff with the permission that the admin asks for: a session with its CSRF "
        "token, or `Authorization: Token …`. `python manage.py createtoken USER` makes a token, "
        "and so does the [admin](/admin/accounts/token/add/); it is shown once."
    ),
    "VERSION": _project_version(),
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["tradingsite.rest.permissions.ReadersAndStaff"],
    "SWAGGER_UI_DIST": "SIDECAR",  # served by us, not from a CDN
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "OrderStatus": "orders.representation.STATUSES",
        "PositionStatus": "orders.models.Position.Status",
        "Side": "orders.representation.SIDES",
    },
}
