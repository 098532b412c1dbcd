"""The figures by which frameworks are laid side by side: name, unit, and where each is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from sekisho.comparison.remains import Json, Run
from sekisho.framework import Text

Group = Literal["providers", "users", "persons", "holding", "building", "traffic", "science"]

GROUPS: tuple[Group, ...] = get_args(Group)

GROUP_TITLE: dict[Group, Text] = {
    "providers": Text(ja="提供者", en="Providers"),
    "users": Text(ja="利活用者と審査", en="Users and review"),
    "persons": Text(ja="本人（オプトアウト）", en="Persons (opting out)"),
    "holding": Text(ja="データの保有", en="Where data are held"),
    "building": Text(ja="現行からの変更", en="Changes against today"),
    "traffic": Text(ja="機関の間の通信", en="Traffic between bodies"),
    "science": Text(ja="解析に届いたデータ", en="Data that reached the analysis"),
}

COUNT = Text(ja="件", en="count")
BODIES = Text(ja="機関", en="bodies")
BYTES = Text(ja="バイト", en="bytes")
ROWS = Text(ja="行", en="rows")
PERSONS = Text(ja="人", en="persons")
DAYS = Text(ja="日", en="days")
SHARE = Text(ja="割合", en="share")


@dataclass(frozen=True)
class Value:
    """A figure's value; ``parts`` by body, provider or table, where it has any."""

    value: float
    parts: Mapping[str, float] = field(default_factory=dict)

    @staticmethod
    def total(parts: Mapping[str, float]) -> Value:
        return Value(sum(parts.values()), dict(parts))

    @staticmethod
    def mean(parts: Mapping[str, float]) -> Value:
        return Value(sum(parts.values()) / len(parts) if parts else 0, dict(parts))


@dataclass(frozen=True)
class Figure:
    """One figure. ``about`` says how it is counted where the title does not."""

    id: str
    group: Group
    title: Text
    unit: Text
    read: Callable[[Run], Value | None]
    about: Text | None = None


def spelled(value: float, unit: Text) -> str:
    """Return a value for people."""
    if unit == SHARE:
        return f"{100 * value:.1f} %"
    if unit == BYTES:
        return f"{value / 1000:,.0f} kB"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def _measure(name: str) -> Callable[[Run], Value | None]:
    def read(run: Run) -> Value | None:
        found = run.report["measures"].get(name)
        if found is None:
            return None
        if isinstance(found, dict):
            return Value.total(found)
        if isinstance(found, list):
            return Value(len(found))
        return Value(found)

    return read


def _mean(name: str) -> Callable[[Run], Value | None]:
    def read(run: Run) -> Value | None:
        found = run.report["measures"].get(name)
        return None if found is None else Value.mean(found)

    return read


def _change(name: str) -> Callable[[Run], Value | None]:
    return lambda run: Value(run.change[name]) if name in run.change else None


def _bodies(with_auxiliary: bool) -> Callable[[Run], Value | None]:
    def read(run: Run) -> Value | None:
        total = len(run.report["bodies"])
        return Value(total if with_auxiliary else total - len(run.auxiliary))

    return read


def _sent(what: str, with_auxiliary: bool) -> Callable[[Run], Value | None]:
    def read(run: Run) -> Value | None:
        return Value.total(
            {
                body: one["out"][what]
                for body, one in run.report["traffic"].items()
                if with_auxiliary or body not in run.auxiliary
            }
        )

    return read


def _links(what: str) -> Callable[[Run], Value | None]:
    def read(run: Run) -> Value | None:
        found = run.report.get("linkage")
        return None if found is None else Value(found[what]["persons"], found[what]["by_cause"])

    return read


def counts_of(run: Run) -> dict[str, Json]:
    """Return the gate's counts of every project that was made."""
    return {
        name: project["counts"]
        for name, project in run.report["projects"].items()
        if "counts" in project
    }


def _gate(name: str) -> Callable[[Run], Value | None]:
    return lambda run: Value.total({key: one[name] for key, one in counts_of(run).items()})


def _project_rows(run: Run) -> Value:
    rows: dict[str, float] = {}
    for one in counts_of(run).values():
        for table, count in one["rows"].items():
            rows[table] = rows.get(table, 0) + count
    return Value.total(rows)


