"""What bodies say in their receipts, held against what was sent to them.

The provider knows what a receipt must say: it counted what it sent, and made the body's own checks
before. Every difference is named with what its clerk can do, and stands until it is mended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import Struct

from sekisho.provider.inspecting import Seen
from sekisho.provider.submission import Part
from sekisho.quality import Language, Text

_AGAIN = Text(
    ja="同じファイルをもう一度提出してください（二重にはなりません）。続くときは受け取る機関に問い合わせてください。",
    en="Submit the same files again (nothing lands twice). If it stays, ask the receiving body.",
)
_ASK = Text(
    ja="提出番号とこの違いを、受け取る機関に伝えてください。ファイルは手元に残しておいてください。",
    en="Tell the receiving body the submission's number and this difference; keep the files.",
)
_CHECK = Text(
    ja="受け取る機関の今の検査規則（collection.toml）をもらい、`sekisho submit --check` で確かめ、"
    "記録を直して再提出してください。",
    en="Get the body's present checks (collection.toml), look with `sekisho submit --check`, mend "
    "the records and submit them again.",
)


@dataclass(frozen=True)
class _Kind:
    said: Text
    mend: Text


KINDS: Final[Mapping[str, _Kind]] = {
    "receipt.late": _Kind(
        Text(
            ja="{body}の受領証が翌日になっても届いていません。",
            en="The receipt of {body} has not come by the next day.",
        ),
        _AGAIN,
    ),
    "receipt.forged": _Kind(
        Text(
            ja="受領証に{body}の正しい署名がありません。受け取ったことの証明になりません。",
            en="A receipt does not carry a valid signature of {body}: it proves nothing.",
        ),
        _ASK,
    ),
    "receipt.other": _Kind(
        Text(
            ja="{body}の受領証の「{about}」が、この提出のものではありません。",
            en="The receipt of {body} names another {about} than this submission's.",
        ),
        _ASK,
    ),
    "receipt.counts": _Kind(
        Text(
            ja="{about}は{sent}件送りましたが、{body}の受領証では{told}件です。",
            en="{sent} records of {about} were sent; the receipt of {body} says {told}.",
        ),
        _ASK,
    ),
    "receipt.rows": _Kind(
        Text(
            ja="表{about}は{sent}行送りましたが、{body}の受領証では{told}行です。",
            en="{sent} rows of the table {about} were sent; the receipt of {body} says {told}.",
        ),
        _ASK,
    ),
    "receipt.objects": _Kind(
        Text(
            ja="画像などは{sent}件送りましたが、{body}の受領証では{told}件です。",
            en="{sent} images or the like were sent; the receipt of {body} says {told}.",
        ),
        _ASK,
    ),
    "receipt.withdrawn": _Kind(
        Text(
            ja="取り下げは{sent}件送りましたが、{body}の受領証では{told}件です。",
            en="{sent} records were taken back; the receipt of {body} says {told}.",
        ),
        _ASK,
    ),
    "receipt.held": _Kind(
        Text(
            ja="手元の検査では{about}の保留は{sent}件でしたが、{body}は{told}件を保留にしました。",
            en="Our checks hold back {sent} records of {about}; {body} holds back {told}.",
        ),
        _CHECK,
    ),
    "receipt.content": _Kind(
        Text(
            ja="件数は同じですが、{body}に届いた中身のダイジェストが、送ったものと違います。",
            en="The counts are equal, but the digest of what {body} has is not that of what left.",
        ),
        _ASK,
    ),
}


@dataclass(frozen=True, order=True)
class Difference:
    """One thing that a receipt says otherwise, or does not say.

    Args:
        about: a record type, a table or a field.
    """

    submission: str
    body: str
    code: str
    about: str = ""
    sent: int = 0
    told: int = 0

    def message(self, language: Language) -> str:
        """Return the sentence for the clerk, and what to do."""
        kind = KINDS[self.code]
        said = kind.said.of(language).format(
            body=self.body, about=self.about, sent=self.sent, told=self.told
        )
        return f"{said}{'' if language == 'ja' else ' '}{kind.mend.of(language)}"

    def report(self) -> dict[str, Any]:
        return {
            "submission": self.submission,
            "body": self.body,
            "code": self.code,
            "about": self.about,
            "sent": self.sent,
            "told": self.told,
            "ja": self.message("ja"),
            "en": self.message("en"),
        }


def expected_of(part: Part, seen: Seen, rules: str) -> dict[str, Any]:
    """Return what a body's receipt must say of its part, as the journal keeps it.

    Args:
        rules: version of the checks that were made here.
    """
    return {
        "rules": rules,
        "files": list(part.file_digests),
        "lines": part.declared(),
        "held": [[*key, number] for key, number in sorted(seen.held.items())],
        "rows": dict(seen.rows),
        "objects": seen.objects,
        "withdrawn": sum(len(names) for names in part.withdrawn.values()),
        "content": seen.content,
        "quarantined": seen.quarantined,
    }


class _Line(Struct, frozen=True):
    record_type: str
    data_class: str
    sent: int
    landed: int
    quarantined: int
    refused: int
    superseded: int
    set_aside: int

    @property
    def arrived(self) -> int:
        return self.landed + self.quarantined


class _Objects(Struct, frozen=True):
    objects: int = 0


class _Told(Struct, frozen=True):
    """What is read of a receipt; the rest of it is not ours to judge."""

    submission: str
    provider: str
    body: str
    format: str
    files: list[str]
    rules: str
    balance: list[_Line]
    rows: dict[str, int]
    rows_quarantined: dict[str, int]
    content: str
    quarantined: str
    withdrawn: int = 0
    objects: _Objects = _Objects()
    objects_held: _Objects = _Objects()


@dataclass(frozen=True)
class _Pair:
    """What was sent to a body and what it says, while they are held against one another."""

    sent: Mapping[str, Any]
    body: str
    told: _Told

    @property
    def expected(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.sent["expected"][self.body]
        return found

    def differs(self, code: str, about: str = "", sent: int = 0, told: int = 0) -> Difference:
        return Difference(self.sent["submission"], self.body, code, about, sent, told)


def compare(
    provider: str, sent: Mapping[str, Any], body: str, told: Mapping[str, Any]
) -> list[Difference]:
    """Return where a receipt differs from what was sent.

    What choices of persons set aside at the body is no difference. Rows are then fewer, and
    digests cannot be compared.

    Args:
        sent: the submission as the journal has it.
        told: what the body's receipt says.
    """
    try:
        pair = _Pair(sent, body, msgspec.convert(told, _Told))
    except msgspec.ValidationError:
        return [Difference(sent["submission"], body, "receipt.other", "form")]
    named = {
        "submission": sent["submission"],
        "provider": provider,
        "body": body,
        "format": sent["format"],
        "files": sorted(pair.expected["files"]),
    }
    found = [
        pair.differs("receipt.other", field)
        for field, value in named.items()
        if getattr(pair.told, field) != value
    ]
    chosen = _chosen(pair)
    found += [*_counts(pair), *_rows(pair, chosen), *_beside(pair, chosen)]
    held = list(_held(pair))
    if not found and not held and not chosen and not _same_content(pair):
        found.append(pair.differs("receipt.content"))
    return sorted(found + held)


def _lines(pair: _Pair) -> Iterator[tuple[tuple[str, str], Mapping[str, Any], _Line]]:
    ours = {(one["record_type"], one["data_class"]): one for one in pair.expected["lines"]}
    theirs = {(one.record_type, one.data_class): one for one in pair.told.balance}
    for key in sorted({*ours, *theirs}):
        yield key, ours.get(key, {}), theirs.get(key, _Line(*key, 0, 0, 0, 0, 0, 0))


def _chosen(pair: _Pair) -> int:
    """Return how many records choices set aside at the body."""
    return sum(
        max(theirs.set_aside - ours.get("set_aside", 0), 0) for _, ours, theirs in _lines(pair)
    )


def _counts(pair: _Pair) -> Iterator[Difference]:
    for (record_type, _), ours, theirs in _lines(pair):
        stays = theirs.set_aside - ours.get("set_aside", 0)
        arrived = theirs.arrived + stays
        if stays < 0 or arrived != ours.get("delivered", 0):
            yield pair.differs("receipt.counts", record_type, ours.get("delivered", 0), arrived)
        for name in ("sent", "refused", "superseded"):
            if getattr(theirs, name) != ours.get(name, 0):
                about = f"{record_type} ({name})"
                yield pair.differs(
                    "receipt.counts", about, ours.get(name, 0), getattr(theirs, name)
                )


def _rows(pair: _Pair, chosen: int) -> Iterator[Difference]:
    ours = pair.expected["rows"]
    theirs = Counter(pair.told.rows) + Counter(pair.told.rows_quarantined)
    for name in sorted({*ours, *theirs}):
        if _other(ours.get(name, 0), theirs[name], chosen):
            yield pair.differs("receipt.rows", name, ours.get(name, 0), theirs[name])


def _beside(pair: _Pair, chosen: int) -> Iterator[Difference]:
    objects = pair.told.objects.objects + pair.told.objects_held.objects
    if _other(pair.expected["objects"], objects, chosen):
        yield pair.differs("receipt.objects", "", pair.expected["objects"], objects)
    if pair.told.withdrawn != pair.expected["withdrawn"]:
        yield pair.differs("receipt.withdrawn", "", pair.expected["withdrawn"], pair.told.withdrawn)


def _held(pair: _Pair) -> Iterator[Difference]:
    """Yield of what a body holds back more than the checks here do."""
    ours = {(kind, data_class): number for kind, data_class, number in pair.expected["held"]}
    for key, _, theirs in _lines(pair):
        if theirs.quarantined > ours.get(key, 0):
            yield pair.differs("receipt.held", key[0], ours.get(key, 0), theirs.quarantined)


def _same_content(pair: _Pair) -> bool:
    """Return whether the digests agree, as far as they can be compared.

    A body that holds back less, by other checks, has other records in each of the two.
    """
    ours, theirs = pair.expected, pair.told
    if sum(number for _, _, number in ours["held"]) != sum(x.quarantined for x in theirs.balance):
        return True
    same_checks = theirs.rules == ours["rules"]
    return bool(
        theirs.content == ours["content"]
        and (not same_checks or theirs.quarantined == ours["quarantined"])
    )


def _other(sent: int, told: int, chosen: int) -> bool:
    return told > sent or (told < sent and not chosen)
