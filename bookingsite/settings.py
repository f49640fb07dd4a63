"""All settings. No other module reads the environment.

Without variables these are production's settings, and they refuse to start without a secret.
`make run` sets BOOKINGSITE_ENV=development. Related limits are checked against each other at start
(see `check_deadlines` in bookings/checks.py).
"""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from celery.schedules import crontab
from django.core.exceptions import ImproperlyConfigured

from bookingsite import __version__
from bookingsite.body_limits import LARGEST_BYTES
from locks import sentinel
from locks.connection import CONNECTION_OPTIONS, check_url

BASE_DIR = Path(__file__).resolve().parent.parent

VERSION = __version__  # also in the API's description and in every backup


def _read(name: str, default: str | None = None) -> str:
    value = os.environ.get(name, default)
    if value is None:
        raise ImproperlyConfigured(f"Set {name}; production has no default for it.")
    return value


def _read_number(name: str, default: int) -> int:
    text = os.environ.get(name, str(default))
    try:
        return int(text)
    except ValueError:
        raise ImproperlyConfigured(f"Set {name} to a whole number, not {text!r}.") from None


def _read_list(name: str, default: str = "") -> list[str]:
    return [part.strip() for part in os.environ.get(name, default).split(",") if part.strip()]


def _read_choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    value = os.environ.get(name, default)
    if value not in choices:
        raise ImproperlyConfigured(f"Set {name} to one of {', '.join(choices)}, not {value!r}.")
    return value


def _check_redis(name: str, url: str) -> str:
    try:
        check_url(url)
    except ValueError as error:
        raise ImproperlyConfigured(f"Fix {name}: {error}.") from None
    return url


def _check_url(name: str, url: str, schemes: tuple[str, ...] = ("https", "http")) -> str:
    try:
        parts = urlsplit(url)
        is_right = parts.scheme in schemes and bool(parts.hostname)
    except ValueError:
        is_right = False
    if not is_right:
        raise ImproperlyConfigured(
            f"Set {name} to the site's URL, such as https://bookings.example, not {url!r}."
        )
    return url


ENVIRONMENT = _read_choice("BOOKINGSITE_ENV", "production", ("production", "development"))
IS_PRODUCTION = ENVIRONMENT == "production"

SECRET_KEY = _read("SECRET_KEY")
if IS_PRODUCTION and len(SECRET_KEY) < 50:
    raise ImproperlyConfigured("Set SECRET_KEY to at least 50 random characters.")
# Replaced keys: the site still accepts what they signed, and signs nothing with them.
SECRET_KEY_FALLBACKS = _read_list("SECRET_KEY_FALLBACKS")
if IS_PRODUCTION and any(len(key) < 50 for key in SECRET_KEY_FALLBACKS):
    raise ImproperlyConfigured(
        "Set SECRET_KEY_FALLBACKS to earlier SECRET_KEYs, separated by commas, or to nothing."
    )

DEBUG = False  # a page of settings and variables helps an attacker more than it helps us
ALLOWED_HOSTS = _read_list("ALLOWED_HOSTS", "127.0.0.1,localhost")
CSRF_TRUSTED_ORIGINS = [
    _check_url("CSRF_TRUSTED_ORIGINS", url) for url in _read_list("CSRF_TRUSTED_ORIGINS")
]

# --- Applications -------------------------------------------------------------------------

INSTALLED_APPS = [
    "bookingsite.apps.AdminConfig",
    "bookingsite.apps.AuthConfig",
    "bookingsite.apps.ContentTypesConfig",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_mongodb_backend",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "bookings",
    "idempotency.django",
    "locks.django",
]

# Django's own migrations use integer keys; these replace them with ObjectId keys.
MIGRATION_MODULES = {
    "admin": "bookingsite.mongo_migrations.admin",
    "auth": "bookingsite.mongo_migrations.auth",
    "contenttypes": "bookingsite.mongo_migrations.contenttypes",
}
DEFAULT_AUTO_FIELD = "django_mongodb_backend.fields.ObjectIdAutoField"

