"""The app that holds a body's tables."""

from __future__ import annotations

from django.apps import AppConfig


class StoreConfig(AppConfig):
    name = "sekisho.web.store"
    label = "store"
    default_auto_field = "django.db.models.BigAutoField"
