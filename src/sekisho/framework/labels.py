"""What functions, classes, rooms and rules are called for people, in Japanese and English."""

from __future__ import annotations

from sekisho.framework.model import (
    USER_INPUT,
    BodyKind,
    DataClass,
    Decision,
    Framework,
    Function,
    Role,
    Text,
)

FUNCTION: dict[Function, Text] = {
    "collection": Text(ja="データ収集", en="Collection"),
    "opt_out": Text(ja="オプトアウト管理", en="Opt-out management"),
    "review": Text(ja="審査", en="Review"),
    "processing": Text(ja="加工", en="Processing"),
    "analysis": Text(ja="解析環境", en="Analysis environment"),
}

DATA_CLASS: dict[DataClass, Text] = {
    "basic": Text(ja="基本的な医療等情報", en="basic data"),
    "additional": Text(ja="追加的な医療等情報", en="additional data"),
    "hard": Text(ja="加工困難な情報", en="hard-to-process data"),
}

SHORT_CLASS: dict[DataClass, Text] = {
    "basic": Text(ja="基本", en="basic"),
    "additional": Text(ja="追加", en="additional"),
    "hard": Text(ja="加工困難", en="hard"),
}

BODY_KIND: dict[BodyKind, Text] = {
    "public": Text(ja="国・公的機関", en="public body"),
    "certified": Text(ja="民間の認定事業者", en="certified operator"),
    "auxiliary": Text(ja="補助機関（関所による追加）", en="auxiliary body (Sekisho's addition)"),
}

ROLE: dict[Role, Text] = {
    "history": Text(
        ja="本人の識別子とその履歴を保管し照会に答える",
        en="alone keeps identifiers and their histories",
    ),
    "converter": Text(ja="仮名を変換する（一つ目）", en="first conversion of pseudonyms"),
    "oversight": Text(
        ja="仮名を変換する（二つ目）、台帳の立会、利用の索引",
        en="second conversion, witness of ledgers, index of uses",
    ),
}

DECISION: dict[Decision, Text] = {
    "application": Text(ja="利用申請の可否", en="grant or refusal of an application"),
    "revocation": Text(ja="許可の停止・取消し", en="suspension or revocation of a permit"),
    "fee": Text(ja="手数料", en="fee"),
    "release": Text(ja="成果物の持ち出し", en="release of an output"),
    "opt_out": Text(ja="オプトアウトの取扱い", en="handling of an opt-out"),
    "submission": Text(ja="提供データの受入れ", en="acceptance of a submission"),
}

BASIS: dict[str, Text] = {
    "explicit": Text(ja="明記", en="stated"),
    "inferred": Text(ja="推定", en="inferred"),
    "open": Text(ja="未定", en="open"),
}


def names(fw: Framework, bodies: tuple[str, ...]) -> Text:
    """Return the titles of ``bodies`` in one line; a dash where there are none."""
    titles = [fw.find_body(body).title for body in bodies]
    return Text(
        ja="、".join(one.ja for one in titles) or "–",
        en=", ".join(one.en for one in titles) or "–",
    )


def class_names(classes: tuple[DataClass, ...]) -> Text:
    """Return ``classes`` in one line."""
    return Text(
        ja="・".join(DATA_CLASS[one].ja for one in classes),
        en=_listed([DATA_CLASS[one].en for one in classes]),
    )


def sourced(source: str) -> Text:
    """Return a source as it is shown; where none is known, whose choice it is."""
    if source == USER_INPUT:
        return Text(ja="出典なし：利用者の入力", en="no source: user input")
    return Text(ja=source, en=source)


def _listed(parts: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
