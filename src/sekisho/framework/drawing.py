"""A framework as a picture: the memo's lost figure, restored from its text and labelled so.

Providers and persons on the left, bodies with their functions in the middle, users on the right;
every arrow says what it carries. Auxiliary bodies are dashed: they are Sekisho's addition. Colour
never speaks alone, and no mark of any government appears.
"""

from __future__ import annotations

from html import escape
from typing import Literal

from sekisho.framework.brush import Brush, wrapped
from sekisho.framework.flows import Carries
from sekisho.framework.labels import BODY_KIND, FUNCTION, ROLE, SHORT_CLASS, names
from sekisho.framework.layout import (
    HEADER,
    IDENTITIES,
    MAIN_SIZE,
    MARGIN,
    PSEUDONYMS,
    SMALL_SIZE,
    BodyBox,
    Box,
    Layout,
    Level,
    Rail,
    Row,
    arrange,
    text_width,
)
from sekisho.framework.model import CLASSES, Framework, Text

Language = Literal["ja", "en"]

GREY, PALE = "#595959", "#f2f2f2"
FILL = {"public": ("#e8f1fe", "#0017c1"), "certified": ("#e6f5ec", "#115a36")}
COLOUR: dict[Carries, str] = {
    "records": "#0017c1",
    "split": "#0017c1",
    "choices": "#5109ad",
    "lists": "#5109ad",
    "linkable": "#ac3e00",
    "application": "#333333",
    "lanes": "#333333",
    "permit": "#333333",
    "outputs": "#00687a",
}
RECONSTRUCTION = Text(ja="再構成", en="reconstruction")
FOOT = (
    Text(
        ja="* 推定。他の割当ては原文に明記。図は失われており、矢印を含め本文から再構成した。",
        en="* inferred; the other allocations are stated in the source. Its figure is lost: "
        "this one, arrows included, is drawn from its text.",
    ),
    Text(
        ja="基本＝基本的な医療等情報　追加＝追加的な医療等情報　加工困難＝ゲノムデータや画像情報等",
        en="basic = the exhaustive core; additional = all else; hard = genomes, images and the "
        "like, hard to process",
    ),
)
ADDITION = Text(
    ja="補助機関：関所（Sekisho）による追加",
    en="auxiliary bodies: Sekisho's addition, not the source's",
)
QUESTION = Text(ja="原文に残る問い", en="left open by the source")
PARTY = {
    "persons": (Text(ja="本人・代理人", en="Persons, proxies"), Text(ja="", en="")),
    "providers": (
        Text(ja="提供者", en="Providers"),
        Text(ja="病院 診療所 薬局 保険者", en="hospitals clinics pharmacies insurers"),
    ),
    "users": (
        Text(ja="利活用者", en="Users"),
        Text(ja="研究者 企業 行政", en="researchers companies agencies"),
    ),
}


def draw(fw: Framework, lang: Language = "ja", *, compact: bool = False) -> str:
    """Return ``fw`` as an SVG; ``lang`` leads, the other language stands below it, smaller.

    ``compact`` (for a printed page) gives bodies that perform the same one box.
    """
    return _Picture(fw, lang, compact).svg()


