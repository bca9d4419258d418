"""Django's settings, read from the environment (`coach.environment`) and nowhere else."""

import hashlib
import sys
from pathlib import Path
from uuid import UUID

import django_stubs_ext
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _
from pydantic import ValidationError

from coach import databases
from coach.environment import ROOT, Environment

django_stubs_ext.monkeypatch()

try:
    ENV = Environment()
except ValidationError as exc:
    sys.exit("\n".join(f"sidecoach: {fault['msg']}" for fault in exc.errors()))

BASE_DIR: Path = ROOT
DATA_DIR: Path = ENV.data_dir.resolve()
AUDIT_ANCHORS: Path = ENV.audit_anchors or DATA_DIR / "audit-anchors.jsonl"
DEBUG = ENV.debug
DEMO = ENV.demo


def _demo_secret(name: str) -> str:
    """A fixed, published value: only demo and debug get here (`refuse_unsafe_production`)."""
    return hashlib.sha256(f"sidecoach demo {name}".encode()).hexdigest()


SECRET_KEY = ENV.secret_key.get_secret_value() or _demo_secret("secret key")
VAULT_KEY = ENV.vault_key.get_secret_value() or _demo_secret("vault key")
VAULT_KEYS_BEFORE = [k for k in ENV.vault_keys_before.get_secret_value().split(",") if k]
ALLOWED_HOSTS = [h.strip() for h in ENV.allowed_hosts.split(",") if h.strip()] or [
    "localhost",
    "127.0.0.1",
    "[::1]",
]


def local_origins(port: int) -> list[str]:
    """The origins of a server on this machine, where no others are named."""
    return [f"http://{host}:{port}" for host in ("localhost", "127.0.0.1", "[::1]")]


ALLOWED_ORIGINS = [o.strip() for o in ENV.allowed_origins.split(",") if o.strip()] or local_origins(
    ENV.port
)
CSRF_TRUSTED_ORIGINS = [o for o in ALLOWED_ORIGINS if o.startswith("https://")]

INSTALLED_APPS = [
    "coach",
    "coach.gateway",
    "coach.reports",
    "coach.lexicons",
    "coach.cadence",
    "consent",
    "rag",
    "safety",
    "unfold.apps.BasicAppConfig",
    "coach.desk.apps.DeskConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "channels",
    "django_otp",
    "django_otp.plugins.otp_totp",
]

MIDDLEWARE = [
    "coach.ops.http.Timed",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "coach.ops.http.ContentPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "coach.ops.language.PageLanguage",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "coach.rooms.places.PlacesOfCaller",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "coach.urls"
ASGI_APPLICATION = "coach.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
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

DATABASES = databases.configure(
    app=ENV.database_url,
    owner=ENV.database_owner_url,
    vault=ENV.vault_database_url,
    vault_owner=ENV.vault_database_owner_url,
    data_dir=DATA_DIR,
    name=ENV.database_name,
)
DATABASE_ROUTERS = ["coach.databases.VaultRouter"]
EMBEDDED_DATABASE = ENV.embedded_database
DATABASE_POOL = ENV.database_pool
# Organisations are real rows; this one is created for whoever does not name another.
DEFAULT_ORGANISATION_ID = UUID("0b5e0c1a-6f0e-4b52-9d1f-5ac0ac4e0001")

if ENV.redis_url:
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "coach.live.layer.SteadyRedisLayer",
            "CONFIG": {
                # A reader waits five seconds for a message, which is no sign of a dead Redis.
                "hosts": [{"address": ENV.redis_url, "socket_timeout": 8.0}],
                "capacity": 1000,
                "expiry": 30,
            },
        }
    }
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": ENV.redis_url,
        }
    }
else:
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "coach.desk.rights.OrganisationAdministrators",
]
OTP_TOTP_ISSUER = "Sidecoach"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "console"
LOGOUT_REDIRECT_URL = "landing"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if not (DEBUG or DEMO):
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = True
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics"]
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

LANGUAGE_CODE = ENV.language_code
LANGUAGES = [("en", "English"), ("de", "German"), ("ar", "Arabic")]
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
LOCALE_PATHS = [ROOT / "coach" / "locale"]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = ROOT / "staticfiles"
STATICFILES_DIRS = [ROOT / "static"]
WHITENOISE_USE_FINDERS = DEBUG or DEMO
WHITENOISE_AUTOREFRESH = DEBUG
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "coach.api.authentication.TokenAuthentication",
        "coach.api.authentication.CookieAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "coach.api.problems.problem_response",
    "UNAUTHENTICATED_USER": None,
    # The server itself reads what a trusted proxy says of an address; a header alone says nothing.
    "NUM_PROXIES": 0,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Sidecoach",
    "DESCRIPTION": "Live coaching: sessions, nudges, playbooks and consent.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

EMBEDDING_MODEL = ENV.embedding_model
TRITON_URL = ENV.triton_url
CRISIS_CARDS = ENV.crisis_cards
STORE_RAW_TEXT = ENV.store_raw_text

LOGGING_CONFIG = "coach.ops.logs.configure"
LOGGING = {"level": ENV.log_level, "json": ENV.log_json}

UNFOLD = {
    "SITE_TITLE": "Sidecoach",
    "SITE_HEADER": "Sidecoach",
    "SITE_SYMBOL": "graphic_eq",
    "STYLES": [lambda _request: static("css/desk.css")],
    "SITE_DROPDOWN": [
        {
            "icon": "monitoring",
            "title": _("Objectives"),
            "link": reverse_lazy("admin:objectives"),
        },
        {
            "icon": "payments",
            "title": _("Models and money"),
            "link": reverse_lazy("admin:spending"),
        },
    ],
    "COLORS": {
        "primary": {
            "50": "#eef6f3",
            "100": "#d6e9e3",
            "200": "#aed4c9",
            "300": "#7fbaaa",
            "400": "#4f9c8a",
            "500": "#2c7f6d",
            "600": "#0e6153",
            "700": "#0c5146",
            "800": "#0b4139",
            "900": "#09352f",
            "950": "#041e1b",
        }
    },
}
