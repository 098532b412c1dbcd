"""Where everything of a drawing stands: boxes, rows, ports and rails, in pixels; no drawing yet.

Providers and persons stand on the left, bodies with a row for each function in the middle, users
on the right. What comes from or goes to a party runs level into its row; what goes between bodies
runs on upright rails left of them, one for each thing carried.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from sekisho.common.ids import BodyId
from sekisho.framework.flows import Carries, End, Flow, flows
from sekisho.framework.model import CLASSES, FUNCTIONS, Framework, Function, Text
from sekisho.framework.rooms import functions_of

MARGIN = 24
SIDE = 140
"""Width of the columns left and right."""
BODY = 340
HEADER = 48
ROW = 48
LABELLED = 43
"""Height that an arrow with its label in two lines takes in a row."""
STUB = 20
"""Height that an arrow from or to a rail takes in a row."""
RAIL = 22
"""Distance between rails."""
GAP = 26
RAIL_LABEL = 43
MAIN_SIZE, SMALL_SIZE = 14, 11

IDENTITIES = Text(ja="本人識別（暗号化）", en="identities, encrypted")
PSEUDONYMS = Text(
    ja="仮名（すべての機関の間で変換する）", en="pseudonyms, converted between all bodies"
)

PARTIES = ("providers", "persons", "users")


@dataclass(frozen=True)
class Box:
    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height


@dataclass(frozen=True)
class Row:
    """A function of a body, in its box."""

    function: Function
    box: Box


@dataclass(frozen=True)
class BodyBox:
    """The box of one body, or of several that perform the same."""

    bodies: tuple[BodyId, ...]
    box: Box
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Level:
    """A level arrow between a party and a body's row at height ``y``."""

    flow: Flow
    y: float


@dataclass(frozen=True)
class Stub:
    """A short level line between a rail and a body; ``arrives`` says which end has the head."""

    y: float
    arrives: bool


@dataclass(frozen=True)
class Rail:
    """An upright line left (or right) of the bodies, its stubs, and where its label stands.

    ``below`` says that it goes on to the auxiliary bodies, and whether it arrives there.
    """

    carries: Carries
    label: Text
    x: float
    stubs: tuple[Stub, ...]
    label_y: float
    below: bool | None
    left: bool = True


@dataclass(frozen=True)
class Layout:
    width: float
    height: float
    top: float
    persons: Box
    providers: Box
    users: Box
    bodies: tuple[BodyBox, ...]
    auxiliary: Box
    levels: tuple[Level, ...]
    rails: tuple[Rail, ...]
    zone: tuple[float, float]
    """Left and right edge of the room for labels between left column and rails."""
    choices_x: float
    """Where the persons' line runs down."""


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return how wide ``text`` is set, near enough: full-width characters are square."""
    width = 0.0
    for character in text:
        if unicodedata.east_asian_width(character) in "WFA":
            width += 1
        elif character in " ,.:;'()ijlft":
            width += 0.34
        else:
            width += 0.68 if character.isupper() or character in "mw" else 0.57
    return size * width * (1.08 if bold else 1)


def arrange(fw: Framework, top: float, lead: str, *, compact: bool = False) -> Layout:
    """Place everything of ``fw``.

    ``top`` is the height that title lines above take, ``lead`` the language set larger;
    ``compact`` gives bodies that perform the same one box, where there are more than two.
    """
    groups = _groups(fw, compact)
    arrows = _joined(flows(fw), groups)
    level = [f for f in arrows if f.source.who in PARTIES or f.target.who in PARTIES]
    between = [f for f in arrows if f not in level]
    rails = {side: _carried(between, side) for side in (True, False)}
    zone_left = MARGIN + SIDE + 28
    zone_width = _label_width(
        [f.label for f in (*level, *between) if not _on_right(f)] + [IDENTITIES], lead
    )
    body_x = zone_left + zone_width + 14 + RAIL * (len(rails[True]) + 1)
    bodies, ports = _stack(fw, groups, arrows, between, rails[True], body_x, top + 24)
    bottom = bodies[-1].box.bottom
    zone_right = zone_left + zone_width
    right_rails = RAIL * (len(rails[False]) + 1) if rails[False] else 0
    right_zone = _label_width([f.label for f in level if _on_right(f)], lead) + 44 + right_rails
    users = Box(body_x + BODY + right_zone, top + 24, SIDE, bottom - top - 24)
    persons = Box(MARGIN, top, SIDE, 62)
    providers = Box(MARGIN, persons.bottom + 14, SIDE, bottom - persons.bottom - 14)
    aux_x = body_x - RAIL * max(1, len(rails[True])) - 12
    auxiliary = Box(aux_x, bottom + 62, users.right - aux_x, 148)
    return Layout(
        width=users.right + MARGIN,
        height=auxiliary.bottom + 92,
        top=top,
        persons=persons,
        providers=Box(providers.x, providers.y, SIDE, auxiliary.bottom - providers.y),
        users=users,
        bodies=bodies,
        auxiliary=auxiliary,
        levels=tuple(Level(f, ports[f, _body_end(f)]) for f in level),
        rails=tuple(_rails(between, rails, bodies, ports, body_x)),
        zone=(zone_left, zone_right),
        choices_x=MARGIN + SIDE + 14,
    )


def _groups(fw: Framework, compact: bool) -> tuple[tuple[BodyId, ...], ...]:
    if not compact or len(fw.function_bodies) < 3:
        return tuple((body,) for body in fw.function_bodies)
    same: dict[object, list[BodyId]] = {}
    for body in fw.function_bodies:
        does = tuple((f, c) for f in FUNCTIONS for c in CLASSES if body in fw.assigned(f, c))
        same.setdefault((fw.find_body(body).kind, does), []).append(body)
    return tuple(tuple(bodies) for bodies in same.values())


def _joined(arrows: Sequence[Flow], groups: Sequence[Sequence[BodyId]]) -> tuple[Flow, ...]:
    """Each arrow once, from and to the first body of each group."""
    first = {body: group[0] for group in groups for body in group}

    def end(one: End) -> End:
        return End(first.get(BodyId(one.who), one.who), one.function)

    joined = (Flow(f.carries, end(f.source), end(f.target), f.label) for f in arrows)
    return tuple(dict.fromkeys(joined))


def _on_right(flow: Flow) -> bool:
    return "users" in (flow.source.who, flow.target.who)


def _body_end(flow: Flow) -> End:
    return flow.target if flow.source.who in PARTIES else flow.source


def _carried(between: Sequence[Flow], left: bool) -> list[Carries]:
    """The things carried on rails of one side; lanes of a shared application run on the right."""
    found = dict.fromkeys(f.carries for f in between if (f.carries != "lanes") == left)
    order: tuple[Carries, ...] = ("linkable", "lists", "split", "lanes")
    return [one for one in order if one in found]


def _label_width(labels: Sequence[Text], lead: str) -> float:
    def width(label: Text) -> float:
        sizes = (MAIN_SIZE, SMALL_SIZE) if lead == "ja" else (SMALL_SIZE, MAIN_SIZE)
        return max(text_width(label.ja, sizes[0]), text_width(label.en, sizes[1]))

    return max(width(label) for label in labels) + 10


def _stack(
    fw: Framework,
    groups: Sequence[tuple[BodyId, ...]],
    arrows: Sequence[Flow],
    between: Sequence[Flow],
    carried: Sequence[Carries],
    x: float,
    y: float,
) -> tuple[tuple[BodyBox, ...], dict[tuple[Flow, End], float]]:
    """Place bodies from top to bottom, tall enough for their arrows; return each arrow's height."""
    ports: dict[tuple[Flow, End], float] = {}
    boxes = []
    spans = _spans([group[0] for group in groups], between, carried)
    for position, group in enumerate(groups):
        top, row_y = y, y + HEADER
        rows = []
        for function in (f for f in FUNCTIONS if f in functions_of(fw, group[0])):
            end = End(group[0], function)
            height = float(ROW)
            for right in (False, True):
                used = _place(arrows, end, right, row_y + 5, ports)
                height = max(height, used + 10)
            rows.append(Row(function, Box(x, row_y, BODY, height)))
            row_y += height
        boxes.append(BodyBox(group, Box(x, top, BODY, row_y - top), tuple(rows)))
        y = row_y + GAP + RAIL_LABEL * sum(1 for first in spans.values() if first == position)
    return tuple(boxes), ports


