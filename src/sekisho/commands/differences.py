"""What commands of a provider say of its submissions and of receipts that differ from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from sekisho.commands.output import OUT, show_json, show_table
from sekisho.common.errors import PeerError, TamperError
from sekisho.provider.desk import Desk
from sekisho.provider.reconciling import Difference


def show_submissions(desk: Desk, json: bool, **more: Any) -> list[Difference]:
    """Show what was submitted, its receipts and the differences that stand; return these."""
    found, differences = desk.journal.submissions(), desk.differences()
    wrong = {one.submission for one in differences}
    for one in found:
        one["state"] = _state(one, wrong)
    if json:
        kept = [{name: of for name, of in one.items() if name != "expected"} for one in found]
        told = [one.report() for one in differences]
        show_json({**more, "submissions": kept, "differences": told})
        return differences
    rows = [
        (one["submission"], one["on"], one["format"], one["door"], one["sent"],
         f"{len(one['receipts'])}/{len(one['bodies'])}", one["state"])
        for one in found
    ]  # fmt: skip
    columns = ("submission", "on", "format", "door", "sent", "receipts", "state")
    show_table("提出と受領 / Submissions and receipts", columns, rows)
    show_differences(differences)
    return differences


def show_differences(differences: Sequence[Difference]) -> None:
    """Show each difference in both languages, with what to do."""
    for one in differences:
        OUT.print(f"{one.submission} {one.code}", markup=False, highlight=False)
        for language in ("ja", "en"):
            OUT.print(f"  {one.message(language)}", markup=False, highlight=False)


def end_with(differences: Sequence[Difference]) -> None:
    """End with an exit code that says whether receipts differ, and whether one proves nothing."""
    if differences:
        forged = any(one.code == "receipt.forged" for one in differences)
        raise typer.Exit(TamperError.exit_code if forged else PeerError.exit_code)


def _state(one: dict[str, Any], wrong: set[str]) -> str:
    if one["submission"] in wrong:
        return "differs"
    return "even" if len(one["receipts"]) == len(one["bodies"]) else "waits"