FIGURES: tuple[Figure, ...] = (
    Figure(
        "submissions_per_provider",
        "providers",
        Text(ja="一回の提供あたりの提出数", en="submissions per delivery"),
        COUNT,
        _mean("submissions_per_provider"),
        Text(
            ja="同じファイルを何か所へ提出するか。提供者の平均",
            en="at how many doors the same files are handed in; mean over providers",
        ),
    ),
    Figure(
        "provider_messages",
        "providers",
        Text(ja="提供者が送った通信", en="messages sent by providers"),
        COUNT,
        _measure("provider_messages"),
    ),
    Figure(
        "provider_bytes",
        "providers",
        Text(ja="提供者が送った量", en="bytes sent by providers"),
        BYTES,
        _measure("provider_bytes"),
    ),
    Figure(
        "pull_requests",
        "providers",
        Text(ja="提供者のFHIRサーバーへの要求", en="requests to providers' FHIR servers"),
        COUNT,
        _measure("pull_requests"),
        Text(
            ja="収集を取得（pull）で行うときだけ。開始、状態の確認、ファイル、終了の合計",
            en="only where collection is by pull: kick-off, looks, files and release together",
        ),
    ),
    Figure(
        "collection_delay_days",
        "providers",
        Text(ja="記録ができてから収集されるまでの日数", en="days from record to collection"),
        DAYS,
        _measure("collection_delay_days"),
        Text(
            ja="提供者のサーバーに置かれていた最長の日数。提出（push）では0日",
            en="the longest that records lay at a provider's server; 0 where they are pushed",
        ),
    ),
    Figure(
        "application_windows",
        "users",
        Text(ja="申請の窓口", en="windows to apply at"),
        COUNT,
        _measure("application_windows"),
    ),
    Figure(
        "fields_typed",
        "users",
        Text(ja="記入した項目", en="fields typed"),
        COUNT,
        _measure("fields_typed"),
        Text(ja="全窓口の合計", en="summed over all windows"),
    ),
    Figure(
        "review_lanes",
        "users",
        Text(ja="審査する機関", en="bodies that review"),
        BODIES,
        _measure("review_lanes"),
    ),
    Figure(
        "review_days",
        "users",
        Text(ja="審査の日数", en="days of review"),
        DAYS,
        _measure("review_days"),
        Text(
            ja="最も遅い審査。採決の日はシナリオが定める",
            en="the slowest lane; the scenario sets the day of the vote",
        ),
    ),
    Figure(
        "opt_out_desks",
        "persons",
        Text(ja="オプトアウトの窓口", en="opt-out desks"),
        COUNT,
        _measure("opt_out_desks"),
    ),
    Figure(
        "opt_out_steps",
        "persons",
        Text(ja="全機関に及ぶまでの申出の数", en="statements until every holder knows"),
        COUNT,
        _measure("opt_out_steps"),
    ),
    Figure(
        "opt_out_window_days",
        "persons",
        Text(
            ja="申出から全保有機関の適用までの日数", en="days until every holder applies a choice"
        ),
        DAYS,
        _measure("opt_out_window_days"),
        Text(
            ja="最も遅い申出。届かなかった機関は別に数える",
            en="the slowest choice; holders that it never reached are counted apart",
        ),
    ),
    Figure(
        "opt_out_unreached",
        "persons",
        Text(ja="申出が届かなかった保有機関", en="holders that a choice never reached"),
        COUNT,
        _measure("opt_out_unreached"),
        Text(ja="申出と機関の組を数える", en="pairs of a choice and a holder"),
    ),
    Figure(
        "used_after_opting_out",
        "persons",
        Text(ja="他の窓口で申し出た後に利用された人", en="persons used after opting out elsewhere"),
        PERSONS,
        _measure("used_after_opting_out"),
        Text(
            ja="ある窓口への申出が、別の機関のデータに及ばなかった人。監督機関が照合して数える",
            en="a choice at one desk did not count for another body's data; the oversight body "
            "counts them when it compares extract and lists",
        ),
    ),
    Figure(
        "opt_out_hops",
        "persons",
        Text(ja="窓口から保有機関までの通信の段数", en="messages from the desk to a holder"),
        COUNT,
        _measure("opt_out_hops"),
        Text(ja="前の通信を待つものを数える", en="each waits for the one before it"),
    ),
    Figure(
        "records_stopped",
        "persons",
        Text(ja="申出により収集しなかった記録", en="records not collected because of a choice"),
        COUNT,
        _measure("records_stopped"),
        Text(
            ja="効果が収集の停止または消去の場合のみ",
            en="where the effect is to stop collection, or erasure",
        ),
    ),
    Figure(
        "persons_erased",
        "persons",
        Text(ja="申出により消去された人", en="persons erased because of a choice"),
        PERSONS,
        _measure("persons_erased"),
        Text(ja="保有機関ごとに数える", en="a person counts once at each holder"),
    ),
    Figure(
        "rows_erased",
        "persons",
        Text(ja="申出により消去された行", en="rows erased because of a choice"),
        ROWS,
        _measure("rows_erased"),
        Text(ja="保留中のものを含む", en="those in quarantine too"),
    ),
    Figure(
        "bodies_holding_records",
        "holding",
        Text(ja="記録を保有する機関", en="bodies that hold records"),
        BODIES,
        _measure("bodies_holding_records"),
    ),
    Figure(
        "records_held",
        "holding",
        Text(ja="保有された記録", en="records held"),
        ROWS,
        _measure("records_held"),
        Text(
            ja="二つの種別に入る記録は両方で数える",
            en="a record of two data classes counts in each",
        ),
    ),
    Figure(
        "records_held_max_share",
        "holding",
        Text(ja="一機関に集まる最大の割合", en="largest share at one body"),
        SHARE,
        _measure("records_held_max_share"),
    ),
    Figure(
        "bodies_that_hold_and_join",
        "holding",
        Text(ja="保有と連結解析を兼ねる機関", en="bodies that both hold and join"),
        BODIES,
        _measure("bodies_that_hold_and_join"),
    ),
    Figure(
        "functions_moved",
        "building",
        Text(ja="担い手が移る機能", en="functions that change hands"),
        COUNT,
        _change("functions_moved"),
        Text(
            ja="機能とデータ種別の組を現行の記録と比べて数える",
            en="pairs of function and data class, counted against the record of today",
        ),
    ),
    Figure(
        "bodies_to_build",
        "building",
        Text(ja="新たに構築する機関（補助機関を除く）", en="bodies that must build, no auxiliary"),
        BODIES,
        _change("bodies_to_build"),
    ),
    Figure(
        "bodies_to_build_with_auxiliary",
        "building",
        Text(ja="新たに構築する機関（補助機関を含む）", en="bodies that must build, auxiliary too"),
        BODIES,
        _change("bodies_to_build_with_auxiliary"),
    ),
    Figure(
        "bodies_without_auxiliary",
        "traffic",
        Text(ja="機関の数（補助機関を除く）", en="bodies, no auxiliary"),
        BODIES,
        _bodies(with_auxiliary=False),
    ),
    Figure(
        "bodies",
        "traffic",
        Text(ja="機関の数（補助機関を含む）", en="bodies, auxiliary too"),
        BODIES,
        _bodies(with_auxiliary=True),
    ),
    Figure(
        "messages_without_auxiliary",
        "traffic",
        Text(ja="機関が送った通信（補助機関を除く）", en="messages sent, no auxiliary"),
        COUNT,
        _sent("messages", with_auxiliary=False),
    ),
    Figure(
        "messages",
        "traffic",
        Text(ja="機関が送った通信（補助機関を含む）", en="messages sent, auxiliary too"),
        COUNT,
        _sent("messages", with_auxiliary=True),
    ),
    Figure(
        "bytes_without_auxiliary",
        "traffic",
        Text(ja="機関が送った量（補助機関を除く）", en="bytes sent, no auxiliary"),
        BYTES,
        _sent("bytes", with_auxiliary=False),
    ),
    Figure(
        "bytes",
        "traffic",
        Text(ja="機関が送った量（補助機関を含む）", en="bytes sent, auxiliary too"),
        BYTES,
        _sent("bytes", with_auxiliary=True),
    ),
    Figure(
        "missed_links",
        "science",
        Text(ja="一人と分からなかった人", en="persons not found to be one person"),
        PERSONS,
        _links("missed"),
        Text(
            ja="保有機関の記録が一人に結び付かない人。理由別：保険者の異動、75歳、改姓など",
            en="whose records at the holders are not united, by cause: new insurer, 75, name",
        ),
    ),
    Figure(
        "false_links",
        "science",
        Text(ja="他人と取り違えられた人", en="persons taken for somebody else"),
        PERSONS,
        _links("false"),
    ),
    Figure(
        "persons_included",
        "science",
        Text(ja="解析環境に入った人", en="persons in the environment"),
        PERSONS,
        _gate("included"),
    ),
    Figure(
        "persons_linked",
        "science",
        Text(ja="複数の機関の記録がつながった人", en="persons joined from several bodies"),
        PERSONS,
        _gate("linked"),
    ),
    Figure(
        "rows_included",
        "science",
        Text(ja="解析環境に入った行", en="rows in the environment"),
        ROWS,
        _project_rows,
    ),
)

BY_ID = {one.id: one for one in FIGURES}
