"""A framework as a value: who performs which function, for which data, under which rules.

The structures mirror the TOML of a framework file key by key; unknown keys are refused. Nothing
here decides anything: whether a file holds together is `sekisho.framework.proof`, what follows
from it is `sekisho.framework.routing`.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct

from sekisho.common.ids import BodyId

Function = Literal["collection", "opt_out", "review", "processing", "analysis"]
DataClass = Literal["basic", "additional", "hard"]
BodyKind = Literal["public", "certified", "auxiliary"]
Role = Literal["history", "converter", "oversight"]
Identifier = Literal["history", "number_only", "kana_birth_sex"]
"""What ties a person's records together; ``open.identifier``."""
Basis = Literal["explicit", "inferred"]
Door = Literal["per_body", "shared"]
Sharing = Literal["contract", "each"]
Sync = Literal["none", "lead", "replicated", "joint_registry"]
Decision = Literal["application", "revocation", "fee", "release", "opt_out", "submission"]

FUNCTIONS: tuple[Function, ...] = get_args(Function)
CLASSES: tuple[DataClass, ...] = get_args(DataClass)
ROLES: tuple[Role, ...] = get_args(Role)
DECISIONS: tuple[Decision, ...] = get_args(Decision)

USER_INPUT = "user input"
"""What stands in place of a source where none is known: the user of the file decides."""

DECIDER = "decider"
"""In a remedy: the body that took the decision."""

RESERVED = frozenset({"none", DECIDER})

ID = r"^[a-z0-9][a-z0-9-]*$"
Id = Annotated[str, Meta(pattern=ID, max_length=40)]
Said = Annotated[str, Meta(min_length=1)]


class Text(Struct, frozen=True, forbid_unknown_fields=True):
    """A text for people, Japanese first."""

    ja: Said
    en: Said


class Document(Struct, frozen=True, forbid_unknown_fields=True):
    """What the file was written from, and the heading of its part there, word for word."""

    name: Text
    heading: Said


class Body(Struct, frozen=True, forbid_unknown_fields=True):
    """An organisation that runs Sekisho. ``auxiliary`` ones are Sekisho's addition."""

    id: Annotated[BodyId, Meta(pattern=ID, max_length=40)]
    kind: BodyKind
    title: Text
    roles: tuple[Role, ...] = ()

    def __post_init__(self) -> None:
        if self.id in RESERVED:
            raise ValueError(f"a body cannot be called {self.id!r}: the word has a meaning here")
        if (self.kind == "auxiliary") != bool(self.roles):
            raise ValueError(
                "a body of kind 'auxiliary' has roles (history, converter, oversight), others none"
            )


class Assignment(Struct, frozen=True, forbid_unknown_fields=True):
    """One function for some classes of data, given to bodies.

    ``bodies = "none"`` says that today nobody performs it. ``several`` says how several bodies
    share it: by a ``contract`` of each provider with one of them, or ``each`` for its own data.
    """

    function: Function
    data: Annotated[tuple[DataClass, ...], Meta(min_length=1)]
    bodies: Annotated[tuple[BodyId, ...], Meta(min_length=1)] | Literal["none"]
    basis: Basis
    source: Said
    several: Sharing | None = None
    note: Text | None = None

    def __post_init__(self) -> None:
        if len(set(self.bodies)) < len(self.bodies) and self.bodies != "none":
            raise ValueError("a body is named twice in one assignment")

    @property
    def named(self) -> tuple[BodyId, ...]:
        """The bodies; none where nobody performs it."""
        return () if isinstance(self.bodies, str) else self.bodies

    @property
    def sharing(self) -> Sharing:
        """How several bodies share it: collection by contract, all else each its own data."""
        return self.several or ("contract" if self.function == "collection" else "each")


class Doors(Struct, frozen=True, forbid_unknown_fields=True):
    """One door for all bodies (shared) or one at each (per_body)."""

    submission: Door
    application: Door


class Review(Struct, frozen=True, forbid_unknown_fields=True):
    """How the decisions of several lanes become one."""

    join: Literal["each_own", "all_or_nothing", "lead", "recognise_first"]


class OptOut(Struct, frozen=True, forbid_unknown_fields=True):
    """What a choice stops, and how it comes to count at other bodies."""

    effect: Literal["stop_provision", "stop_collection", "erase"]
    sync: Sync


class Collection(Struct, frozen=True, forbid_unknown_fields=True):
    """``notice_days``: days between a person's notice and collection by certified operators."""

    notice_days: Annotated[int, Meta(ge=0, le=366)]