MIDDLEWARE = [
    # Before all that may answer, since it says which URLs and cookies there are.
    "bookingsite.embedding.EmbeddingMiddleware",
    # These two only add headers, also to answers that the next one gives by itself.
    "bookingsite.middleware.PolicyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "bookingsite.middleware.LanguageMiddleware",
    "bookingsite.middleware.RequestMiddleware",
    "bookingsite.embedding.EmbeddingGate",
    "bookingsite.page_middleware.StaticFiles",
    "bookingsite.page_middleware.Sessions",
    "bookingsite.middleware.HostMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "bookingsite.page_middleware.Authentication",
    # Before the next one, which may lead to a login.
    "bookingsite.page_middleware.OfficeForms",
    "bookingsite.page_middleware.Staff",
    "bookingsite.page_middleware.OfficeClock",
    "bookingsite.page_middleware.Messages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "bookingsite.urls"
WSGI_APPLICATION = "bookingsite.wsgi.application"

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

# --- MongoDB: the truth -------------------------------------------------------------------

MONGODB_URI = _read("MONGODB_URI", None if IS_PRODUCTION else "mongodb://127.0.0.1:27117/")
MONGODB_NAME = _read("MONGODB_NAME", "bookingsite")
# Only `manage.py init_replica_set` needs these; give them to no other process.
MONGODB_KEYFILE = _read("MONGODB_KEYFILE", "")
MONGODB_ADMIN_PASSWORD = _read("MONGODB_ADMIN_PASSWORD", "")

DATABASES = {
    "default": {
        "ENGINE": "bookingsite.database",
        "HOST": MONGODB_URI,
        "NAME": MONGODB_NAME,
        "OPTIONS": {
            "appname": "bookingsite",
            # Promise 4: an acknowledged write is on a majority, and journaled.
            "w": "majority",
            "journal": True,
            "retryWrites": True,
            # A secondary lags behind: it may not know yet of a login or a lost right.
            "readPreference": "primary",
            # Notice a frozen primary within seconds; the driver's own values take 30 s.
            "connectTimeoutMS": 1_000,
            "heartbeatFrequencyMS": 1_000,
            # A planned step-down takes less than this. After a crash an election takes longer, and
            # a 503 that can be retried is better than having every thread of the site wait for it.
            "serverSelectionTimeoutMS": 2_000,
        },
    },
}

# --- Redis: an accelerator ----------------------------------------------------------------

REDIS_URL = _check_redis(
    "REDIS_URL", _read("REDIS_URL", None if IS_PRODUCTION else "redis://127.0.0.1:6479/0")
)
_watched = sentinel.parse(REDIS_URL) if sentinel.is_watched(REDIS_URL) else None
# Several independent servers turn the slot locks into a quorum (Redlock); usually empty.
LOCK_REDIS_URLS = [_check_redis("LOCK_REDIS_URLS", url) for url in _read_list("LOCK_REDIS_URLS")]
_lock_servers = len(LOCK_REDIS_URLS)
if _lock_servers and (
    _lock_servers < 3 or _lock_servers % 2 == 0 or len(set(LOCK_REDIS_URLS)) < _lock_servers
):
    raise ImproperlyConfigured(
        "Set LOCK_REDIS_URLS to an odd number of at least 3 different servers, or to nothing."
    )
if any(sentinel.is_watched(url) for url in LOCK_REDIS_URLS):
    raise ImproperlyConfigured(
        "Set LOCK_REDIS_URLS to servers that stand alone, such as redis://locks1:6379/0."
    )

_REDIS_CACHE: dict[str, Any] = {
    "BACKEND": "django_redis.cache.RedisCache",
    # A list, since text would be split at the commas between Sentinels.
    "LOCATION": [REDIS_URL],
    "OPTIONS": {
        "REDIS_CLIENT_CLASS": "locks.connection.GuardedRedis",
        "CONNECTION_POOL_CLASS": "locks.sentinel.Pool",
        "CONNECTION_POOL_KWARGS": CONNECTION_OPTIONS,
        # The default is pickle: anyone able to write to Redis could run code in web.
        "SERIALIZER": "bookingsite.cache_values.JsonValues",
    },
}
CACHES = {
    # A dead Redis must look like an empty one.
    "default": {
        **_REDIS_CACHE,
        "KEY_PREFIX": "cache",
        "OPTIONS": {**_REDIS_CACHE["OPTIONS"], "IGNORE_EXCEPTIONS": True},
    },
    # Throttles must know that Redis failed, to count in the process instead.
    "throttle": {**_REDIS_CACHE, "KEY_PREFIX": "throttle"},
    "process": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
}

# --- People -------------------------------------------------------------------------------

# Not cached_db: a logout while Redis is away would be undone when Redis is back.
SESSION_ENGINE = "bookingsite.sessions"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "bookingsite.problems.csrf_failure"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "bookings"
LOGOUT_REDIRECT_URL = "home"
PASSWORD_HASHERS = [
    "bookingsite.passwords.PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTHENTICATION_BACKENDS = [
    # Only refuses. The other one stays as it is, since every session names it.
    "bookings.people.staff_hotels.RightsOfTheWholeSite",
    "django.contrib.auth.backends.ModelBackend",
]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# Whether all staff need a second factor, or only those who have set up a device.
STAFF_SECOND_FACTOR = _read_choice("STAFF_SECOND_FACTOR", "optional", ("optional", "required"))

# For the logins of `seed_demo --users`, which production refuses to make.
DEMO_STAFF_PASSWORD = _read("DEMO_STAFF_PASSWORD", "")
DEMO_CUSTOMER_PASSWORD = _read("DEMO_CUSTOMER_PASSWORD", "")

# Whether /how-it-works offers real requests to try, on rooms of the hotel `demo`.
DEMO = _read_choice("DEMO", "0", ("0", "1")) == "1"

# --- API ----------------------------------------------------------------------------------

API_THROTTLE = _read_choice("API_THROTTLE", "on", ("on", "off"))
if API_THROTTLE == "off" and IS_PRODUCTION:
    raise ImproperlyConfigured("Remove API_THROTTLE=off; production always throttles.")

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "bookings.api.authentication.TokenAuthentication",
        "bookings.api.authentication.CustomerSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["bookings.api.parsing.BoundedJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "bookings.api.negotiation.QuickNegotiation",
    "DEFAULT_THROTTLE_RATES": {
        "address": _read("API_RATE_PER_ADDRESS", "1200/minute"),
        "caller": _read("API_RATE_PER_CALLER", "600/minute"),
    },
    # How many proxies stand in front and are trusted to state the client's IP address.
    "NUM_PROXIES": _read_number("TRUSTED_PROXIES", 0),
    "EXCEPTION_HANDLER": "bookingsite.problems.handle_exception",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Bookingsite",
    "VERSION": VERSION,
    "DESCRIPTION": "Books rooms by the night. Safe to retry, and never sells a night twice.",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "bookings.api.schema.describe_keys",
    ],
    # The library makes up a name such as Status3e9Enum where fields of one name differ.
    "ENUM_NAME_OVERRIDES": {"BookingStatusEnum": "bookings.domain.booking.STATUSES"},
}

