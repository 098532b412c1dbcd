"""What would leave, before anything does: a report for the clerk, and the very bytes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv
import pyarrow.parquet as parquet

from sekisho import quality
from sekisho.common.atomicfile import write_atomically
from sekisho.common.errors import Refusal, UserError
from sekisho.exchange import tables
from sekisho.provider.findings import Finding
from sekisho.provider.handover import MANIFEST, OBJECTS, Ready, manifest, payload, submission_id
from sekisho.provider.home import Home
from sekisho.provider.inspecting import Inspection
from sekisho.provider.submission import Part


@dataclass(frozen=True)
class Checked:
    """A submission that was looked at and not sent."""

    ready: Ready
    inspected: Inspection
    rules: quality.CollectionRules

    @property
    def sent(self) -> int:
        return sum(line.sent for line in self.ready.prepared.balance)

    @property
    def refused(self) -> int:
        """Records that nobody can read, or whose person nobody can tell."""
        of = {(x.record_type, x.refused) for x in self.ready.prepared.balance}
        return sum(number for _, number in of)

    @property
    def exit_code(self) -> int:
        """0: all of it goes; of a user error where the files are at fault; of a refusal where a
        rule keeps all of it here."""
        if (
            self.refused
            or self.ready.prepared.findings
            or any(one.held for one in self.inspected.bodies.values())
        ):
            return UserError.exit_code
        withheld = sum(line.withheld for line in self.ready.prepared.balance)
        return Refusal.exit_code if withheld and not self.sent else 0

    def report(self) -> dict[str, Any]:
        """Return the report; it stays here, and so it may name files."""
        prepared, held = self.ready.prepared, self.ready.held
        return {
            "format": self.ready.format,
            "read": prepared.read,
            "dropped_values": prepared.dropped,
            "doors": [route.door for route in self.ready.routes],
            "bodies": {str(part.body): self._part(part) for part in prepared.parts.values()},
            "balance": [
                {
                    "record_type": line.record_type,
                    "data_class": line.data_class,
                    "body": line.body,
                    "read": line.read,
                    "sent": line.sent,
                    "refused": line.refused,
                    "superseded": line.superseded,
                    "set_aside": line.set_aside,
                    "withheld": line.withheld,
                    "cause": line.cause,
                }
                for line in prepared.balance
            ],
            "set_aside": [
                {"record_type": kind, "reason": why, "records": number}
                for (kind, why), number in prepared.set_aside.items()
            ],
            "persons_held": dict(held.persons),
            "next_on": held.next_on.isoformat() if held.next_on else None,
            "findings": [told(one) for one in prepared.findings],
        }

    def _part(self, part: Part) -> dict[str, Any]:
        seen = self.inspected.bodies[str(part.body)]
        return {
            "persons": len(part.identities),
            "objects": len(part.objects),
            "rows": dict(seen.rows),
            "quarantined": sum(seen.held.values()),
            "checks": [self._breach(one) for one in seen.breaches],
        }

    def _breach(self, one: quality.Breach) -> dict[str, Any]:
        rule = self.rules.find(one.rule)
        return {
            "rule": one.rule,
            "verdict": rule.verdict,
            "table": one.table,
            "record_type": one.record_type,
            "records": one.records,
            "ja": f"{rule.title.ja} {rule.mend.ja}",
            "en": f"{rule.title.en} {rule.mend.en}",
        }


def told(finding: Finding) -> dict[str, Any]:
    """Return a finding as a clerk of this provider is told it."""
    return {
        "file": finding.file,
        "line": finding.line,
        "code": finding.code,
        "record_type": finding.record_type,
        "count": finding.count,
        "rule": finding.rule,
        "ja": finding.message("ja"),
        "en": finding.message("en"),
    }


_FORMULA: Final = r"^[=+\-@＝＋－＠\t\r\n]"
_NUMBER: Final = r"^-[0-9.]+$"


def _for_spreadsheets(rows: pa.Table) -> pa.Table:
    """Return rows of which a spreadsheet takes no text for a formula (OWASP: CSV injection).

    An apostrophe goes before it; the Parquet file beside has the text as it is.
    """
    for place, field in enumerate(rows.schema):
        if field.type != pa.string():
            continue
        texts = rows.column(place)
        formula = pc.and_not(
            pc.match_substring_regex(texts, _FORMULA), pc.match_substring_regex(texts, _NUMBER)
        )
        made = pc.if_else(formula, pc.binary_join_element_wise("'", texts, ""), texts)
        rows = rows.set_column(place, field, made)
    return rows


def _write_table(rows: pa.Table | tables.Batched, stem: Path) -> None:
    with (
        parquet.ParquetWriter(stem.with_suffix(".parquet"), rows.schema) as as_parquet,
        csv.CSVWriter(stem.with_suffix(".csv"), rows.schema) as as_csv,
    ):
        for batch in tables.in_batches(rows):
            as_parquet.write_table(batch)
            as_csv.write_table(_for_spreadsheets(batch))


def _write_objects(rows: pa.Table | tables.Batched, folder: Path) -> None:
    """Write each object as the file that it is, under its record's name."""
    folder.mkdir()
    for batch in tables.in_batches(rows):
        for source, kind, data in zip(
            *(batch[name].to_pylist() for name in ("source_id", "object", "data")), strict=True
        ):
            with (folder / f"{source}.{kind}").open("ab") as file:
                file.write(data)


def show(home: Home, ready: Ready, folder: Path) -> list[Path]:
    """Write into ``folder``, per body, exactly what would be sealed to it.

    ``payload`` holds the very bytes; the tables in it lie beside it as Parquet and CSV. Of persons
    only their number is written: identifiers leave for the converters alone, as ciphertexts.

    Raises:
        UserError: the folder is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise UserError("show.not-empty", f"{folder}: the folder is not empty.")
    key, code, written = home.provider_key, home.config.code, []
    for route in ready.routes:
        submission = submission_id(code, key, ready, route.door)
        for body, _ in route.parts:
            part = ready.prepared.parts[body]
            if not part.identities:
                continue
            place = folder / body
            made = payload(part, ready.format, submission, route.door)
            place.mkdir(parents=True)
            tables.write(place / "payload", made)
            said = {
                "persons": len(part.identities),
                MANIFEST: manifest(part, ready.format, submission, route.door),
            }
            write_atomically(
                place / "manifest.json", orjson.dumps(said, option=orjson.OPT_INDENT_2)
            )
            for name, rows in made.items():
                if name == OBJECTS:
                    _write_objects(rows, place / name)
                elif name != MANIFEST:
                    _write_table(rows, place / name)
            written.append(place)
    return written
