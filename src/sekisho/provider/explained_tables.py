"""Texts of findings on tables: any delimited file, OMOP CDM files, files of the DPC survey."""

from __future__ import annotations

from sekisho.provider.explained import Explanation

_DPC = "DPC調査 実施説明資料 (厚生労働省): EF統合ファイル, Dファイル, 様式1"
_LAYOUT = "the layout that the provider or this program declares for the file"
_CDM_TYPES = "OMOP CDM 5.4: columns and their types"

TABLES: dict[str, Explanation] = {
    "table.columns": Explanation(
        "列の数が見出しと合いません。",
        "The line has not as many columns as the headings.",
        "RFC 4180",
    ),
    "table.number": Explanation(
        "数値の列が数値ではありません。", "A column of numbers holds something else.", _CDM_TYPES
    ),
    "table.headings": Explanation(
        "配置定義（レイアウト）が求める見出しがファイルにありません。",
        "A heading that the layout asks for is not in the file.",
        _LAYOUT,
    ),
    "table.key": Explanation(
        "記録を特定する列が空です。", "The columns that name the record are blank.", _LAYOUT
    ),
    "table.code": Explanation(
        "配置定義の対応表にない値です。", "The layout's map has no such value.", _LAYOUT
    ),
    "table.experimental": Explanation(
        "この配置定義は試験的です。送る前に内容を確かめてください。",
        "This layout is experimental: look at what would leave before it is sent.",
        "no public file confirms the layout",
    ),
    "omop.columns": Explanation(
        "表に必要な列がありません（人、主キー、日付、概念）。",
        "The table lacks a column that every row needs: person, key, day or concept.",
        _CDM_TYPES,
    ),
    "omop.key": Explanation("主キーがありません。", "The row has no key.", _CDM_TYPES),
    "table.quote": Explanation(
        "引用符が閉じていないか、場所が正しくありません。",
        "A quotation mark is not closed, or stands where none may.",
        "RFC 4180",
    ),
    "dpc.columns": Explanation(
        "列の数がEF（31）・D（30）・様式1（17）のどれとも合いません。",
        "The line has neither the columns of EF (31), of D (30) nor of 様式1 (17).",
        _DPC,
    ),
    "dpc.facility": Explanation(
        "施設コードが9桁の数字ではありません。", "The facility's code has not nine digits.", _DPC
    ),
    "dpc.person": Explanation(
        "データ識別番号が10桁以内の数字ではありません。",
        "The person's number (データ識別番号) is not of at most ten digits.",
        _DPC,
    ),
    "dpc.icd": Explanation("ICD-10の書式ではありません。", "This is no ICD-10 code.", _DPC),
    "dpc.experimental": Explanation(
        "様式1の読み取りは試験的です。送る前に内容を確かめてください。",
        "Reading 様式1 is experimental: look at what would leave before it is sent.",
        "no public file of this form confirms the layout",
    ),
}