# By default a repeated key gets the first answer, whatever the payload says. The IETF draft would
# refuse another payload under the same key.
IDEMPOTENCY_ON_MISMATCH = _read_choice("IDEMPOTENCY_ON_MISMATCH", "replay", ("replay", "reject"))

# How many holds one person, or one guest of a partner, may have at a time without booking.
MAX_LIVE_HOLDS = _read_number("MAX_LIVE_HOLDS", 5)
if MAX_LIVE_HOLDS < 1:
    raise ImproperlyConfigured(f"Set MAX_LIVE_HOLDS to 1 or more, not {MAX_LIVE_HOLDS}.")
# And how many room-nights, since one hold may be ten rooms for a month. A visitor's limit fits the
# longest stay in one room, or four rooms for fourteen nights. Visitors may share a remote address.
MAX_HELD_ROOM_NIGHTS = _read_number("MAX_HELD_ROOM_NIGHTS", 90)
MAX_HELD_ROOM_NIGHTS_PER_ADDRESS = _read_number("MAX_HELD_ROOM_NIGHTS_PER_ADDRESS", 180)
MAX_HELD_ROOM_NIGHTS_PER_PARTNER = _read_number("MAX_HELD_ROOM_NIGHTS_PER_PARTNER", 3000)
if not (
    1 <= MAX_HELD_ROOM_NIGHTS <= MAX_HELD_ROOM_NIGHTS_PER_ADDRESS
    and MAX_HELD_ROOM_NIGHTS_PER_PARTNER >= 1
):
    raise ImproperlyConfigured(
        "Set MAX_HELD_ROOM_NIGHTS to 1 or more, MAX_HELD_ROOM_NIGHTS_PER_ADDRESS to no less than "
        "that, and MAX_HELD_ROOM_NIGHTS_PER_PARTNER to 1 or more."
    )