class _Picture:
    """Draws one layout; holds the brush and which language leads."""

    def __init__(self, fw: Framework, lang: Language, compact: bool) -> None:
        self.fw, self.lang = fw, lang
        width = arrange(fw, 0, lang, compact=compact).width
        self.heading = wrapped(fw.document.heading, 16, width - 2 * MARGIN)
        lines = len(self.heading) + len(fw.open.question)
        top = MARGIN + 44 + 24 * lines + 20
        self.layout: Layout = arrange(fw, top, lang, compact=compact)
        self.brush = Brush(self.layout.width, self.layout.height)

    def svg(self) -> str:
        """Return the whole picture."""
        at = self.layout
        title = f"{self.fw.title.ja} / {self.fw.title.en}: {RECONSTRUCTION.ja} / reconstruction"
        self.brush.raw(f"<title>{escape(title)}</title>")
        self.brush.raw('<rect width="100%" height="100%" fill="#ffffff"/>')
        self._head()
        for rail in at.rails:
            self._rail(rail)
        self._choices()
        for level in at.levels:
            self._level(level)
        for body in at.bodies:
            self._body(body)
        self._party("persons", at.persons)
        self._party("providers", at.providers)
        self._party("users", at.users)
        if any(one.kind == "auxiliary" for one in self.fw.body):
            self._auxiliary()
            self._identities()
        for level in at.levels:
            self._level_label(level)
        for rail in at.rails:
            self._rail_label(rail)
        for index, foot in enumerate(FOOT):
            first, second = self._both(foot)
            y = at.height - 66 + 38 * index
            self.brush.text(first, MARGIN, y, 12, fill=GREY)
            self.brush.text(second, MARGIN, y + 15, 11, fill=GREY)
        return self.brush.svg()

    # ------------------------------------------------------------------ words

    def _both(self, text: Text) -> tuple[str, str]:
        return (text.ja, text.en) if self.lang == "ja" else (text.en, text.ja)

    def _head(self) -> None:
        first, second = self._both(self.fw.title)
        self.brush.text(first, MARGIN, MARGIN + 22, 26, font_weight="bold")
        x = MARGIN + text_width(first, 26, bold=True) + 16
        self.brush.text(second, x, MARGIN + 22, 16, fill=GREY)
        for index, line in enumerate(self.heading):
            self.brush.text(line, MARGIN, MARGIN + 54 + 24 * index, 16)
        for index, question in enumerate(self.fw.open.question):
            y = MARGIN + 54 + 24 * (len(self.heading) + index)
            lead, _ = self._both(QUESTION)
            self.brush.text(f"{lead}: {question.text}", MARGIN, y, 14, fill="#ac3e00")
        mark = f"{RECONSTRUCTION.ja} / {RECONSTRUCTION.en}"
        width = text_width(mark, 14) + 24
        left = self.layout.width - MARGIN - width
        self.brush.box(Box(left, MARGIN, width, 30), "#ffffff", "#ac3e00")
        self.brush.text(
            mark, left + width / 2, MARGIN + 20, 14, text_anchor="middle", fill="#ac3e00"
        )

    def _label(self, label: Text, x: float, y: float, colour: str, anchor: str = "start") -> None:
        """Two lines around ``y``: the leading language above, the other below."""
        first, second = self._both(label)
        halo = {"stroke": "#ffffff", "stroke_width": 4, "paint_order": "stroke"}
        style = {"fill": colour, "text_anchor": anchor, **halo}
        self.brush.text(first, x, y - 7, MAIN_SIZE, **style)
        self.brush.text(second, x, y + 15, SMALL_SIZE, **style)

    # ------------------------------------------------------------------ boxes

    def _party(self, name: str, box: Box) -> None:
        self.brush.box(box, PALE, GREY)
        title, examples = PARTY[name]
        first, second = self._both(title)
        middle = box.x + box.width / 2
        y = box.y + (26 if name == "persons" else 40)
        size = 17.0
        while text_width(first, size, bold=True) > box.width - 12:
            size -= 0.5
        self.brush.text(first, middle, y, size, text_anchor="middle", font_weight="bold")
        self.brush.text(second, middle, y + 19, 12, text_anchor="middle", fill=GREY)
        lead, other = self._both(examples)
        for index, line in enumerate(lead.split()):
            self.brush.text(line, middle, y + 52 + 20 * index, 13, text_anchor="middle")
        for index, line in enumerate(other.split()):
            below = y + 64 + 20 * len(lead.split()) + 16 * index
            self.brush.text(line, middle, below, 11, text_anchor="middle", fill=GREY)

    def _body(self, body: BodyBox) -> None:
        about = self.fw.find_body(body.bodies[0])
        fill, edge = FILL[about.kind]
        self.brush.box(body.box, "#ffffff", edge, width=2)
        head = Box(body.box.x, body.box.y, body.box.width, HEADER)
        self.brush.box(head, fill, edge, width=2)
        first, second = self._both(names(self.fw, body.bodies))
        self.brush.text(first, head.x + 14, head.y + 22, 17, font_weight="bold", fill=edge)
        kind = self._both(BODY_KIND[about.kind])[0]
        small = f"{second} ({kind})"
        if kind == first or text_width(small, 12) > head.width - 28:
            small = second
        self.brush.text(small, head.x + 14, head.y + 40, 12)
        for index, row in enumerate(body.rows):
            self._row(body.bodies[0], row, first=index == 0)

    def _row(self, body: str, row: Row, *, first: bool) -> None:
        box = row.box
        if not first:
            self.brush.rule(box.x, box.right, box.y, "#b3b3b3")
        name, other = self._both(FUNCTION[row.function])
        y = box.y + box.height / 2 - 4
        self.brush.text(name, box.x + 14, y, 15, font_weight="bold")
        self.brush.text(other, box.x + 24 + text_width(name, 15, bold=True), y, 12, fill=GREY)
        lead, below = self._both(self._classes(body, row))
        self.brush.text(lead, box.x + 14, y + 19, 12)
        self.brush.text(below, box.x + 24 + text_width(lead, 12), y + 19, 11, fill=GREY)

    def _classes(self, body: str, row: Row) -> Text:
        ja, en = [], []
        for data_class in CLASSES:
            given = self.fw.given(row.function, data_class)
            if given is not None and body in given.named:
                mark = "*" if given.basis == "inferred" else ""
                ja.append(SHORT_CLASS[data_class].ja + mark)
                en.append(SHORT_CLASS[data_class].en + mark)
        return Text(ja="・".join(ja), en=", ".join(en))

    def _auxiliary(self) -> None:
        strip = self.layout.auxiliary
        bodies = [one for one in self.fw.body if one.kind == "auxiliary"]
        self.brush.box(strip, "#ffffff", GREY, dash="7 5")
        first, second = self._both(ADDITION)
        self.brush.text(first, strip.x + 14, strip.y + 24, 14, font_weight="bold")
        self.brush.text(
            second, strip.x + 26 + text_width(first, 14, bold=True), strip.y + 24, 12, fill=GREY
        )
        width = (strip.width - 14 * (len(bodies) + 1)) / max(1, len(bodies))
        for index, body in enumerate(bodies):
            box = Box(strip.x + 14 + (width + 14) * index, strip.y + 38, width, 96)
            self.brush.box(box, "#ffffff", GREY, dash="7 5")
            lead, other = self._both(body.title)
            self.brush.text(lead, box.x + 12, box.y + 23, 14, font_weight="bold")
            self.brush.text(other, box.x + 12, box.y + 40, 11, fill=GREY)
            role = wrapped(self._both(ROLE[body.roles[0]])[0], 12, width - 24)
            for place, line in enumerate(role):
                self.brush.text(line, box.x + 12, box.y + 60 + 17 * place, 12)

    def _identities(self) -> None:
        """How the auxiliary bodies hang together with the others; no records pass them."""
        strip, body = self.layout.auxiliary, self.layout.bodies[-1].box
        y = strip.y + 86
        self.brush.line(
            [(self.layout.providers.right, y), (strip.x, y)], GREY, head=True, dash="7 5"
        )
        self._label(IDENTITIES, self.layout.zone[0], y, GREY)
        x = body.x + 30
        self.brush.line([(x, strip.y), (x, body.bottom)], GREY, head=True, dash="7 5")
        self._label(PSEUDONYMS, x + 14, (strip.y + body.bottom) / 2 - 2, GREY)

    # ----------------------------------------------------------------- arrows

    def _level(self, level: Level) -> None:
        at, flow = self.layout, level.flow
        body = next(
            one.box for one in at.bodies if one.bodies[0] in (flow.source.who, flow.target.who)
        )
        colour = COLOUR[flow.carries]
        if flow.source.who == "persons":
            path = [(at.choices_x, level.y), (body.x, level.y)]
            self.brush.line(path, colour, head=True, halo_from=6)
        elif flow.source.who == "providers":
            self.brush.line([(at.providers.right, level.y), (body.x, level.y)], colour, head=True)
        elif flow.source.who == "users":
            self.brush.line([(at.users.x, level.y), (body.right, level.y)], colour, head=True)
        else:
            self.brush.line([(body.right, level.y), (at.users.x, level.y)], colour, head=True)

    def _choices(self) -> None:
        """The persons' line, down to the lowest desk."""
        at = self.layout
        desks = [one.y for one in at.levels if one.flow.source.who == "persons"]
        if desks:
            start = at.persons.y + at.persons.height / 2
            corners = [(at.persons.right, start), (at.choices_x, start), (at.choices_x, max(desks))]
            self.brush.line(corners, COLOUR["choices"])

    def _level_label(self, level: Level) -> None:
        at, colour = self.layout, COLOUR[level.flow.carries]
        if "users" in (level.flow.source.who, level.flow.target.who):
            right = at.bodies[0].box.right + 20
            inner = max([right, *(rail.x + 12 for rail in at.rails if not rail.left)])
            self._label(level.flow.label, inner, level.y, colour)
        else:
            self._label(level.flow.label, at.zone[0], level.y, colour)

    def _rail(self, rail: Rail) -> None:
        colour = COLOUR[rail.carries]
        edge = self.layout.bodies[0].box.x if rail.left else self.layout.bodies[0].box.right
        heights = [stub.y for stub in rail.stubs]
        low = self.layout.auxiliary.y if rail.below is not None else max(heights)
        self.brush.line([(rail.x, min(heights)), (rail.x, low)], colour, head=bool(rail.below))
        for stub in rail.stubs:
            ends = [(rail.x, stub.y), (edge, stub.y)]
            self.brush.line(ends, colour, head=stub.arrives, halo_from=6)

    def _rail_label(self, rail: Rail) -> None:
        colour = COLOUR[rail.carries]
        if rail.left:
            x = self.layout.zone[1] + 4
            self.brush.line([(x + 6, rail.label_y), (rail.x, rail.label_y)], colour, thin=True)
            self._label(rail.label, x, rail.label_y + 1, colour, anchor="end")
        else:
            self.brush.line(
                [(rail.x, rail.label_y), (rail.x + 14, rail.label_y)], colour, thin=True
            )
            self._label(rail.label, rail.x + 20, rail.label_y + 1, colour)
        self.brush.dot(rail.x, rail.label_y, colour)
