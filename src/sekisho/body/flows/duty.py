"""What providers owe this body, may send it or are paid for: asked, noticed, followed up, paid.

A period is met when records of its months have landed. What is late goes through the steps of the
rule file, each once and in order: reminder, 勧告, publication, penalty; the framework's basis says
which of them there are. Steps are facts in the ledger: what they lead to outside is the body's law.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sekisho.body.context import Body
from sekisho.body.ports import Json, Outcome
from sekisho.data import collection
from sekisho.exchange.directory import Peer
from sekisho.framework import (
    CLASSES,
    Basis,
    DataKinds,
    Period,
    ProviderFunctions,
    Step,
    kinds_of,
    provider_functions_of,
    recipients,
)

COVERED, OWED, ACCOUNT = "covered", "owed", "account"


@dataclass(frozen=True)
class Owed:
    """One kind of data of one period that one provider is asked for."""

    provider: str
    kind: str
    period: Period
    due_on: date
    basis: Basis

    @property
    def key(self) -> str:
        return f"{self.provider}/{self.kind}/{self.period.label}"


def landed(
    body: Body,
    provider: str,
    submission: str,
    format_id: str,
    came: Mapping[str, frozenset[str]],
    balance: collection.Balance,
    replaced: Mapping[str, int],
) -> Outcome:
    """Note which months came, and pay for what is new where this is paid for.

    Args:
        came: kind of data → months on which rows that landed begin.
        replaced: record type → records in whose place the new ones came; these are not paid twice.
    """
    outcome = Outcome()
    kept = body.store.get(COVERED, provider) or {}
    months = {kind: set(of) for kind, of in kept.items()}
    for kind, new in came.items():
        months[kind] = months.get(kind, set()) | new
    outcome.put.append((COVERED, provider, {k: sorted(of) for k, of in sorted(months.items())}))
    if body.framework.open.basis == "incentive":
        outcome.add(_paid(body, provider, submission, format_id, balance, replaced))
    return outcome


def _paid(
    body: Body,
    provider: str,
    submission: str,
    format_id: str,
    balance: collection.Balance,
    replaced: Mapping[str, int],
) -> Outcome:
    rules, kinds = _rules(body), _kinds(body)
    level = rules.level_of(balance.totals["sent"], balance.totals["landed"])
    new: Counter[str] = Counter()
    for line in balance.lines:
        for kind, data_class in kinds.placed(format_id, line.record_type):
            if data_class == line.data_class:
                new[kind] += max(line.landed - replaced.get(line.record_type, 0), 0)
    full = sum(rules.yen(kind) * number for kind, number in new.items())
    yen = full * (0 if level is None else level.percent) // 100
    name = "none" if level is None else level.id
    entry = {"yen": yen, "level": name, "on": body.today().isoformat(), "records": dict(new)}
    outcome = Outcome(put=[(ACCOUNT, f"{provider}/{submission}", entry)])
    outcome.fact(
        "incentive.credited", provider=provider, submission=submission, yen=yen, level=name
    )
    return outcome


def daily(body: Body) -> Outcome:
    """Take every step that fell due, once, and note what has come in the meantime."""
    outcome = Outcome()
    rules = _rules(body)
    for owed in _owed(body, rules):
        kept = body.store.get(OWED, owed.key) or {"steps": {}, "met_on": None}
        if kept["met_on"] is not None:
            continue
        if _met(body, owed):
            state = kept | {"met_on": body.today().isoformat()}
            outcome.put.append((OWED, owed.key, state))
            outcome.fact(
                "duty.met",
                provider=owed.provider,
                data_kind=owed.kind,
                period=owed.period.label,
                late=body.today() > owed.due_on,
            )
            continue
        taken = _steps_due(body, rules.steps(owed.basis), owed, kept["steps"])
        for step in taken:
            outcome.fact(
                "duty.step",
                provider=owed.provider,
                data_kind=owed.kind,
                period=owed.period.label,
                step=step.id,
                due=owed.due_on.isoformat(),
            )
        if taken:
            steps = kept["steps"] | {step.id: body.today().isoformat() for step in taken}
            outcome.put.append((OWED, owed.key, kept | {"steps": steps}))
    return outcome


def standing(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Tell a provider what it is asked for here, what has come, and what was credited to it."""
    del params, data
    return {
        "provider": sender,
        "owed": [_shown(body, one) for one in _owed(body, _rules(body)) if one.provider == sender],
        "credited": [
            {"submission": key.rpartition("/")[2], **kept}
            for key, kept in body.store.find(ACCOUNT, f"{sender}/")
        ],
    }


