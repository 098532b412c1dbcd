"""Everything that follows from a framework, as pure functions of it; one place to import from."""

from sekisho.framework.choices import (
    desks,
    forwards,
    list_recipients,
    registries,
    registries_for,
    registry_of,
)
from sekisho.framework.deciding import DECIDES, Lane, Redress, Window, lanes, remedy, windows
from sekisho.framework.extracting import (
    Crossing,
    Route,
    crossings,
    environment,
    environments,
    extract_route,
    holds_and_joins,
)
from sekisho.framework.rooms import classes_of, functions_of, rooms
from sekisho.framework.submission import (
    NO_COLLECTOR,
    NO_OPERATOR_CONTRACT,
    Recipient,
    SubmissionRoute,
    collectors,
    holders,
    provider_destinations,
    recipients,
    submission_routes,
)

__all__ = [
    "DECIDES",
    "NO_COLLECTOR",
    "NO_OPERATOR_CONTRACT",
    "Crossing",
    "Lane",
    "Recipient",
    "Redress",
    "Route",
    "SubmissionRoute",
    "Window",
    "classes_of",
    "collectors",
    "crossings",
    "desks",
    "environment",
    "environments",
    "extract_route",
    "forwards",
    "functions_of",
    "holders",
    "holds_and_joins",
    "lanes",
    "list_recipients",
    "provider_destinations",
    "recipients",
    "registries",
    "registries_for",
    "registry_of",
    "remedy",
    "rooms",
    "submission_routes",
    "windows",
]
