"""Persons and rows that a project did not get, by cause; and what it got."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sekisho.comparison.figures import PERSONS, ROWS, counts_of
from sekisho.comparison.remains import Run
from sekisho.framework import NO_COLLECTOR, NO_OPERATOR_CONTRACT, Text

RECORDS = Text(ja="記録", en="records")
FILES = Text(ja="提供", en="deliveries")
PROJECTS = Text(ja="プロジェクト", en="projects")


@dataclass(frozen=True)
class Loss:
    """A cause, with what it is called and counted in."""

    id: str
    title: Text
    unit: Text


_WITHHELD = {
    NO_OPERATOR_CONTRACT: Text(
        ja="認定事業者との契約がなく提供されない", en="not provided: no contract with an operator"
    ),
    NO_COLLECTOR: Text(ja="収集する機関がない", en="not provided: nobody collects the class"),
}
_LANDING = {
    "refused": Text(ja="収集時に拒否", en="refused at collection"),
    "quarantined": Text(ja="収集時に隔離", en="quarantined at collection"),
    "superseded": Text(ja="新しい記録に置き換え", en="superseded by a newer record"),
    "set_aside": Text(ja="対応する表がない", en="set aside: no table for it"),
}
_CLASS = {
    "basic": Text(ja="基本的な医療等情報", en="basic data"),
    "additional": Text(ja="追加的な医療等情報", en="additional data"),
    "hard": Text(ja="加工困難な情報", en="hard data"),
}


def losses(run: Run) -> dict[Loss, float]:
    """Return, in the order of their way, how much was lost to each cause, and what was left."""
    found: dict[Loss, float] = {}
    report = run.report
    errors = Counter(one["error"] for one in report["submissions"] if "error" in one)
    for code, count in sorted(errors.items()):
        title = Text(ja=f"読めないため提供できない（{code}）", en=f"delivery refused ({code})")
        found[Loss(f"delivery:{code}", title, FILES)] = count
    for cause, count in sorted(report["lost"]["records_withheld"].items()):
        title = _WITHHELD.get(cause, Text(ja=cause, en=cause))
        found[Loss(f"withheld:{cause}", title, RECORDS)] = count
    landed = [one["totals"] for bodies in report["landed"].values() for one in bodies]
    for name, title in _LANDING.items():
        found[Loss(name, title, RECORDS)] = sum(totals.get(name, 0) for totals in landed)
    for rule, count in sorted(_broken(run).items()):
        title = Text(ja=f"うち規則 {rule} による", en=f"of these, by rule {rule}")
        found[Loss(f"quarantined:{rule}", title, RECORDS)] = count
    found.update(_dropped(run))
    counts = counts_of(run).values()
    for loss, name in _GATE.items():
        found[loss] = sum(one[name] for one in counts)
    for table in sorted({table for one in counts for table in one["rows"]}):
        loss = Loss(f"rows:{table}", Text(ja=f"届いた行：{table}", en=f"rows: {table}"), ROWS)
        found[loss] = sum(one["rows"].get(table, 0) for one in counts)
    closed = sum(1 for one in report["projects"].values() if "counts" not in one)
    asked = len(report["applications"]) - len(report["projects"])
    found[_NO_PROJECT] = closed + max(asked, 0)
    return found


def _broken(run: Run) -> Counter[str]:
    """Records that a body's rule kept out of its tables, by rule; one may break several."""
    found: Counter[str] = Counter()
    for rules in run.report["lost"]["records_quarantined"].values():
        found.update(rules)
    return found


_OPTED_OUT_AT_GATE = Loss(
    "opted_out_at_gate",
    Text(ja="解析環境の入口で除いた（申出）", en="dropped at the gate (opt-out)"),
    PERSONS,
)
_GATE = {
    _OPTED_OUT_AT_GATE: "opted_out",
    Loss(
        "outside_cohort", Text(ja="研究の対象外", en="outside the cohort"), PERSONS
    ): "outside_cohort",
    Loss("included", Text(ja="解析環境に入った", en="included"), PERSONS): "included",
    Loss(
        "linked", Text(ja="うち複数の機関の記録がある", en="of these, from several bodies"), PERSONS
    ): "linked",
}
_NO_PROJECT = Loss(
    "no_project", Text(ja="データが渡らなかった申請", en="applications that got no data"), PROJECTS
)


def _dropped(run: Run) -> dict[Loss, float]:
    """Persons dropped by holders, by class; one person counts at each holder that had them."""
    by_class: Counter[str] = Counter()
    for project in run.report["lost"]["projects"].values():
        for part, persons in project["dropped_by_holders"].items():
            by_class[part.rpartition(":")[2]] += persons
    return {
        Loss(
            f"dropped:{name}",
            Text(
                ja=f"保有機関が除いた（申出）：{_CLASS[name].ja}",
                en=f"dropped by holders (opt-out): {_CLASS[name].en}",
            ),
            PERSONS,
        ): by_class[name]
        for name in _CLASS
        if name in by_class
    }


def in_order(found: set[Loss]) -> list[Loss]:
    """Return causes in the order of the data's way: provider, body, holder, gate, project."""
    ranks = ("delivery", "withheld", *_LANDING, "dropped", *(one.id for one in _GATE), "rows")
    return sorted(
        found,
        key=lambda one: (
            ranks.index(part) if (part := one.id.partition(":")[0]) in ranks else len(ranks),
            one.id,
        ),
    )