def figures(body: Body) -> Json:
    """Return coverage by function of provider, steps taken and money credited; nobody's records."""
    if "collection" not in body.rooms:
        return {}
    rules = _rules(body)
    by_function: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for peer in body.directory.of_kind("provider"):
        known = by_function[peer.function or "unknown"]
        known["providers"] += 1
        known["sent"] += body.store.get(COVERED, peer.id) is not None
    steps: Counter[str] = Counter()
    functions = {peer.id: peer.function or "unknown" for peer in body.directory}
    for owed in _owed(body, rules):
        kept = body.store.get(OWED, owed.key) or {"steps": {}, "met_on": None}
        count = by_function[functions[owed.provider]]
        count["asked"] += 1
        if kept["met_on"]:
            count["met"] += 1
            count["met_late"] += date.fromisoformat(kept["met_on"]) > owed.due_on
        else:
            count["overdue"] += body.today() > owed.due_on
        steps.update(kept["steps"].keys())
    return {
        "basis": body.framework.open.basis,
        "by_function": {name: dict(sorted(of.items())) for name, of in sorted(by_function.items())},
        "steps": dict(sorted(steps.items())),
        "yen": sum(kept["yen"] for _, kept in body.store.find(ACCOUNT)),
    }


def _owed(body: Body, rules: ProviderFunctions) -> Iterator[Owed]:
    """Yield what this body asks for: of the providers that send it, in periods that are over."""
    kinds, fw = _kinds(body), body.framework
    for peer in body.directory.of_kind("provider"):
        for ask in rules.asked_of(peer.function or ""):
            for kind in ask.kinds:
                if not _sends_here(body, peer, kinds, kind):
                    continue
                for period in ask.periods(body.today()):
                    basis = ask.basis or fw.open.basis
                    yield Owed(peer.id, kind, period, ask.due_on(period), basis)


def _sends_here(body: Body, peer: Peer, kinds: DataKinds, kind: str) -> bool:
    data_class = kinds.find(kind).data_class
    return (
        data_class in CLASSES
        and recipients(body.framework, data_class, peer.operator).body == body.id
    )


def _met(body: Body, owed: Owed) -> bool:
    covered = body.store.get(COVERED, owed.provider) or {}
    return not set(owed.period.months).isdisjoint(covered.get(owed.kind, ()))


def _steps_due(
    body: Body, steps: tuple[Step, ...], owed: Owed, taken: Mapping[str, str]
) -> list[Step]:
    late = (body.today() - owed.due_on).days
    return [step for step in steps if late >= step.after_days and step.id not in taken]


def _shown(body: Body, owed: Owed) -> Json:
    kept = body.store.get(OWED, owed.key) or {"steps": {}, "met_on": None}
    met = kept["met_on"] is not None or _met(body, owed)
    late = not met and body.today() > owed.due_on
    return {
        "kind": owed.kind,
        "period": owed.period.label,
        "due_on": owed.due_on.isoformat(),
        "basis": owed.basis,
        "state": "met" if met else "overdue" if late else "open",
        "steps": kept["steps"],
    }


def _rules(body: Body) -> ProviderFunctions:
    return provider_functions_of(body.framework, _file(body))


def _kinds(body: Body) -> DataKinds:
    return kinds_of(body.framework, _file(body))


def _file(body: Body) -> Path:
    return (body.folders.base / body.config.framework).resolve()
