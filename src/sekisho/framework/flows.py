"""What moves between providers, persons, bodies and users: the arrows of a drawing, as values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sekisho.common.ids import BodyId
from sekisho.framework.choices import desks, forwards, list_recipients, registries, registry_of
from sekisho.framework.deciding import windows
from sekisho.framework.extracting import crossings, environments
from sekisho.framework.labels import SHORT_CLASS
from sekisho.framework.model import DataClass, Framework, Function, Text

Carries = Literal[
    "records", "split", "choices", "lists", "linkable", "application", "lanes", "permit", "outputs"
]
Party = Literal["providers", "persons", "users"]

MAIN: tuple[DataClass, ...] = ("basic", "additional")


@dataclass(frozen=True)
class End:
    """One end of an arrow: a party outside, or a body and the function that sends or takes."""

    who: str
    function: Function | None = None


@dataclass(frozen=True)
class Flow:
    """One arrow: what it carries, from where, to where, and what it is called."""

    carries: Carries
    source: End
    target: End
    label: Text


def flows(fw: Framework) -> tuple[Flow, ...]:
    """Return every arrow of ``fw``, for the classes of data that the memo gives to bodies."""
    return (*_records(fw), *_choices(fw), *_linkable(fw), *_applications(fw), *_outputs(fw))


def _records(fw: Framework) -> Iterator[Flow]:
    taken: dict[BodyId, list[DataClass]] = {}
    for data_class in MAIN:
        for body in fw.assigned("collection", data_class):
            taken.setdefault(body, []).append(data_class)
    shared = fw.doors.submission == "shared" and len(taken) > 1
    for position, (body, classes) in enumerate(taken.items()):
        by_contract = any(
            given is not None and len(given.named) > 1 and given.sharing == "contract"
            for given in (fw.given("collection", c) for c in classes)
        )
        what = _records_label(MAIN if shared else tuple(classes), by_contract and not shared)
        if not shared or position == 0:
            yield Flow("records", End("providers"), End(body, "collection"), what)
        else:
            door = next(iter(taken))
            yield Flow(
                "split",
                End(door, "collection"),
                End(body, "collection"),
                Text(ja="共通の窓口で振り分け", en="split behind the door"),
            )


def _records_label(classes: tuple[DataClass, ...], by_contract: bool) -> Text:
    ja = "・".join(SHORT_CLASS[c].ja for c in classes)
    en = " + ".join(SHORT_CLASS[c].en for c in classes)
    if by_contract:
        return Text(ja=f"記録（{ja}・契約先へ）", en=f"records: {en}, by contract")
    return Text(ja=f"記録（{ja}）", en=f"records: {en}")


def _choices(fw: Framework) -> Iterator[Flow]:
    for desk in desks(fw):
        yield Flow(
            "choices",
            End("persons"),
            End(desk, "opt_out"),
            Text(ja="申出（オプトアウト）", en="choices (opt-out)"),
        )
        if registry_of(fw, desk) != desk:
            yield Flow(
                "lists",
                End(desk, "opt_out"),
                End(registry_of(fw, desk), _room(fw, registry_of(fw, desk))),
                Text(ja="申出・オプトアウト名簿", en="choices, lists of opt-outs"),
            )
    for registry in registries(fw):
        for other in forwards(fw, registry):
            yield Flow(
                "lists",
                End(registry, "opt_out"),
                End(other, "opt_out"),
                Text(ja="申出の相互通知", en="choices told to each other"),
            )
        for holder in list_recipients(fw, registry):
            if holder != registry:
                yield Flow(
                    "lists",
                    End(registry, _room(fw, registry)),
                    End(holder, "collection"),
                    Text(ja="オプトアウト名簿", en="lists of opt-outs"),
                )


def _room(fw: Framework, body: str) -> Function | None:
    return None if fw.find_body(body).kind == "auxiliary" else "opt_out"


def _linkable(fw: Framework) -> Iterator[Flow]:
    for one in crossings(fw, MAIN):
        # What is not yet processed goes to the body that will process it (`extract_route`).
        source: Function = "processing" if one.processed else "collection"
        target: Function = "analysis" if one.processed else "processing"
        label = (
            Text(ja="連結可能なデータ（加工後）", en="linkable data, processed")
            if one.processed
            else Text(ja="連結可能なデータ（加工前）", en="linkable data, unprocessed")
        )
        yield Flow("linkable", End(one.sender, source), End(one.receiver, target), label)


def _applications(fw: Framework) -> Iterator[Flow]:
    for window in windows(fw, MAIN):
        yield Flow(
            "application",
            End("users"),
            End(window.body, "review"),
            Text(ja="利用申請", en="application"),
        )
        for lane in window.lanes:
            if lane.body != window.body:
                yield Flow(
                    "lanes",
                    End(window.body, "review"),
                    End(lane.body, "review"),
                    Text(ja="共通の窓口で振り分け", en="split behind the door"),
                )
        yield Flow("permit", End(window.body, "review"), End("users"), Text(ja="許可", en="permit"))


def _outputs(fw: Framework) -> Iterator[Flow]:
    for body in environments(fw):
        yield Flow(
            "outputs",
            End(body, "analysis"),
            End("users"),
            Text(ja="確認済みの成果物", en="checked outputs"),
        )
