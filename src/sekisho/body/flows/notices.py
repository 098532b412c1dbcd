"""The notice period: a certified operator collects of persons who were told, some days after.

The provider's program withholds what it may not send yet; the door is the second guard, and keeps
the day on which a provider's persons were given notice, so that the clock can be shown.
"""

from __future__ import annotations

from datetime import date

from sekisho.body.context import Body
from sekisho.body.ports import Json, Outcome
from sekisho.common.errors import Refusal, UserError
from sekisho.common.ids import BodyId
from sekisho.framework import Text, collects_from

KIND = "notice-given"
"""Not ``notice``: that is the word of another body that it refused a message of ours."""


def given_on(header: Json) -> date | None:
    """Return when a provider says that it gave its persons notice."""
    try:
        text = header.get("notice_given_on")
        return None if text is None else date.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise UserError("submission.notice", "The day of the notice is no day.") from error


def check(body: Body, provider: str, receiver: str, given: date | None) -> Outcome:
    """Check that ``receiver`` may collect today of persons who were given notice on ``given``.

    Raises:
        Refusal: no notice was given, or it was given too lately.
    """
    fw = body.framework
    days = fw.collection.notice_days
    certified = {one.id for one in fw.body if one.kind == "certified"}
    if receiver not in certified or not days:
        return Outcome()
    begins = None if given is None else collects_from(fw, BodyId(receiver), given)
    if given is not None and begins is not None and body.today() >= begins:
        kept = {"provider": provider, "receiver": receiver, "given_on": given.isoformat()}
        return Outcome(put=[(KIND, f"{provider}:{receiver}", kept)])
    raise Refusal(
        "submission.notice-period",
        f"{receiver} may not collect these records yet: the period after the notice is not over.",
        rule=f"collection.notice_days = {days}: certified operators wait after the notice",
        next_step="give notice, then send the records after the period"
        if begins is None
        else f"send the records again on {begins}",
    )


def clocks(body: Body) -> list[Json]:
    """Return, per provider, when notice was given, from when collection may begin, what is told."""
    found = []
    for _, kept in body.store.find(KIND):
        given = date.fromisoformat(kept["given_on"])
        begins = collects_from(body.framework, BodyId(kept["receiver"]), given)
        told = words(given, begins, kept_out=body.framework.opt_out.effect != "stop_provision")
        found.append(
            {
                "provider": kept["provider"],
                "receiver": kept["receiver"],
                "given_on": given.isoformat(),
                "collects_from": begins.isoformat(),
                "told": {"ja": told.ja, "en": told.en},
            }
        )
    return found


def words(given: date, begins: date, *, kept_out: bool) -> Text:
    """Return what a person is told of the clock.

    Args:
        kept_out: whether a choice stops collection itself, or only what is given out.
    """
    stops = _COLLECTION if kept_out else _PROVISION
    return Text(
        ja=f"{_ja(given)}にお知らせしました。{_ja(begins)}から、あなたのデータを集めます。"
        f"やめてほしいときは、いつでも窓口に申し出てください。{stops.ja}",
        en=f"You were given notice on {given}. Your data are collected from {begins} on. You can "
        f"say no at a desk at any time. {stops.en}",
    )


_COLLECTION = Text(
    ja="その前に申し出ると、集めません。",
    en="If you say so before that day, nothing is collected.",
)
_PROVISION = Text(
    ja="申し出ると、研究などに渡しません（データを集めることは続きます）。",
    en="Then nothing is given out for research or other uses; collection goes on.",
)


def _ja(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"
