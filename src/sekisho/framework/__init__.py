"""Who does what, as data: framework files are read, proved, routed, described and drawn here.

Rules this room keeps:

- A file that leaves a function, a data class, a route or a remedy open without saying so is
  refused, with its line and what is missing.
- Everything derived (rooms, doors, lanes, routes, registries) is computed from the file; no
  framework, body or kind of data is known to any code by name.
- What the memo does not state is marked inferred, open or user input, and a key that changes
  nothing yet is listed as not measured yet.

It does not run anything, judges no framework, and knows no other room.
"""

from sekisho.framework.asking import (
    Ask,
    Basis,
    Level,
    Pay,
    Period,
    ProviderFunctions,
    Step,
    load_provider_functions,
)
from sekisho.framework.claims import FIGURES, Claim, Claims, Statement, load_claims, verdict
from sekisho.framework.describe import as_json, matrix, table
from sekisho.framework.difference import difference
from sekisho.framework.drawing import draw
from sekisho.framework.findings import Finding, findings, unmeasured
from sekisho.framework.flows import Flow, flows
from sekisho.framework.histories import alias_receivers
from sekisho.framework.kinds import DataKinds, Kind, load_kinds
from sekisho.framework.leaving import cannot_succeed, without
from sekisho.framework.model import (
    CLASSES,
    DECISIONS,
    FUNCTIONS,
    Body,
    DataClass,
    Decision,
    Framework,
    Function,
    Sync,
    Text,
)
from sekisho.framework.reader import (
    all_frameworks,
    baselines,
    check_can_run,
    find,
    framework_files,
    kinds_of,
    load,
    provider_functions_of,
)
from sekisho.framework.routing import (
    NO_COLLECTOR,
    NO_OPERATOR_CONTRACT,
    NOTICE_PERIOD,
    Crossing,
    Lane,
    Recipient,
    Redress,
    Route,
    SubmissionRoute,
    Window,
    classes_of,
    collectors,
    collects_from,
    crossings,
    desks,
    environment,
    environments,
    extract_route,
    forwards,
    functions_of,
    holders,
    holds_and_joins,
    lanes,
    list_recipients,
    provider_destinations,
    recipients,
    registries,
    registries_for,
    registry_of,
    remedy,
    rooms,
    submission_routes,
    windows,
)
from sekisho.framework.schemas import schema, schemas

__all__ = [
    "CLASSES",
    "DECISIONS",
    "FIGURES",
    "FUNCTIONS",
    "NOTICE_PERIOD",
    "NO_COLLECTOR",
    "NO_OPERATOR_CONTRACT",
    "Ask",
    "Basis",
    "Body",
    "Claim",
    "Claims",
    "Crossing",
    "DataClass",
    "DataKinds",
    "Decision",
    "Finding",
    "Flow",
    "Framework",
    "Function",
    "Kind",
    "Lane",
    "Level",
    "Pay",
    "Period",
    "ProviderFunctions",
    "Recipient",
    "Redress",
    "Route",
    "Statement",
    "Step",
    "SubmissionRoute",
    "Sync",
    "Text",
    "Window",
    "alias_receivers",
    "all_frameworks",
    "as_json",
    "baselines",
    "cannot_succeed",
    "check_can_run",
    "classes_of",
    "collectors",
    "collects_from",
    "crossings",
    "desks",
    "difference",
    "draw",
    "environment",
    "environments",
    "extract_route",
    "find",
    "findings",
    "flows",
    "forwards",
    "framework_files",
    "functions_of",
    "holders",
    "holds_and_joins",
    "kinds_of",
    "lanes",
    "list_recipients",
    "load",
    "load_claims",
    "load_kinds",
    "load_provider_functions",
    "matrix",
    "provider_destinations",
    "provider_functions_of",
    "recipients",
    "registries",
    "registries_for",
    "registry_of",
    "remedy",
    "rooms",
    "schema",
    "schemas",
    "submission_routes",
    "table",
    "unmeasured",
    "verdict",
    "windows",
    "without",
]