# The hotel of requests that name none. If this is empty, it is the only hotel there is, and where
# there are several each request has to name one.
DEFAULT_HOTEL = _read("DEFAULT_HOTEL", "")

# Where `manage.py idempotency` and the admin look up what a key made, and whose it is.
IDEMPOTENCY_FIND_EFFECT = "bookings.stays.kept_answers.find_effect"
IDEMPOTENCY_READ_CALLER = "bookings.people.caller_names.read_caller"
IDEMPOTENCY_DEFAULT_OPERATION = "create"
IDEMPOTENCY_HELP = {
    "caller": "write client:NAME, user:NAME or guest:ID; an id may replace the name",
    "operation": "create, confirm, extend, cancel, move, block or mark",
    "target": "the id of the booking that the operation changes; none for create",
}

# --- Worker -------------------------------------------------------------------------------

CELERY_BROKER_URL = REDIS_URL
if _watched:
    CELERY_BROKER_URL, CELERY_BROKER_TRANSPORT_OPTIONS = sentinel.for_celery(_watched)
# The queue accepts JSON alone; a pickle in it would run code in the worker.
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_ACKS_LATE = True  # a task may run twice, but must not be lost
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
# Otherwise Celery adds a nightly task to beat's, to clear results that are not kept.
CELERY_RESULT_EXPIRES = None
# Celery's default name, so that workers and beat of every release use the same queue.
CELERY_TASK_DEFAULT_QUEUE = "celery"
# A worker ends only after all the tasks it fetched, so it fetches no more than it works on.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Whatever Redis answers (it is now a replica, it is full, it is loading its data) may pass within a
# minute. Worker and beat wait for that, however long it takes.
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
EXPIRY_INTERVAL_S = _read_number("EXPIRY_INTERVAL_S", 60)
if not 1 <= EXPIRY_INTERVAL_S <= 3600:
    raise ImproperlyConfigured(
        f"Set EXPIRY_INTERVAL_S to 1 to 3600 seconds, not {EXPIRY_INTERVAL_S}."
    )
# The longest wait of a nights job that has no other ahead of it.
NIGHTS_JOBS_INTERVAL_S = 15
# Staff watch their photos appear.
PHOTOS_INTERVAL_S = 3
# People watch their inbox for these.
LETTERS_INTERVAL_S = 3
# No one waits for these, but news of a hold that is about to end is useful for minutes only.
NEWS_INTERVAL_S = 5
WEBHOOKS_INTERVAL_S = 3
# After an endpoint took nothing for a day, staff can wait another minute to hear of it.
WEBHOOK_NOTES_INTERVAL_S = 60
# While no worker fetches them, at most one message of each waits (see beat.py). Messages have no
# expiry time, since another machine's clock would judge it.
CELERY_BEAT_SCHEDULER = "bookingsite.beat:Scheduler"
CELERY_BEAT_SCHEDULE = {
    "expire-holds": {
        "task": "bookings.expire_holds",
        "schedule": EXPIRY_INTERVAL_S,
        # Keeps a sweep that a command started from counting as a sign of beat's life.
        "kwargs": {"started_by": "beat"},
    },
    "generate-nights": {"task": "bookings.generate_nights", "schedule": NIGHTS_JOBS_INTERVAL_S},
    "convert-photos": {"task": "bookings.convert_photos", "schedule": PHOTOS_INTERVAL_S},
    "send-letters": {"task": "bookings.send_letters", "schedule": LETTERS_INTERVAL_S},
    "pass-on-news": {"task": "bookings.pass_on_news", "schedule": NEWS_INTERVAL_S},
    # Reminders are due at 9:00 at each hotel; a quarter of an hour later will do.
    "remind-of-arrivals": {"task": "bookings.remind_of_arrivals", "schedule": 15 * 60.0},
    "send-notifications": {"task": "bookings.send_notifications", "schedule": NEWS_INTERVAL_S},
    "send-webhooks": {"task": "bookings.send_webhooks", "schedule": WEBHOOKS_INTERVAL_S},
    "note-disabled-webhooks": {
        "task": "bookings.note_disabled_webhooks",
        "schedule": WEBHOOK_NOTES_INTERVAL_S,
    },
    # Looks each hour whether the day's work is done, so that no day is missed for a late worker.
    "keep-retention-rules": {
        "task": "bookings.keep_retention_rules",
        "schedule": crontab(minute=20),
    },
    "clear-sessions": {
        "task": "bookings.clear_sessions",
        # At a time of day: a beat that restarts every day and remembers nothing would never see an
        # interval of a day end.
        "schedule": crontab(hour=3, minute=40),
    },
}

