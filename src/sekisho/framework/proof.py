"""Does a framework hold together? Every gap is named with the key where it stands.

A gap is an error: a function for a class of data that nobody performs and that is not listed as
open, a body that is not there, a decision without a remedy, a kind of data without a route. What
a framework may be and still run, but its readers must know, is a finding
(`sekisho.framework.findings`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from sekisho.common.ids import BodyId
from sekisho.framework.deciding import DECIDES
from sekisho.framework.extracting import environment, extract_route
from sekisho.framework.kinds import DataKinds
from sekisho.framework.model import (
    CLASSES,
    DECIDER,
    DECISIONS,
    FUNCTIONS,
    ROLES,
    USER_INPUT,
    DataClass,
    Framework,
    Function,
    Open,
)
from sekisho.framework.submission import holders

SOURCED = tuple(
    key for key in Open.__struct_fields__ if key not in ("sources", "question", "unassigned")
)
"""The keys of [open] that need a source."""


@dataclass(frozen=True)
class Problem:
    """What is missing or wrong, and the path of keys where it stands in the file."""

    keys: tuple[str | int, ...]
    what: str


def problems(fw: Framework, kinds: DataKinds) -> tuple[Problem, ...]:
    """Return every gap of ``fw``; an empty tuple is the proof."""
    found = [*_bodies(fw), *_assignments(fw), *_open(fw, kinds)]
    if fw.runs:
        found += [*_auxiliary(fw), *_remedies(fw), *_linkage(fw)]
    if not found and fw.runs:
        found += _routes(fw, kinds)
    return tuple(found)


def _bodies(fw: Framework) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, body in enumerate(fw.body):
        if body.id in seen:
            yield Problem(("body", index), f"the body {body.id!r} is there twice")
        seen.add(body.id)
        performs = any(body.id in one.named for one in fw.assignment)
        if body.kind != "auxiliary" and not performs:
            yield Problem(("body", index), f"the body {body.id!r} performs no function")


def _assignments(fw: Framework) -> Iterator[Problem]:
    given: dict[tuple[Function, DataClass], int] = {}
    for index, one in enumerate(fw.assignment):
        here = ("assignment", index)
        for body in one.named:
            if body not in fw.function_bodies:
                yield Problem(
                    (*here, "bodies"),
                    f"{one.function} is given to {body!r}, which is no body of the framework"
                    if all(body != other.id for other in fw.body)
                    else f"{one.function} is given to {body!r}, an auxiliary body",
                )
        if fw.runs and not one.named:
            yield Problem(
                (*here, "bodies"),
                f'{one.function} is given to "none": a framework that runs lists such a function '
                "under [[open.unassigned]]",
            )
        for data_class in one.data:
            if (one.function, data_class) in given:
                yield Problem(
                    here, f"{one.function} of {data_class} data is assigned a second time"
                )
            given[(one.function, data_class)] = index
    listed = {(one.function, c) for one in fw.open.unassigned for c in one.data}
    for function in FUNCTIONS:
        nearest = next((i for i, one in enumerate(fw.assignment) if one.function == function), 0)
        for data_class in CLASSES:
            cell = (function, data_class)
            if cell in given and cell in listed:
                yield Problem(
                    ("assignment", given[cell]),
                    f"{function} of {data_class} data is assigned and also listed as open",
                )
            if cell not in given and cell not in listed:
                yield Problem(
                    ("assignment", nearest),
                    f"nobody performs {function} of {data_class} data: assign it or list it under "
                    "[[open.unassigned]]",
                )


def _auxiliary(fw: Framework) -> Iterator[Problem]:
    for role in ROLES:
        holding = fw.with_role(role)
        if len(holding) != 1:
            yield Problem(
                ("body",),
                f"exactly one auxiliary body has the role {role!r}; here "
                + (", ".join(holding) if holding else "none has"),
            )
    for index, body in enumerate(fw.body):
        if len(body.roles) > 1:
            yield Problem(
                ("body", index),
                f"{body.id!r} has the roles {', '.join(body.roles)}: they must be distinct bodies",
            )


def _remedies(fw: Framework) -> Iterator[Problem]:
    if fw.remedy is None:
        yield Problem(("remedy",), "[remedy] is missing: every type of decision has a remedy")
        return
    for decision in DECISIONS:
        function = DECIDES[decision]
        deciding = {body for c in CLASSES for body in fw.assigned(function, c)}
        covered: set[BodyId] = set()
        for one in fw.remedy.against(decision):
            covered |= set(one.of) if one.of else deciding
            unknown = [b for b in (*one.of, one.body) if b not in fw.function_bodies]
            for body in unknown:
                if body not in (USER_INPUT, DECIDER):
                    yield Problem(
                        ("remedy", decision),
                        f"the remedy against {decision} names {body!r}, which performs no function",
                    )
        for body in fw.function_bodies:
            if body in deciding - covered:
                yield Problem(
                    ("remedy", decision), f"no remedy against {decision} decisions of {body!r}"
                )


def _linkage(fw: Framework) -> Iterator[Problem]:
    if fw.linkage is None:
        yield Problem(("linkage",), "[linkage] is missing: who joins data of several holders?")
        return
    for body in fw.linkage.exchange:
        if body not in fw.function_bodies:
            yield Problem(("linkage", "exchange"), f"{body!r} performs no function")
    if not any(fw.linkage.at in fw.assigned("analysis", c) for c in CLASSES):
        yield Problem(
            ("linkage", "at"), f"{fw.linkage.at!r} joins data but has no analysis environment"
        )


def _open(fw: Framework, kinds: DataKinds) -> Iterator[Problem]:
    for key in SOURCED:
        if key not in fw.open.sources:
            yield Problem(
                ("open", "sources"), f'open.{key} has no source: name one or write "{USER_INPUT}"'
            )
    for key in fw.open.sources:
        if key not in SOURCED:
            yield Problem(("open", "sources", key), f"a source for open.{key}, which is no key")
    hard = {kind.id for kind in kinds.kind if kind.data_class == "hard"}
    for kind in sorted(hard - set(fw.open.hard)):
        yield Problem(("open", "hard"), f"open.hard says nothing of {kind!r}, which is hard data")
    for kind in sorted(set(fw.open.hard) - {one.id for one in kinds.kind}):
        yield Problem(("open", "hard"), f"open.hard names {kind!r}, which is no kind of data")
    for index, question in enumerate(fw.open.question):
        if not _has_key(fw, question.answered_by):
            yield Problem(
                ("open", "question", index),
                f"a question is answered by {question.answered_by!r}, which is no key",
            )


def _routes(fw: Framework, kinds: DataKinds) -> Iterator[Problem]:
    """Each kind's way from its holders to where it would be analysed, alone and joined."""
    assert fw.linkage is not None
    listed = {c for one in fw.open.unassigned for c in one.data}
    reported: set[tuple[DataClass, BodyId, BodyId]] = set()
    for kind in kinds.kind:
        for data_class in kind.classes:
            if data_class in listed:
                continue
            for holder in holders(fw, data_class):
                for place in (environment(fw, (data_class,)), fw.linkage.at):
                    hops = extract_route(fw, holder, data_class, place).hops
                    for sender, receiver in pairwise(hops):
                        leg = (data_class, sender, receiver)
                        missing = {sender, receiver} - set(fw.linkage.exchange)
                        if missing and leg not in reported:
                            reported.add(leg)
                            yield Problem(
                                ("linkage", "exchange"),
                                f"{kind.id} ({data_class} data) has no route from {holder!r} to "
                                f"{place!r}: {sender!r} and {receiver!r} do not both exchange",
                            )


def _has_key(fw: Framework, path: str) -> bool:
    value: object = fw
    for step in path.split("."):
        if not hasattr(value, "__struct_fields__") or step not in value.__struct_fields__:
            return False
        value = getattr(value, step)
    return True
