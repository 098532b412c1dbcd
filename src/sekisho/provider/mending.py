"""How a clerk mends what a finding says, in one sentence: by code, or by the family of codes."""

from __future__ import annotations

from sekisho.quality import Text

MENDS: dict[str, Text] = {
    "": Text(
        ja="元のシステムで該当箇所を直し、もう一度出力してください。",
        en="Mend the place in the system that it comes from, and export it again.",
    ),
    "file": Text(
        ja="ファイルの場所・中身・読み取り権限を確かめ、もう一度出力してください。",
        en="Check where the file is, what is in it and who may read it; then export it again.",
    ),
    "file.too-large": Text(
        ja="月や診療科で分けて出力し、分けたまま送ってください。",
        en="Export it in parts, by month or department, and send the parts.",
    ),
    "archive": Text(
        ja="元のシステムで圧縮し直すか、圧縮せずにファイルのまま送ってください。",
        en="Pack it again with the original system, or send the files unpacked.",
    ),
    "line.encoding": Text(
        ja="出力の文字コードを形式の定めに合わせてください（途中で開いて保存し直すと崩れます）。",
        en="Set the export to the format's encoding; a file opened and saved on the way is broken.",
    ),
    "uke": Text(
        ja="レセプトコンピュータで該当レセプトを確かめ、記録条件仕様どおりに出力し直してください。",
        en="Check the receipt in the claims computer, and export it as the record layout has it.",
    ),
    "uke.go-count": Text(
        ja="ファイルが途中で切れていないか、レセプトの一部だけを出力していないか確かめてください。",
        en="See whether the file was cut, or only part of the receipts was exported.",
    ),
    "table": Text(
        ja="出力の設定（区切り文字・引用符・列の並び・文字コード）を確かめ、もう一度出力してください。",
        en="Check the export's delimiter, quotation marks, columns and encoding; export it again.",
    ),
    "omop": Text(
        ja="OMOP CDM 5.4の列名と型に合わせて出力してください。",
        en="Export the table with the columns and types of OMOP CDM 5.4.",
    ),
    "dpc": Text(
        ja="DPC調査の提出用ファイルを、手を加えずにそのまま使ってください。",
        en="Use the files made for the DPC survey as they are, without a change.",
    ),
    "ssmix": Text(
        ja="標準化ストレージへの出力を確かめ、正しい患者・日付・種別のフォルダーに出力し直してください。",
        en="Check the export; write the file again under its own patient, day and kind of data.",
    ),
    "hl7": Text(
        ja="HL7の出力（文字コード、区切り文字、エスケープ）を確かめてください。",
        en="Check the HL7 export: character set, delimiters, escapes.",
    ),
    "checkup": Text(
        ja="健診システムから、提出用のファイルを手を加えずに出力し直してください。",
        en="Export the files for submission from the check-up system again, without a change.",
    ),
    "xml": Text(
        ja="XMLを健診システムから出力し直してください（手で直すと壊れます）。",
        en="Export the XML again; files changed by hand break.",
    ),
    "clins": Text(
        ja="一件の報告の全体を、JP-CLINSの実装ガイドに合わせて作り直し、同じ識別子で送ってください。",
        en="Make the whole report again by the JP-CLINS guide, and send it under its identifier.",
    ),
    "person": Text(
        ja="被保険者番号（保険者番号・記号・番号・枝番）か、院内番号の対応表を補ってください。",
        en="Add the insured number, or the table from your own numbers to insured numbers.",
    ),
    "person.unknown": Text(
        ja="その患者の記録（Patientなど）も一緒に出力してください。",
        en="Export the patient's own record (such as Patient) along with it.",
    ),
    "person.my-number": Text(
        ja="個人番号は収集できません。元のシステムの項目を直し、番号を消してから出力してください。",
        en="A My Number may not be collected: mend the field and take the number out.",
    ),
    "identifier": Text(
        ja="保険証の番号と見比べ、写し間違いを直してください。",
        en="Compare it with the insurance card, and mend what was miscopied.",
    ),
    "date": Text(
        ja="日付（元号の変換、桁の入れ違い）を確かめてください。",
        en="Check the date: eras converted wrongly, digits exchanged.",
    ),
    "number": Text(ja="元の値を確かめてください。", en="Check the value in the original record."),
}


def mend_of(code: str) -> Text:
    """Return how to mend a finding: its own sentence, its family's, or what is always true."""
    name = code
    while name not in MENDS:
        name = name.rpartition(".")[0]
    return MENDS[name]