# --- Language, time, files ----------------------------------------------------------------

# For the API, the admin, logs and commands, and for pages when the visitor reads none of LANGUAGES.
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "German")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
FORMAT_MODULE_PATH = "bookingsite.formats"

STATIC_URL = "static/"
# Filled by `collectstatic` when an image is built; development serves the sources.
STATIC_ROOT = BASE_DIR / "staticfiles" if IS_PRODUCTION else None
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES: dict[str, Any] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}
    if IS_PRODUCTION
    else {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# Photos are off until one of these names a place that all processes share.
PHOTOS_BUCKET = _read("PHOTOS_BUCKET", "")
_default_folder = "" if IS_PRODUCTION or PHOTOS_BUCKET else str(BASE_DIR / "var" / "photos")
PHOTOS_FOLDER = _read("PHOTOS_FOLDER", _default_folder)
# The server of the bucket if it is not Amazon's, its region, and a key; without a key, the role
# that the machine has at Amazon.
PHOTOS_S3_ENDPOINT = _read("PHOTOS_S3_ENDPOINT", "")
PHOTOS_S3_REGION = _read("PHOTOS_S3_REGION", "")
PHOTOS_S3_KEY_ID = _read("PHOTOS_S3_KEY_ID", "")
PHOTOS_S3_SECRET = _read("PHOTOS_S3_SECRET", "")
if PHOTOS_BUCKET and PHOTOS_FOLDER:
    raise ImproperlyConfigured("Set PHOTOS_BUCKET or PHOTOS_FOLDER, not both.")
if bool(PHOTOS_S3_KEY_ID) != bool(PHOTOS_S3_SECRET):
    raise ImproperlyConfigured("Set both PHOTOS_S3_KEY_ID and PHOTOS_S3_SECRET, or neither.")
if PHOTOS_BUCKET:
    STORAGES["photos"] = {
        "BACKEND": "bookingsite.photo_bucket.Bucket",
        "OPTIONS": {
            "bucket_name": PHOTOS_BUCKET,
            "endpoint_url": PHOTOS_S3_ENDPOINT or None,
            "region_name": PHOTOS_S3_REGION or None,
            "access_key": PHOTOS_S3_KEY_ID or None,
            "secret_key": PHOTOS_S3_SECRET or None,
        },
    }
elif PHOTOS_FOLDER:
    STORAGES["photos"] = {
        "BACKEND": "bookingsite.photo_storage.Folder",
        "OPTIONS": {"location": PHOTOS_FOLDER, "allow_overwrite": True},
    }
# Without this, development would need `collectstatic` before its first page.
WHITENOISE_USE_FINDERS = not IS_PRODUCTION
# Without this, every change to a file would need a restart.
WHITENOISE_AUTOREFRESH = not IS_PRODUCTION

# --- Mail ---------------------------------------------------------------------------------

# Where links in mails point. Never a request's Host, which anyone can make up.
SITE_URL = _check_url(
    "SITE_URL",
    _read("SITE_URL", None if IS_PRODUCTION else "http://127.0.0.1:8000").rstrip("/"),
    ("https",) if IS_PRODUCTION else ("https", "http"),
)
# Where clients generated from the API's description send their requests.
SPECTACULAR_SETTINGS["SERVERS"] = [{"url": SITE_URL}]

# Without a mail server, development writes mails to files in this folder. If that is empty too,
# they go to the worker's output.
LETTERS_FOLDER = _read("LETTERS_FOLDER", "")
EMAIL_HOST = _read("EMAIL_HOST", None if IS_PRODUCTION else "")
EMAIL_PORT = _read_number("EMAIL_PORT", 587)
EMAIL_HOST_USER = _read("EMAIL_USER", "")
EMAIL_HOST_PASSWORD = _read("EMAIL_PASSWORD", "")
_email_security = _read_choice("EMAIL_SECURITY", "starttls", ("starttls", "tls", "none"))
EMAIL_USE_TLS = _email_security == "starttls"
EMAIL_USE_SSL = _email_security == "tls"
EMAIL_TIMEOUT = 10  # seconds for each step of the exchange with the server
DEFAULT_FROM_EMAIL = _read(
    "EMAIL_FROM", None if IS_PRODUCTION else "Bookingsite <bookings@localhost>"
)
if EMAIL_HOST:
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
elif LETTERS_FOLDER:
    EMAIL_BACKEND = "bookingsite.mail_files.EmailBackend"
else:
    EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"

# --- Webhooks ------------------------------------------------------------------------------

# Whether partners' endpoints may be internal: on this machine or in this network. A partner chooses
# its own endpoint, and could make the worker send requests to any server near it.
WEBHOOK_PRIVATE_ADDRESSES = _read_choice("WEBHOOK_PRIVATE_ADDRESSES", "no", ("yes", "no")) == "yes"

# --- Safety in production -----------------------------------------------------------------

# Pages load everything from this site, and browsers ignore inline scripts and styles.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "manifest-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
# Nothing here asks for a device, so an intruder's script may not either.
PERMISSIONS_POLICY = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
SECURE_SSL_REDIRECT = IS_PRODUCTION
# Probes and Prometheus come from inside the cluster, over plain HTTP.
SECURE_REDIRECT_EXEMPT = [r"^api/(health|ready)", r"^metrics$"]
SECURE_HSTS_SECONDS = 31_536_000 if IS_PRODUCTION else 0
# They make promises about names that this site may not know of, so the operator decides.
SECURE_HSTS_INCLUDE_SUBDOMAINS = (
    _read_choice("HSTS_INCLUDE_SUBDOMAINS", "no", ("yes", "no")) == "yes"
)
SECURE_HSTS_PRELOAD = _read_choice("HSTS_PRELOAD", "no", ("yes", "no")) == "yes"
if SECURE_HSTS_PRELOAD and not SECURE_HSTS_INCLUDE_SUBDOMAINS:
    raise ImproperlyConfigured(
        "Set HSTS_INCLUDE_SUBDOMAINS to yes as well, or HSTS_PRELOAD to no: browsers' preload "
        "lists hold whole domains."
    )
# Django's checks insist on both.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SESSION_COOKIE_SECURE = IS_PRODUCTION
CSRF_COOKIE_SECURE = IS_PRODUCTION
if _read_choice("TRUST_FORWARDED_PROTO", "no", ("yes", "no")) == "yes":
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- Bodies -------------------------------------------------------------------------------

# body_limits.py says which bodies are accepted; these settings let those through. Bodies stay in
# memory, so that no upload writes a temporary file.
DATA_UPLOAD_MAX_MEMORY_SIZE = LARGEST_BYTES
FILE_UPLOAD_MAX_MEMORY_SIZE = LARGEST_BYTES
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]

# --- Figures ------------------------------------------------------------------------------

# The folder in which processes count together; gunicorn.conf.py makes it and names it here. Without
# one, each process answers only for itself.
PROMETHEUS_MULTIPROC_DIR = _read("PROMETHEUS_MULTIPROC_DIR", "")

# --- Logs: one JSON object a line, without tokens, names or addresses ----------------------

LOG_LEVEL = _read("LOG_LEVEL", "INFO")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {"()": "bookingsite.logs.JsonFormatter"},
    },
    "filters": {
        # Several routine lines a second would bury the tasks' own lines about work done.
        "routine_at_debug": {"()": "bookingsite.logs.RoutineAtDebug"},
        "once_a_minute": {"()": "bookingsite.logs.OnceAMinute"},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "json",
            "filters": ["routine_at_debug", "once_a_minute"],
        }
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        # Their lines contain whole paths and what people typed; the access line says the rest.
        "django.request": {"level": "CRITICAL"},
        "django.security": {"level": "CRITICAL"},
        "django.server": {"level": "CRITICAL"},
    },
}
