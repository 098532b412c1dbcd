"""What may be answered in an application: purposes and forms of processing, by a rule file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from sekisho.common.errors import Refusal, UserError
from sekisho.common.toml import read_toml
from sekisho.control.catalogue import Title
from sekisho.control.review.application import Application
from sekisho.control.review.values import Value


class Answer(Value, frozen=True, kw_only=True):
    """One answer that can be chosen, whether it is open to applicants, and by which source."""

    id: str
    title: Title
    open: bool
    source: str


class FormRule(Value, frozen=True, kw_only=True):
    """``rules/review/application.toml``."""

    id: str
    version: str
    purpose: tuple[Answer, ...]
    form: tuple[Answer, ...]


def read_form_rule(path: Path) -> FormRule:
    """Read the rule file."""
    return read_toml(path, FormRule)


def form_schema() -> dict[str, Any]:
    """Return the JSON Schema of the rule file."""
    return msgspec.json.schema(FormRule)


def check_admissible(application: Application, rule: FormRule) -> None:
    """Check that an application asks for what is offered at all.

    Raises:
        UserError: there is no such purpose or form.
        Refusal: there is, but it is not open.
    """
    purpose = _chosen(application.purpose, rule.purpose, "purpose")
    if not purpose.open:
        raise Refusal(
            "application.purpose-refused",
            f"Data are not provided for the purpose {purpose.id!r} ({purpose.title.ja}).",
            rule=f"{rule.id} {rule.version}: {purpose.source}",
            next_step="purposes: " + _open(rule.purpose),
        )
    form = _chosen(application.form, rule.form, "form")
    if not form.open:
        raise Refusal(
            "application.form-not-offered",
            f"The form {form.id!r} ({form.title.ja}) is not offered yet in this version.",
            rule=f"{rule.id} {rule.version}: {form.source}",
            next_step="forms offered: " + _open(rule.form),
        )


def _chosen(name: str, answers: tuple[Answer, ...], what: str) -> Answer:
    for answer in answers:
        if answer.id == name:
            return answer
    raise UserError(
        f"application.{what}",
        f"There is no {what} {name!r}.",
        next_step=f"{what}: {_open(answers)}",
    )


def _open(answers: tuple[Answer, ...]) -> str:
    return ", ".join(answer.id for answer in answers if answer.open)
