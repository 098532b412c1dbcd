"""What a clerk is told about a file: where, what, under which rule; never a value from the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from sekisho.common.errors import Defect
from sekisho.provider.explained import ARCHIVES, GENOMES, IMAGES, Explanation
from sekisho.provider.explained_hospital import HOSPITAL
from sekisho.provider.explained_tables import TABLES

Language = Literal["ja", "en"]
About = Literal["refused", "doubt", "file"]


_JSON = "RFC 8259; FHIR R4 §2.6 JSON"
_TYPES = "FHIR R4 §2.24 Data types"
_UKE = "オンライン又は光ディスク等による請求に係る記録条件仕様（医科用・DPC用・歯科用・調剤用）"
_KEY = "reference of formats, 8: identifiers; without one a record cannot follow its person"
_CDM = "OMOP CDM 5.4: the table's date may not be empty"

EXPLANATIONS: dict[str, Explanation] = {
    **ARCHIVES,
    **TABLES,
    **GENOMES,
    **HOSPITAL,
    **IMAGES,
    "file.missing": Explanation(
        "ファイルがありません。", "The file is not there.", "the submission names the file"
    ),
    "file.folder": Explanation(
        "ファイルではなくフォルダーです。",
        "This is a folder, not a file.",
        "files are read one by one",
    ),
    "file.link": Explanation(
        "シンボリックリンクは読みません。ファイルそのものを置いてください。",
        "A symbolic link is not followed; put the file itself there.",
        "a link can lead out of the folder that was named",
    ),
    "file.unreadable": Explanation(
        "ファイルを開けません。", "The file cannot be opened.", "the reader needs read access"
    ),
    "file.empty": Explanation(
        "ファイルが空です。", "The file is empty.", "an empty file holds no record to send"
    ),
    "file.truncated-gzip": Explanation(
        "圧縮ファイルが途中で切れているか壊れています。ここまでは読みました。",
        "The compressed file ends early or is damaged; what came before was read.",
        "RFC 1952: CRC and length close a member",
    ),
    "file.too-large": Explanation(
        "束ファイルが大きすぎます。分けて送ってください。",
        "The file is too large to be one bundle; split it.",
        "bounded memory: a bundle is read as a whole",
    ),
    "line.too-long": Explanation(
        "一行が長すぎます。",
        "The line is too long.",
        "bounded memory: limit on the bytes of a line",
    ),
    "line.encoding": Explanation(
        "文字コードが正しくありません。",
        "The line is not in the format's encoding.",
        "UTF-8 for FHIR (RFC 8259 §8.1), CP932 for UKE, ISO-2022-JP for SS-MIX2",
    ),
    "line.nul": Explanation(
        "NUL文字が含まれています。", "The line holds a NUL byte.", "no format here allows NUL"
    ),
    "json.malformed": Explanation("JSONとして読めません。", "This is not valid JSON.", _JSON),
    "json.truncated": Explanation(
        "最後の行が途中で切れています。", "The last line ends in the middle of a value.", _JSON
    ),
    "json.too-deep": Explanation(
        "JSONの入れ子が深すぎます。", "The JSON is nested too deeply.", "depth bound of the reader"
    ),
    "fhir.no-type": Explanation(
        "resourceTypeがありません。",
        "The resource names no resourceType.",
        "FHIR R4 §2.6 resourceType",
    ),
    "fhir.shape": Explanation(
        "項目の型がFHIR R4と違います。",
        "An element does not have the type that FHIR R4 gives it.",
        _TYPES,
    ),
    "fhir.bundle-in-ndjson": Explanation(
        "NDJSONの中にBundleがあります。fhir-bundleとして送ってください。",
        "A Bundle stands in an NDJSON file; send it as fhir-bundle.",
        "Bulk Data Access: one resource a line",
    ),
    "fhir.no-entry": Explanation(
        "Bundleの項目に資源がありません。",
        "A bundle entry holds no resource.",
        "FHIR R4 Bundle.entry",
    ),
    "fhir.deletion": Explanation(
        "削除の項目が一つの資源（Type/id）を指していないか、報告の中にあります。",
        "A deletion names no one resource (Type/id), or stands inside a report.",
        "FHIR R4 §3.1.0.7 delete; conditional deletions are not followed",
    ),
    "person.no-subject": Explanation(
        "患者への参照がありません。", "The record names no patient.", "FHIR R4 subject, patient"
    ),
    "person.not-a-patient": Explanation(
        "患者以外を対象とする記録です。",
        "The record's subject is not a patient.",
        "FHIR R4 subject",
    ),
    "person.unknown": Explanation(
        "参照先の患者がこの提出にありません。",
        "The patient that the record names is not in this submission.",
        _KEY,
    ),
    "person.no-identifier": Explanation(
        "使える識別子がない患者です。", "The patient has no usable identifier.", _KEY
    ),
    "person.identifier": Explanation(
        "患者の識別子の書式が正しくありません。",
        "The patient's identifier is malformed or incomplete.",
        _KEY,
    ),
    "person.my-number": Explanation(
        "識別子の欄に個人番号（マイナンバー）があります。取り除いてください。",
        "A My Number stands where an identifier is read; take it out at the source.",
        "番号法 (平成25年法律第27号) 第9条, 第20条",
    ),
    "identifier.check-digit": Explanation(
        "保険者番号・公費負担者番号の検証番号が合いません。番号はそのまま使いました。",
        "The check digit of an insurer's or public payer's number is wrong; it was used as it is.",
        "保険者番号等設定要領: the last digit follows from the others",
    ),
    "person.pseudonymised": Explanation(
        "識別子が仮名化されています。元の番号がなければ誰の記録か決められません。",
        "The identifier is somebody's pseudonym; without the number itself nobody can be told.",
        "JP-CLINS Idsystem …_Pseudonymized",
    ),
    "person.no-birth-date": Explanation(
        "生年月日がないか読めません。", "The birth date is missing or cannot be read.", _CDM
    ),
    "date.missing": Explanation("日付がありません。", "The record has no date.", _CDM),
    "date.impossible": Explanation(
        "ありえない日付です。", "A date is impossible or outside 1900–2100.", _TYPES
    ),
    "number.out-of-range": Explanation(
        "数値が範囲外です。", "A number is not finite or has too many digits.", _TYPES
    ),
    "uke.no-receipt": Explanation(
        "レセプト共通レコード(RE)より前にある行です。",
        "The line stands before any receipt (RE).",
        _UKE,
    ),
    "uke.short-line": Explanation("項目が足りない行です。", "The line has too few fields.", _UKE),
    "uke.no-institution": Explanation(
        "医療機関情報レコード(IR)がないか読めません。",
        "The institution's record (IR) is missing or cannot be read.",
        _UKE,
    ),
    "uke.family": Explanation(
        "点数表コードが医科・歯科・調剤のどれでもないため、レセプトを読めません。",
        "The header's 点数表 is neither medical, dental nor dispensing; the receipt is not read.",
        _UKE,
    ),
    "uke.month": Explanation("診療年月が読めません。", "The month of care cannot be read.", _UKE),
    "uke.receipt-refused": Explanation(
        "このレセプトのRE行が読めないため送りません。",
        "The receipt's RE line cannot be read, so none of it is sent.",
        _UKE,
    ),
    "uke.field": Explanation("項目の値が読めません。", "A field cannot be read.", _UKE),
    "uke.go-missing": Explanation(
        "診療報酬請求書レコード(GO)がありません。ファイルが途中で切れているおそれがあります。",
        "The closing record (GO) is missing; the file may have been cut.",
        _UKE,
    ),
    "uke.go-count": Explanation(
        "GOの総件数がレセプトの数と合いません。",
        "The receipt count in GO differs from the receipts in the file.",
        _UKE,
    ),
    "uke.go-points": Explanation(
        "GOの総合計点数が点数の合計と合いません。",
        "The points in GO differ from the sum over the receipts.",
        _UKE,
    ),
    "uke.too-long": Explanation(
        "一件のレセプトの行数が多すぎます。", "A receipt has too many lines.", "bounded memory"
    ),
}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is wrong, and where.

    Args:
        file: the file's name only. It stays at the provider: it may hold a patient's name.
        line: 1-based; 0 is the whole file.
        record_type: empty where it cannot be told.
        count: how many records; above 1 for "and so many more like this".
        about: what it is about: a record that is ``refused``, a ``doubt`` about one that is sent,
            or a ``file``.
    """

    file: str
    line: int
    code: str
    record_type: str = ""
    count: int = 1
    about: About = "refused"

    def __post_init__(self) -> None:
        if self.code not in EXPLANATIONS:
            raise Defect("provider.unknown-finding", f"No explanation for {self.code!r}.")

    @property
    def rule(self) -> str:
        return EXPLANATIONS[self.code].rule

    def message(self, language: Language = "ja") -> str:
        """Return the sentence for the clerk."""
        said = EXPLANATIONS[self.code]
        return said.ja if language == "ja" else said.en

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        more = f" (+{self.count - 1})" if self.count > 1 else ""
        what = f" {self.record_type}" if self.record_type else ""
        return f"{where}:{what} {self.message('en')} / {self.message('ja')} [{self.code}]{more}"


_Alike = tuple[str, str, str, About]


@dataclass
class Findings:
    """Collects findings; of many alike in one file the first ``limit`` are told one by one.

    The rest are one finding with their count, so that a wrong file does not fill the memory.
    """

    limit: int = 200
    _told: list[Finding] = field(default_factory=list)
    _seen: Counter[_Alike] = field(default_factory=Counter)
    _first: dict[_Alike, int] = field(default_factory=dict)

    def add(self, finding: Finding) -> None:
        key = _alike(finding)
        self._seen[key] += finding.count
        if self._seen[key] <= self.limit:
            self._told.append(finding)
        else:
            self._first.setdefault(key, finding.line)

    def all(self) -> tuple[Finding, ...]:
        """Return them in order of file and line."""
        return tuple(sorted((*self._told, *self._rest())))

    def _rest(self) -> Iterable[Finding]:
        told = Counter(_alike(f) for f in self._told)
        for key, line in self._first.items():
            file, code, record_type, about = key
            yield Finding(file, line, code, record_type, self._seen[key] - told[key], about)


def _alike(finding: Finding) -> _Alike:
    return (finding.file, finding.code, finding.record_type, finding.about)
