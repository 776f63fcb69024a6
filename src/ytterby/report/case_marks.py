"""Colour, number and label of each segment: the same in figures and tables of a case's report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ytterby.model.dose import CaseDose
from ytterby.model.segment import Role, Segment

__all__ = ["BENEATH", "Mark", "label", "marks", "role_colour", "stacking"]

# Liver olive, perfused volumes cyan (a hue per infusion), tumours reds, normal tissue green, lungs blue, the rest magenta:
# all readable on a CT and on white paper.
_COLOURS: dict[Role, tuple[str, ...]] = {
    Role.LIVER: ("#c8b400",),
    Role.TUMOUR: ("#e6194b", "#ff7f50", "#b0122f", "#ff5fa2", "#f4511e", "#8e1b3a", "#ff9aa2", "#d81b60"),
    Role.PERFUSED: ("#00b8d4", "#00d8b8", "#5ac8fa"),
    Role.NORMAL_LIVER: ("#2e9e3f",),
    Role.PERFUSED_NORMAL: ("#7cc142", "#a5d66f", "#55a630"),
    Role.LUNGS: ("#3b7dd8",),
    Role.OTHER: ("#d05ce3", "#a64ac9", "#f06292"),
}
# From below to above: what matters most is drawn last.
_STACKING = (
    Role.OTHER,
    Role.LUNGS,
    Role.NORMAL_LIVER,
    Role.PERFUSED_NORMAL,
    Role.LIVER,
    Role.PERFUSED,
    Role.TUMOUR,
)
BENEATH = (Role.NORMAL_LIVER, Role.PERFUSED_NORMAL)
"""Roles whose outlines mostly run along others: drawn broad, beneath them."""

_LABEL_LENGTH = 26
_LAST_LETTER = 0x24F  # Latin: what the figures' font holds for certain


@dataclass(frozen=True)
class Mark:
    """How a segment is shown: its colour, its number among the tumours (else None), and whether its colour comes again."""

    colour: str
    number: int | None = None
    is_repeat: bool = False


def marks(dose: CaseDose, segments: Sequence[Segment]) -> dict[str, Mark]:
    """Mark of each segment by name; tumours are numbered in the order of the dose table."""
    roles: dict[str, Role] = {}
    for row in dose.doses:
        roles.setdefault(row.segment, row.role)
    for histogram in dose.histograms:
        roles.setdefault(histogram.segment, histogram.role)
    for segment in segments:
        roles.setdefault(segment.name, segment.role)
    met: dict[Role, int] = {}
    found = {}
    for name, role in roles.items():
        place = met.get(role, 0)
        met[role] = place + 1
        colours = _COLOURS[role]
        number = place + 1 if role is Role.TUMOUR else None
        found[name] = Mark(colours[place % len(colours)], number, place >= len(colours))
    return found


def role_colour(role: Role) -> str:
    """First colour of a role."""
    return _COLOURS[role][0]


def stacking(role: Role) -> int:
    """Place of a role from the bottom (0) to the top of a drawing."""
    return _STACKING.index(role)


def label(name: str, mark: Mark) -> str:
    """A name as a figure can show it: on one line, not too long, in letters that the font has; a tumour's number first."""
    plain = "".join(letter if letter.isprintable() and ord(letter) <= _LAST_LETTER else "?" for letter in name)
    plain = plain if len(plain) <= _LABEL_LENGTH else plain[: _LABEL_LENGTH - 1] + "\u2026"
    return plain if mark.number is None else f"{mark.number}  {plain}"
