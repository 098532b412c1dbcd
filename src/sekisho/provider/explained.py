"""Texts of findings on files that are more than lines of text: archives, images, genomes."""

from __future__ import annotations

from typing import NamedTuple


class Explanation(NamedTuple):
    """Texts of one code. ``rule`` names the rule and its source."""

    ja: str
    en: str
    rule: str


_ARCHIVE = "APPNOTE.TXT 6.3 (ZIP); POSIX.1-2017 pax (TAR); RFC 1952 (gzip)"
_BOUND = "bounded memory and disk: limits on an archive"
_INSIDE = "an archive is plain files, each under a name of its own inside it"
_VCF = "The Variant Call Format Specification VCFv4.3, 1.2 to 1.6"
_DICOM = "DICOM PS3.10 section 7, PS3.5 section 7"

ARCHIVES: dict[str, Explanation] = {
    "archive.ignored": Explanation(
        "macOSが書庫に加えた付属ファイルは読みませんでした。",
        "Files that macOS put into the archive beside the data were not read.",
        "AppleDouble (RFC 1740): no data of ours",
    ),
    "archive.kind": Explanation(
        "ZIPでもTARでもありません。", "This is neither ZIP nor TAR.", "the format is an archive"
    ),
    "archive.damaged": Explanation(
        "圧縮書庫が壊れているか途中で切れています。",
        "The archive is damaged or ends early.",
        _ARCHIVE,
    ),
    "archive.bomb": Explanation(
        "展開すると元の大きさに比べて大きくなりすぎるファイルです。",
        "The file unpacks to far more than its own size.",
        _BOUND,
    ),
    "archive.too-large": Explanation(
        "書庫が大きすぎます。分けて送ってください。",
        "The archive unpacks to too many bytes; split it.",
        _BOUND,
    ),
    "archive.too-many": Explanation(
        "書庫の中のファイルが多すぎます。分けて送ってください。",
        "The archive holds too many files; split it.",
        _BOUND,
    ),
    "archive.path": Explanation(
        "書庫の外を指すなど、使えないファイル名があります。",
        "A name in the archive points out of it or cannot be used.",
        _INSIDE,
    ),
    "archive.duplicate": Explanation(
        "書庫の中に同じ名前のファイルが二つあります。",
        "Two files of the archive have one name.",
        _INSIDE,
    ),
    "archive.link": Explanation(
        "書庫の中にファイル以外のもの（リンクなど）があります。",
        "The archive holds a link or another thing that is no plain file.",
        _INSIDE,
    ),
    "archive.encrypted": Explanation(
        "書庫が暗号化されています。解いてから送ってください。",
        "The archive is encrypted; open it at the source.",
        _INSIDE,
    ),
    "archive.method": Explanation(
        "対応していない圧縮方式です。",
        "The archive is packed by a method that is not read.",
        "APPNOTE.TXT 4.4.5: stored and deflated are read",
    ),
    "archive.nested": Explanation(
        "書庫の中に書庫があります。取り出して送ってください。",
        "An archive stands inside the archive; take it out.",
        _INSIDE,
    ),
}

IMAGES: dict[str, Explanation] = {
    "dicom.no-prefix": Explanation(
        "DICOMファイルではありません。", "This is no DICOM file.", _DICOM
    ),
    "dicom.malformed": Explanation(
        "DICOMのヘッダーを読めません。", "The DICOM header cannot be read.", _DICOM
    ),
    "dicom.truncated": Explanation(
        "画素データが途中で切れています。", "The pixel data end early.", _DICOM
    ),
    "dicom.too-deep": Explanation(
        "DICOMの入れ子が深すぎます。", "The sequences are nested too deeply.", _BOUND
    ),
    "dicom.too-complex": Explanation(
        "DICOMの項目が多すぎます。", "The header holds too many items.", _BOUND
    ),
    "dicom.head-too-large": Explanation(
        "画素データより前が大きすぎます。", "The header is too large.", _BOUND
    ),
    "dicom.transfer-syntax": Explanation(
        "この転送構文は読めません。変換してから送ってください。",
        "The transfer syntax is not read (deflated, big-endian, private); convert the file.",
        "DICOM PS3.5 annex A",
    ),
    "dicom.no-instance": Explanation(
        "SOPインスタンスUIDがありません。", "The file names no SOP instance.", "DICOM PS3.3 C.12.1"
    ),
    "dicom.value": Explanation(
        "DICOMの項目の値が読めません。", "A value of the header cannot be read.", _DICOM
    ),
    "dicom.modality": Explanation(
        "モダリティがないか読めません。",
        "The modality is missing or malformed.",
        "DICOM PS3.3 C.7.3.1",
    ),
    "dicom.residue": Explanation(
        "取り除いた個人情報がヘッダーの別の場所に残っています。",
        "What was taken out of the header stands elsewhere in it.",
        "DICOM PS3.15 Annex E",
    ),
}

GENOMES: dict[str, Explanation] = {
    "vcf.no-vcf": Explanation("VCF 4のファイルではありません。", "This is no VCF 4 file.", _VCF),
    "vcf.header": Explanation(
        "VCFのヘッダーを読めません。", "The header of the VCF file cannot be read.", _VCF
    ),
    "vcf.line": Explanation(
        "変異の行を読めないため送りません。",
        "The line of a variant cannot be read and is left out.",
        _VCF,
    ),
    "vcf.truncated": Explanation(
        "VCFファイルが途中で切れているか壊れています。",
        "The VCF file ends early or is damaged, so none of it is sent.",
        "a person's variants leave whole: what is missing would read as the reference",
    ),
    "vcf.too-many-samples": Explanation(
        "検体が多すぎます。ファイルを分けて送ってください。",
        "The file holds too many samples; split it.",
        _BOUND,
    ),
}
