"""`sekisho linkage`: a holder's work list of histories that its records contradict."""

from __future__ import annotations

import typer

from sekisho.body.flows.conflicts import conflicts
from sekisho.commands.optout import Folder, Json, opened
from sekisho.commands.output import OUT, show_json, show_table

app = typer.Typer(help="Histories of numbers at a holder: the cases that need somebody.")

NEXT = """\
これらの方は、解決するまで別人として扱われます(抽出は止まりません)。
  記録の誤り: 提供者に性別・生年月の確認を依頼し、訂正した記録を再送してもらいます。
  異動情報の誤り: 履歴照会の担当に異動の名前を伝え、保険者に取消(split)を申し出てもらいます。
These persons are kept apart until the case ends; no extract waits.
  A record is wrong: ask the provider to check sex and birth month, and to send it corrected.
  The history is wrong: name the change to the history service; the insurer states a split."""


@app.callback()
def linkage() -> None:
    """Histories of numbers at a holder."""


@app.command("conflicts")
def show(folder: Folder, json: Json = False) -> None:
    """List who is one person by history and two by sex or birth month: who decides, what next."""
    found = conflicts(opened(folder))
    if json:
        show_json({"conflicts": found})
        return
    if not found:
        OUT.print("不一致はありません / No history is contradicted.")
        return
    columns = ("case", "differ", "numbers", "providers to ask", "changes", "last extract")
    rows = [
        (
            one["case"],
            ", ".join(one["differ"]),
            one["registrations"],
            ", ".join(one["providers"]),
            ", ".join(one["changes"]),
            one["extract"]["application"] if one["extract"] else "–",
        )
        for one in found
    ]
    show_table("Histories that records contradict", columns, rows)
    OUT.print(NEXT)
