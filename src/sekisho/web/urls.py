"""The routes of this body, made from its rooms: a door that it lacks has no route."""

from __future__ import annotations

from django.urls import path, re_path

from sekisho.web import views
from sekisho.web.runtime import current

urlpatterns = [
    path("", views.start),
    path("health", views.health),
    path("checkpoint", views.checkpoint),
    re_path(r"^(?P<name>(?:tile|cosigned)/.+)$", views.ledger_file),
    path("witness/<str:origin>/checkpoint", views.witnessed),
    *(
        path(f"exchange/{endpoint.path}", views.exchange, {"endpoint": endpoint})
        for endpoint in current().endpoints.values()
    ),
]

handler404 = "sekisho.web.views.not_found"
handler500 = "sekisho.web.views.failed"
