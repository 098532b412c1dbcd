"""Every body's whole folder leaks, in every framework: the assessment says exactly what that is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from runs import FRAMEWORKS, ROOT, Run

from sekisho.body.incident import assess, body_of, look, read_clocks, read_collusion, read_ledgers

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("first-study")]

every_framework = pytest.mark.parametrize("framework", FRAMEWORKS)


@every_framework
def test_a_leaked_folder_is_counted_and_nobody_is_named_by_it_alone(
    study: Callable[[str], Run], framework: str
) -> None:
    run = study(framework)
    ledgers = read_ledgers(run.folder / "bodies")
    rules = ROOT / "rules"
    for home in sorted((run.folder / "bodies").iterdir()):
        assert body_of(home) == home.name
        made = assess(
            look(home),
            ledgers,
            home.name,
            read_collusion(rules),
            read_clocks(rules),
            date(2026, 5, 12),
        )
        report = made.report
        held = run.report["held"].get(home.name, [])
        assert sum(one["rows"] for one in report["data"]) == sum(one["rows"] for one in held)
        assert ("records" in report["parts"]) == bool(held)
        reached = {one["identifies"] for one in report["reach"]}
        assert "everyone-leaked" not in reached  # no body has both converters' secrets
        assert report["actions"]
        if held:
            assert report["persons"]["exact"]
            assert set(report["providers"]) == {one["provider"] for one in held}
            assert set(made.sources) == set(report["providers"])
            assert [one["application"] for one in report["uses"]] == ["kidney"]


@every_framework
def test_tables_alone_are_less_than_a_whole_folder(
    study: Callable[[str], Run], framework: str
) -> None:
    run = study(framework)
    (home, *_) = [run.folder / "bodies" / body for body in sorted(run.report["held"])]
    found = look(home / "data" / "lake")
    assert found.parts == {"records", "pseudonyms"}
    rules = {rule.id for rule in read_collusion(ROOT / "rules").holding(found.parts)}
    assert rules == {"wrapped-pseudonyms", "records-by-content"}
