"""Django's settings for one body, made from its configuration, not from the environment."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sekisho.body.config import BodyConfig, Folders
from sekisho.common.errors import UserError

HERE = Path(__file__).parent
LANGUAGES = (("ja", "日本語"), ("en", "English"))


def database(config: BodyConfig, folders: Folders) -> dict[str, Any]:
    """Return Django's database settings: SQLite in the body's folder, or PostgreSQL by URL."""
    if config.database == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(folders.base / "control.sqlite3"),
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "timeout": 60,
                "transaction_mode": "IMMEDIATE",
                # What was erased is overwritten, not only marked as free.
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                " PRAGMA secure_delete=ON;",
            },
        }
    url = urlsplit(config.database)
    if url.scheme != "postgresql":
        raise UserError(
            "config.database",
            f"The database scheme {url.scheme!r} is not known.",
            next_step='use "sqlite" or "postgresql://user:password@host/name"',
        )
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": url.path.lstrip("/"),
        "USER": url.username or "",
        "PASSWORD": url.password or "",
        "HOST": url.hostname or "",
        "PORT": str(url.port or ""),
        "CONN_MAX_AGE": None,
    }


def settings_for(config: BodyConfig, folders: Folders, secret: bytes) -> dict[str, Any]:
    """Return what `django.conf.settings.configure` is given for this body."""
    host = config.listen.rpartition(":")[0]
    return {
        "DEBUG": False,
        "SECRET_KEY": hashlib.sha256(b"sekisho/django" + secret).hexdigest(),
        "ALLOWED_HOSTS": [host, "localhost", "127.0.0.1"],
        "ROOT_URLCONF": "sekisho.web.urls",
        "INSTALLED_APPS": ["django.contrib.staticfiles", "django_tasks_db", "sekisho.web.store"],
        "MIDDLEWARE": [
            "django.middleware.security.SecurityMiddleware",
            "whitenoise.middleware.WhiteNoiseMiddleware",
            "sekisho.web.language.AskedLanguage",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.clickjacking.XFrameOptionsMiddleware",
            "sekisho.web.headers.ContentSecurityPolicy",
        ],
        "TEMPLATES": [
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "DIRS": [str(HERE / "templates")],
                "OPTIONS": {
                    "context_processors": ["django.template.context_processors.i18n"],
                    "builtins": ["sekisho.web.texts"],
                },
            }
        ],
        "DATABASES": {"default": database(config, folders)},
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "TASKS": {
            "default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default"]},
        },
        "USE_TZ": True,
        "TIME_ZONE": "Asia/Tokyo",
        "LANGUAGE_CODE": "ja",
        "LANGUAGES": LANGUAGES,
        "LOCALE_PATHS": [str(HERE / "locale")],
        "STATIC_URL": "/static/",
        "STATICFILES_DIRS": [str(HERE / "static")],
        "WHITENOISE_USE_FINDERS": True,
        "WHITENOISE_AUTOREFRESH": False,
        "X_FRAME_OPTIONS": "DENY",
        "SECURE_REFERRER_POLICY": "same-origin",
        "DATA_UPLOAD_MAX_MEMORY_SIZE": 2**31,
        "LOGGING": logging(folders),
    }


def logging(folders: Folders) -> dict[str, Any]:
    """Return the log settings: one file in the body's folder, problems only."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
        "handlers": {
            "file": {
                "class": "logging.FileHandler",
                "filename": str(folders.log / "body.log"),
                "formatter": "line",
                "delay": True,
            }
        },
        "root": {"handlers": ["file"], "level": "WARNING"},
        "loggers": {
            "sekisho": {"handlers": ["file"], "level": "INFO", "propagate": False},
            # These would write request lines and arguments; what matters is in the ledger.
            "django.request": {"handlers": [], "level": "CRITICAL", "propagate": False},
            "django_tasks_db": {"handlers": [], "level": "CRITICAL", "propagate": False},
            "django_tasks": {"handlers": [], "level": "CRITICAL", "propagate": False},
        },
    }