class Holding(Struct, frozen=True, forbid_unknown_fields=True):
    """Who keeps today's public databases, and when records reach a processor elsewhere."""

    public_db: Literal["own", "partition", "custodian", "replica", "joint"]
    handover: Literal["per_permit", "standing_copy"]


class Linkage(Struct, frozen=True, forbid_unknown_fields=True):
    """Who exchanges linkable data, who joins them, and where the cohort is found."""

    exchange: tuple[BodyId, ...]
    at: BodyId
    cohort: Literal["at_gate", "returned"]


class Remedy(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a person, provider or user turns against a decision.

    ``body`` is where: a body, ``decider`` for the one that decided, or "user input". ``of`` limits
    it to decisions of these bodies; without it, it holds for all that decide.
    """

    body: BodyId
    procedure: Text
    source: Said
    of: tuple[BodyId, ...] = ()


Remedies = Remedy | tuple[Remedy, ...]


class Remedied(Struct, frozen=True, forbid_unknown_fields=True):
    """A remedy for every type of decision; a file without one is refused."""

    application: Remedies
    revocation: Remedies
    fee: Remedies
    release: Remedies
    opt_out: Remedies
    submission: Remedies

    def against(self, decision: Decision) -> tuple[Remedy, ...]:
        """Return the remedies against decisions of one type."""
        found: Remedies = getattr(self, decision)
        return (found,) if isinstance(found, Remedy) else found


class Platform(Struct, frozen=True, forbid_unknown_fields=True):
    """情報連携基盤: what is offered once for all bodies, and whether private ones take part."""

    catalogue: Door
    visiting: Door
    covers_private: bool


class Cost(Struct, frozen=True, forbid_unknown_fields=True):
    """Who pays for building and for running."""

    build: Literal["state", "user_fee", "operator"]
    run: Literal["state", "user_fee", "operator"]


class Question(Struct, frozen=True, forbid_unknown_fields=True):
    """A question that the document leaves open, and the key that answers it in this file."""

    text: Said
    source: Said
    answered_by: Said


class Unassigned(Struct, frozen=True, forbid_unknown_fields=True):
    """A function that the file gives to nobody for some classes of data, and says so."""

    function: Function
    data: Annotated[tuple[DataClass, ...], Meta(min_length=1)]
    source: Said


class Open(Struct, frozen=True, forbid_unknown_fields=True):
    """引き続き検討: what the memo leaves open; every value here is a switch, none is decided.

    ``sources`` names, for each key, where its value comes from, or "user input".
    ``kinds`` and ``by_function`` are paths of rule files; ``hard`` is by kind of data.
    """

    kinds: Said
    basis: Literal["duty", "incentive", "voluntary"]
    by_function: Said
    mode: Literal["push", "pull"]
    identifier: Identifier
    nonstandard: Literal["convert", "accept", "refuse"]
    platform: Platform
    cost: Cost
    hard: dict[str, Literal["in_place", "to_environment", "excluded"]]
    sources: dict[str, Said]
    question: tuple[Question, ...] = ()
    unassigned: tuple[Unassigned, ...] = ()


class Framework(Struct, frozen=True, forbid_unknown_fields=True):
    """Who does what. ``runs = false`` marks a record of what exists, which no body can run."""

    id: Id
    title: Text
    document: Document
    body: Annotated[tuple[Body, ...], Meta(min_length=1)]
    assignment: Annotated[tuple[Assignment, ...], Meta(min_length=1)]
    doors: Doors
    review: Review
    opt_out: OptOut
    collection: Collection
    holding: Holding
    open: Open
    linkage: Linkage | None = None
    remedy: Remedied | None = None
    runs: bool = True

    def given(self, function: Function, data_class: DataClass) -> Assignment | None:
        """Return the assignment of ``function`` for one class of data; None where it is open."""
        for one in self.assignment:
            if one.function == function and data_class in one.data:
                return one
        return None

    def assigned(self, function: Function, data_class: DataClass) -> tuple[BodyId, ...]:
        """Return the bodies that perform ``function`` for one class of data."""
        one = self.given(function, data_class)
        return one.named if one else ()

    def find_body(self, body: str) -> Body:
        """Return the body called ``body``; KeyError where the framework has none."""
        for one in self.body:
            if one.id == body:
                return one
        raise KeyError(body)

    @property
    def function_bodies(self) -> tuple[BodyId, ...]:
        """The bodies that are given functions, in the file's order."""
        return tuple(one.id for one in self.body if one.kind != "auxiliary")

    def with_role(self, role: Role) -> tuple[BodyId, ...]:
        """Return the auxiliary bodies that have ``role``."""
        return tuple(one.id for one in self.body if role in one.roles)
