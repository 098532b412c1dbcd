"""Check-ups (特定健診, CDA R2) for tests, by the specification, and the official ZIP of them."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

OID = "1.2.392.200119.6"
HEIGHT, HDL, SMOKING = "9N001000000000001", "3F070000002327101", "9N736000000000011"
PROTEIN, DOCTOR = "1A010000000191111", "9N516000000000049"
IDS = {"101": "06132013", "204": "１２", "205": "３４５", "211": "03"}


def item(what: str, kind: str, /, *, method: str = "", negated: bool = False, **value: str) -> str:
    """Return one entry; ``value`` are the attributes of its value, ``text`` what stands in it."""
    text = value.pop("text", "")
    shown = "".join(f' {name}="{given}"' for name, given in value.items())
    how = f'<methodCode code="{method}" codeSystem="{OID}.1007"/>' if method else ""
    return (
        f'<entry><observation classCode="OBS" moodCode="EVN"'
        f"{' negationInd=' + chr(34) + 'true' + chr(34) if negated else ''}>"
        f'<code code="{what}" codeSystem="{OID}.1005" displayName="項目"/>'
        f'<value xsi:type="{kind}"{shown}>{text}</value>{how}</observation></entry>'
    )


def checkup(
    *items: str,
    report: str = "10",
    ids: Mapping[str, str] = IDS,
    day: str = "20250610",
    born: str = "19700203",
    sex: str = "2",
    head: str = "",
) -> bytes:
    numbers = "".join(f'<id extension="{v}" root="{OID}.{k}"/>' for k, v in ids.items())
    return f"""<?xml version="1.0" encoding="UTF-8"?>{head}
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/><id nullFlavor="NI"/>
<code code="{report}" codeSystem="{OID}.1001"/><effectiveTime value="20250701"/>
<recordTarget><patientRole>{numbers}<addr>東京都金糸雀町<postalCode>100-0001</postalCode></addr>
<patient><name>カナリア　ハナコ</name><administrativeGenderCode code="{sex}"
 codeSystem="{OID}.1104"/><birthTime value="{born}"/></patient></patientRole></recordTarget>
<author><assignedAuthor><representedOrganization><id root="{OID}.102" extension="1312345678"/>
</representedOrganization></assignedAuthor></author>
<documentationOf><serviceEvent><code code="010" codeSystem="{OID}.1002"/>
<effectiveTime value="{day}"/><performer typeCode="PRF"><assignedEntity><representedOrganization>
<id root="{OID}.102" extension="1312345678"/><name>金糸雀健診センター</name>
</representedOrganization></assignedEntity></performer></serviceEvent></documentationOf>
<component><structuredBody><component><section>
<code code="01010" codeSystem="{OID}.1010"/><text>金糸雀の所見</text>{"".join(items)}
</section></component></structuredBody></component></ClinicalDocument>""".encode()


def total(kind: str, count: int) -> bytes:
    """Return ``ix08`` (index) or ``su08`` (summary)."""
    name = "totalRecordCount" if kind == "index" else "totalSubjectCount"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><{kind} xmlns="http://tokuteikenshin.jp/checkup/2007">'
        f'<serviceEventType code="1"/><{name} value="{count}"/></{kind}>'
    ).encode()


def archive(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return path
