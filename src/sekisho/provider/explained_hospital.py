"""Texts of findings on what hospitals and check-ups send: HL7, SS-MIX2, CDA, JP-CLINS."""

from __future__ import annotations

from sekisho.provider.explained import Explanation

_CLINS = "JP-CLINS, Bundle: https://jpfhir.jp/fhir/clins/igv1/"
_CHECKUP = "特定健診情報ファイル仕様説明書 (厚生労働省)"
_HL7 = "HL7 v2.5 chapter 2; JAMI SS-MIX2 標準化ストレージ 仕様書 Ver.1.2"
_SSMIX = "JAMI SS-MIX2 標準化ストレージ 仕様書 Ver.1.2 (HS026): folders and file names"

HOSPITAL: dict[str, Explanation] = {
    "hl7.header": Explanation(
        "MSHで始まるHL7メッセージではないか、区切り文字が規定と違います。",
        "This is no HL7 message that starts with MSH and the usual delimiters.",
        _HL7,
    ),
    "hl7.charset": Explanation(
        "MSH-18の文字集合は規定にありません。",
        "MSH-18 names a character set that the format does not allow.",
        _HL7,
    ),
    "hl7.malformed": Explanation(
        "HL7メッセージとして読めません。", "This cannot be read as an HL7 message.", _HL7
    ),
    "hl7.number": Explanation(
        "数値の項目が数値ではありません。", "A numeric field holds no number.", _HL7
    ),
    "ssmix.name": Explanation(
        "ファイル名がSS-MIX2の規則と違います。",
        "The file's name does not follow the rules of SS-MIX2.",
        _SSMIX,
    ),
    "ssmix.misplaced": Explanation(
        "ファイル名とフォルダーが違う患者・診療日・データ種別を示しています。",
        "The file's name and its folders name different patients, days or kinds of data.",
        _SSMIX,
    ),
    "ssmix.kind": Explanation(
        "メッセージ型(MSH-9)がデータ種別と合いません。",
        "The type of message (MSH-9) does not belong to the kind of data.",
        _SSMIX,
    ),
    "ssmix.patient": Explanation(
        "PID-3の患者IDがファイル名・フォルダーの患者IDと違います。誰の記録か決められません。",
        "The patient in PID-3 is not the one in the file's name, so whose it is cannot be told.",
        _SSMIX,
    ),
    "xml.malformed": Explanation(
        "XMLとして読めません。", "This is not well-formed XML.", "XML 1.0"
    ),
    "xml.forbidden": Explanation(
        "文書型宣言（DTD）や実体定義のあるXMLは読みません。",
        "XML with a document type or entities of its own is not read.",
        "entities can grow without bound or name files",
    ),
    "checkup.root": Explanation(
        "CDA文書（ClinicalDocument）ではありません。",
        "This is no CDA document (ClinicalDocument).",
        _CHECKUP,
    ),
    "checkup.report": Explanation(
        "報告区分がないか読めません。",
        "The kind of report (報告区分) is missing or cannot be read.",
        _CHECKUP,
    ),
    "checkup.number": Explanation(
        "検査値が数値ではありません。", "A value is no number.", _CHECKUP
    ),
    "checkup.total": Explanation(
        "交換用基本情報・集計情報の件数が読めません。",
        "The count in the index or the summary cannot be read.",
        _CHECKUP,
    ),
    "checkup.index-missing": Explanation(
        "交換用基本情報ファイル(ix08)がありません。ZIPが途中で切れているおそれがあります。",
        "The index (ix08) is missing; the archive may be incomplete.",
        _CHECKUP,
    ),
    "checkup.index-count": Explanation(
        "交換用基本情報(ix08)の総件数がDATAのファイル数と合いません。",
        "The count in the index (ix08) differs from the files in DATA.",
        _CHECKUP,
    ),
    "checkup.summary-count": Explanation(
        "集計情報(su08)の総人数が特定健診の件数と合いません。",
        "The count in the summary (su08) differs from the check-ups in the archive.",
        _CHECKUP,
    ),
    "clins.type": Explanation(
        "Bundleのtypeがcollectionでもdocumentでもなく、JP-CLINSの報告ではありません。",
        "The bundle's type is neither collection nor document.",
        _CLINS,
    ),
    "clins.identifier": Explanation(
        "Bundleのidentifier（保険医療機関番号^発行年^施設内ID）がないか書式が違います。",
        "The bundle's identifier (institution^year^number) is missing or malformed.",
        _CLINS,
    ),
    "clins.full-url": Explanation(
        "fullUrlがないか、同じものが二つあります。",
        "An entry's fullUrl is missing or stands twice.",
        _CLINS,
    ),
    "clins.composition": Explanation(
        "文書の最初がCompositionではありません。",
        "A document does not start with its Composition.",
        _CLINS,
    ),
    "clins.patient": Explanation(
        "Patientは一つだけ（報告では最初に）必要です。",
        "There must be one Patient, in a report as its first entry.",
        _CLINS,
    ),
    "clins.mixed": Explanation(
        "一つの報告に異なる種類の情報が混ざっています。",
        "One report mixes types of resources, or holds another than it says.",
        _CLINS,
    ),
    "clins.subject": Explanation(
        "同じBundleの患者を指していません。",
        "The entry is not about the patient of its bundle.",
        _CLINS,
    ),
    "clins.local-code": Explanation(
        "検査項目にローカルコードがありません。",
        "A laboratory result lacks the institution's own code.",
        "JP-CLINS JP_Observation_LabResult_eCS: code.coding, local code required",
    ),
    "clins.bundle-refused": Explanation(
        "同じBundleの別の項目に誤りがあるため、全体を送りません。",
        "Another entry of the bundle is wrong, so that none of it is sent.",
        _CLINS,
    ),
}
