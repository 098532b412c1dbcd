"""What a reader of a framework must know although it runs; printed, never hidden.

`findings` names consequences of the file; `unmeasured` names keys whose rooms come later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sekisho.framework.choices import desks, registries_for
from sekisho.framework.extracting import holds_and_joins
from sekisho.framework.kinds import DataKinds
from sekisho.framework.labels import FUNCTION, class_names, names, sourced
from sekisho.framework.model import CLASSES, Framework, Text
from sekisho.framework.submission import holders


@dataclass(frozen=True)
class Finding:
    """One consequence of the file: a stable code, the key it follows from, and a text."""

    code: str
    key: str
    text: Text


def findings(fw: Framework, kinds: DataKinds) -> tuple[Finding, ...]:
    """Return what follows from ``fw`` and its readers must know."""
    return (*_hard(fw, kinds), *_lists(fw), *_contracts(fw), *_both(fw), *_unassigned(fw))


def unmeasured(fw: Framework) -> tuple[tuple[str, str, str], ...]:
    """Return (key, value, why) of every key that is read and proved but changes no figure yet."""
    later: list[tuple[str, str, str]] = []
    for key, why in _LATER.items():
        later.append((f"open.{key}", _shown(getattr(fw.open, key)), why))
    for key, at_work, why in _ONE_VALUE:
        room, name = key.split(".")
        table = getattr(fw, room)
        if table is not None and getattr(table, name) != at_work:
            later.append((key, str(getattr(table, name)), why))
    return tuple(later)


_LATER = {
    "platform": "not measured yet: shared catalogue and visiting environment",
    "cost": "not measured yet: no figure for cost is known, it is the user's input",
    "hard": "not measured yet: images and genomes",
}

_ONE_VALUE = (
    ("holding.public_db", "own", "not measured yet: hand-over of today's public databases"),
    ("holding.handover", "per_permit", "not measured yet: a standing copy at the processor"),
    ("linkage.cohort", "at_gate", "not measured yet: cohort members returned to holders"),
)
"""Keys of which one value is at work so far."""


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in value.items())
    fields = getattr(value, "__struct_fields__", None)
    if fields:
        return ", ".join(f"{name}={_plain(getattr(value, name))}" for name in fields)
    return _plain(value)


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _hard(fw: Framework, kinds: DataKinds) -> Iterator[Finding]:
    for kind in kinds.kind:
        if fw.open.hard.get(kind.id) != "in_place":
            continue
        analysed = fw.assigned("analysis", kind.data_class)
        without = tuple(b for b in holders(fw, kind.data_class) if b not in analysed)
        if without:
            who = names(fw, without)
            yield Finding(
                "hard-data-without-environment",
                f"open.hard.{kind.id}",
                Text(
                    ja=f"{kind.title.ja}は保有する場所で解析することとされているが、"
                    f"保有する機関（{who.ja}）に解析環境がないため利活用できない。",
                    en=f"{kind.title.en.capitalize()} are to be analysed where they are held, but "
                    f"the holder ({who.en}) has no analysis environment: they cannot be used.",
                ),
            )


def _lists(fw: Framework) -> Iterator[Finding]:
    held = {holder for c in CLASSES for holder in holders(fw, c)}
    deaf = tuple(b for b in fw.function_bodies if b in held and not registries_for(fw, b))
    if deaf:
        who = names(fw, deaf)
        yield Finding(
            "holder-without-list",
            "opt_out.sync",
            Text(
                ja=f"データを保有する機関（{who.ja}）にオプトアウトの名簿が届かない。",
                en=f"No list of opt-outs reaches a holder of data ({who.en}).",
            ),
        )
    if len(desks(fw)) > 1 and fw.opt_out.sync == "none":
        yield Finding(
            "choices-not-synchronised",
            "opt_out.sync",
            Text(
                ja="窓口が複数あり同期しないため、ある窓口への申出は他の機関に及ばない。",
                en="Several desks and no synchronisation: a choice at one desk does not count "
                "at the other bodies.",
            ),
        )


def _contracts(fw: Framework) -> Iterator[Finding]:
    classes = []
    for data_class in CLASSES:
        given = fw.given("collection", data_class)
        if given and len(given.named) > 1 and given.sharing == "contract":
            classes.append(data_class)
    if classes:
        what = class_names(tuple(classes))
        yield Finding(
            "collection-by-contract",
            "assignment",
            Text(
                ja=f"いずれの事業者とも契約のない提供者からは、{what.ja}が集まらない。",
                en=f"From a provider without a contract with an operator come no {what.en}.",
            ),
        )


def _both(fw: Framework) -> Iterator[Finding]:
    both = holds_and_joins(fw)
    if both:
        who = names(fw, both)
        yield Finding(
            "holds-and-joins",
            "assignment",
            Text(
                ja=f"データの保有と連結されたデータの解析環境を兼ねる機関がある（{who.ja}）。"
                "仮名の連結不能性は、両方を担う機関に対しては約束されない。",
                en=f"A body both holds data and hosts joined data ({who.en}): unlinkability is not "
                "promised against a body that does both.",
            ),
        )


def _unassigned(fw: Framework) -> Iterator[Finding]:
    for one in fw.open.unassigned:
        what, where = class_names(one.data), sourced(one.source)
        yield Finding(
            "function-open",
            "open.unassigned",
            Text(
                ja=f"{what.ja}の{FUNCTION[one.function].ja}を担う機関は未定（{where.ja}）。",
                en=f"{FUNCTION[one.function].en} of {what.en} is given to nobody ({where.en}).",
            ),
        )
