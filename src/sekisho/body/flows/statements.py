"""A choice's printable statement, from what the desk and the framework say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import cast, get_args

from sekisho.body.context import Body
from sekisho.body.flows.desk import redress
from sekisho.body.ports import Json
from sekisho.common.errors import UserError
from sekisho.common.ids import BodyId
from sekisho.control.optout import Choice, Scope
from sekisho.control.optout.statement import Facts, Language, render
from sekisho.control.review import read_form_rule
from sekisho.framework import CLASSES, Text, collectors
from sekisho.framework.labels import class_names, names
from sekisho.framework.model import DataClass

EVERYTHING = Text(
    ja="すべてのデータ（どこにあるものも、どの{目的|もくてき}でも）",
    en="all data, wherever they are, for every purpose",
)


def statement(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Return the statement of a receipt as a page to print, in the language asked for."""
    language = params.get("lang", "ja")
    if language not in get_args(Language):
        raise UserError(
            "opt-out.language", "There is no statement in this language.", next_step="ja or en"
        )
    ref = params.get("ref", "")
    html = render(facts_of(body, ref), cast("Language", language))
    return {"ref": ref, "language": language, "html": html}


def facts_of(body: Body, ref: str) -> Facts:
    """Return what the statement of a receipt says.

    Raises:
        UserError: no choice of that number was stated here.
    """
    kept = body.store.get("choice", ref)
    if kept is None:
        raise UserError(
            "opt-out.no-receipt",
            "No choice of that receipt was stated at this desk.",
            next_step="ask the desk whose name is on the receipt",
        )
    fw = body.framework
    choice = Choice.from_payload(kept["choice"])
    holders = tuple(
        b for b in fw.function_bodies if any(b in collectors(fw, c) for c in _classes(choice.scope))
    )
    where = redress(body)
    asked = body.store.get("ask-again", ref)
    certified = any(fw.find_body(b).kind == "certified" for b in holders)
    return Facts(
        choice=choice,
        what=_in_words(body, choice.scope),
        effect=fw.opt_out.effect,
        desk=fw.find_body(BodyId(body.id)).title,
        holders=names(fw, holders),
        procedure=where.procedure,
        where=None if where.body is None else fw.find_body(where.body).title,
        notice_days=fw.collection.notice_days if certified else None,
        ask_again_on=None if asked is None else date.fromisoformat(asked["due"]),
        printed_on=body.today(),
        example=body.config.declared_synthetic,
    )


def _classes(scope: Scope) -> tuple[DataClass, ...]:
    return tuple(c for c in CLASSES if scope.kind != "data" or scope.value == c)


def _in_words(body: Body, scope: Scope) -> Text:
    match scope.kind:
        case "all":
            return EVERYTHING
        case "data":
            return class_names(_classes(scope))
        case "operator":
            title = body.framework.find_body(BodyId(scope.value)).title
            return Text(ja=f"{title.ja}による利用", en=f"use by {title.en}")
        case _:
            rule = read_form_rule(body.rules / "review" / "application.toml")
            found = next(one.title for one in rule.purpose if one.id == scope.value)
            return Text(ja=f"{found.ja}のための利用", en=f"use for {found.en}")