def _place(
    arrows: Sequence[Flow],
    end: End,
    right: bool,
    y: float,
    ports: dict[tuple[Flow, End], float],
) -> float:
    """Give the arrows at one side of a row their heights; return the height used.

    Arrows of one kind from or to the same rail share a port.
    """
    used = 0.0
    shared: dict[tuple[Carries, bool], float] = {}
    for flow in arrows:
        if end not in (flow.source, flow.target):
            continue
        party = flow.source.who in PARTIES or flow.target.who in PARTIES
        if (_on_right(flow) if party else flow.carries == "lanes") != right:
            continue
        if party:
            ports[flow, end] = y + used + LABELLED / 2
            used += LABELLED
            continue
        key = (flow.carries, flow.target == end)
        if key not in shared:
            shared[key] = y + used + STUB / 2
            used += STUB
        ports[flow, end] = shared[key]
    return used


def _spans(
    order: Sequence[str], between: Sequence[Flow], carried: Sequence[Carries]
) -> dict[Carries, int]:
    """For each rail, the position of the body below which its label stands."""
    place: dict[str, int] = {body: index for index, body in enumerate(order)}
    last = len(place) - 1
    found: dict[Carries, int] = {}
    for one in carried:
        at = [
            place.get(end.who, last)
            for f in between
            if f.carries == one
            for end in (f.source, f.target)
        ]
        found[one] = min(at)
    return found


def _rails(
    between: Sequence[Flow],
    carried: dict[bool, list[Carries]],
    bodies: Sequence[BodyBox],
    ports: dict[tuple[Flow, End], float],
    body_x: float,
) -> list[Rail]:
    spans = _spans([one.bodies[0] for one in bodies], between, carried[True] + carried[False])
    filled: dict[int, int] = {}
    found = []
    for left in (True, False):
        for index, one in enumerate(carried[left]):
            mine = [f for f in between if f.carries == one]
            stubs: dict[float, bool] = {}
            below: bool | None = None
            for flow in mine:
                for end in (flow.source, flow.target):
                    if (flow, end) in ports:
                        stubs[ports[flow, end]] = end == flow.target
                    else:
                        below = bool(below) or end == flow.target
            gap = bodies[spans[one]].box.bottom
            offset = filled.get(spans[one], 0) if left else 0
            filled[spans[one]] = offset + 1 if left else filled.get(spans[one], 0)
            labels = dict.fromkeys(f.label for f in mine)
            found.append(
                Rail(
                    carries=one,
                    label=next(iter(labels)),
                    x=body_x - RAIL * (index + 1) if left else body_x + BODY + RAIL * (index + 1),
                    stubs=tuple(Stub(y, arrives) for y, arrives in sorted(stubs.items())),
                    label_y=gap + GAP / 2 + RAIL_LABEL * (offset + 0.5),
                    below=below,
                    left=left,
                )
            )
    return found
