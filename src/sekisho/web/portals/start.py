"""What a body's pages show of it: what it is, its functions, its ledger's head, its neighbours."""

from __future__ import annotations

from dataclasses import dataclass

from sekisho.body.context import Body
from sekisho.common.errors import TamperError
from sekisho.common.ids import BodyId
from sekisho.control.ledger import TreeHead, read_checkpoint
from sekisho.framework import FUNCTIONS, Framework, Text, functions_of, labels, registries
from sekisho.framework.model import USER_INPUT

Language = str
"""``ja`` or ``en``."""


@dataclass(frozen=True)
class Given:
    """A function for some classes of data, as the framework's file gives it.

    ``quoted`` says that the source is the document's own words, and so in its language.
    """

    classes: str
    basis: str
    source: str
    quoted: bool
    note: str


@dataclass(frozen=True)
class Performed:
    """A function that this body performs."""

    id: str
    title: str
    given: tuple[Given, ...]


@dataclass(frozen=True)
class Neighbour:
    """Another body of the framework."""

    id: str
    title: str
    kind: str
    does: str
    url: str


@dataclass(frozen=True)
class LedgerHead:
    """The checkpoint as it is shown. ``problem`` is set where it does not hold."""

    note: str = ""
    size: int = 0
    root: str = ""
    problem: str = ""


def shell(body: Body, language: Language) -> dict[str, object]:
    """Return what every page of this body needs."""
    me = body.framework.find_body(body.id)
    return {
        "body": {
            "id": me.id,
            "title": said(me.title, language),
            "kind": said(labels.BODY_KIND[me.kind], language),
            "auxiliary": me.kind == "auxiliary",
        },
        "framework": {
            "id": body.framework.id,
            "title": said(body.framework.title, language),
            "document": said(body.framework.document.name, language),
            "heading": body.framework.document.heading,
        },
        "functions": performed(body.framework, me.id, language),
        "roles": auxiliary_roles(body.framework, me.id, language),
        "demonstration": body.config.declared_synthetic or body.config.rehearsal is not None,
    }


def start_page(body: Body, language: Language) -> dict[str, object]:
    """Return the start page's context."""
    return {
        **shell(body, language),
        "ledger": ledger_head(body),
        "neighbours": neighbours(body, language),
        "rehearsal": body.config.rehearsal is not None,
        "day": body.today(),
    }


def said(text: Text, language: Language) -> str:
    """Return a text in one of its languages."""
    return text.en if language == "en" else text.ja


def performed(fw: Framework, body: BodyId, language: Language) -> tuple[Performed, ...]:
    """Return the functions of ``body`` in the framework's order, and what each rests on."""
    return tuple(
        Performed(
            function,
            said(labels.FUNCTION[function], language),
            tuple(
                Given(
                    classes=said(labels.class_names(one.data), language),
                    basis=said(labels.BASIS[one.basis], language),
                    source=said(labels.sourced(one.source), language),
                    quoted=one.source != USER_INPUT,
                    note=said(one.note, language) if one.note else "",
                )
                for one in fw.assignment
                if one.function == function and body in one.named
            ),
        )
        for function in FUNCTIONS
        if function in functions_of(fw, body)
    )


def auxiliary_roles(fw: Framework, body: BodyId, language: Language) -> tuple[str, ...]:
    """Return what ``body`` does that no document asks for: Sekisho adds it."""
    roles = [labels.ROLE[role] for role in fw.find_body(body).roles]
    if body in registries(fw) and "opt_out" not in functions_of(fw, body):
        roles.append(JOINT_REGISTRY)
    return tuple(said(role, language) for role in roles)


JOINT_REGISTRY = Text(
    ja="各機関のために共同のオプトアウト登録簿を管理する",
    en="keeps the joint opt-out registry for the other bodies",
)


def neighbours(body: Body, language: Language) -> tuple[Neighbour, ...]:
    """Return the framework's other bodies in its order."""
    fw = body.framework
    return tuple(
        Neighbour(
            id=other.id,
            title=said(other.title, language),
            kind=said(labels.BODY_KIND[other.kind], language),
            does=("・" if language == "ja" else ", ").join(
                (
                    *(one.title for one in performed(fw, other.id, language)),
                    *auxiliary_roles(fw, other.id, language),
                )
            ),
            url=body.directory.find(other.id).url or "",
        )
        for other in fw.body
        if other.id != body.id
    )


def ledger_head(body: Body) -> LedgerHead | None:
    """Return the ledger's latest checkpoint, its signature verified; None before the first."""
    try:
        note = body.ledger.checkpoint()
    except FileNotFoundError:
        return None
    try:
        head: TreeHead = read_checkpoint(note, body.ledger.origin, body.keys.signing.public).head
    except TamperError as error:
        return LedgerHead(problem=error.code)
    return LedgerHead(note=note.decode(), size=head.size, root=head.root.hex())
