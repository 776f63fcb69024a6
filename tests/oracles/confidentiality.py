"""Actions of DICOM PS3.15 Table E.1-1 as two other programs have them, each from its own parse of the standard.

Run by hand, with a Python that has dicom-anonymizer 2.1.0 and the file of fo-dicom, which is in its repository:

    python confidentiality.py DicomAnonymizerGenerated.cs > confidentiality.csv

dicom-anonymizer (Kitware) has the action of the basic profile, in lists for several editions: here 2024b, and of 2026c the rows
that 2024b lacks. fo-dicom (5.1.3 and later, generated in June 2024) has the actions of the options too. A row is a program, a
tag in eight hexadecimal digits, and its actions. Groups of tags are written as in the standard: 50XXXXXX, 60XX3000, 60XX4000;
fo-dicom writes them, and all private attributes, by hand.
"""

from __future__ import annotations

import csv
import re
import sys
from importlib import import_module
from pathlib import Path

COLUMNS = {  # of fo-dicom
    "basic": 0, "safe_private": 1, "device_identity": 3, "patient_characteristics": 5, "modified_dates": 7,
    "descriptors": 8, "structured_content": 9,
}  # fmt: skip
GROUPS = {0x5000: "50XXXXXX", 0x6000: "60XX"}
PATTERNS = {"50[0-9A-F]{2},[0-9A-F]{4}": "50XXXXXX", "60[0-9A-F]{2},": "60XX", "[0-9A-F]{3}[13579BDF],": "odd groups"}


def written(tag: tuple[int, ...]) -> str:
    """Tag as the table writes it; four numbers are tag and mask."""
    if len(tag) == 2:
        return "{:04X}{:04X}".format(*tag)
    group = GROUPS[tag[0]]
    return group if len(group) == 8 else f"{group}{tag[1]:04X}"


def kitware(edition: str) -> dict[str, str]:
    lists = import_module(f"dicomanonymizer.dicom_anonymization_databases.dicomfields_{edition}")
    return {
        written(tag): name.removesuffix("_TAGS").replace("_STAR", "*").replace("_", "/")
        for name in dir(lists)
        if name.endswith("_TAGS") and name != "ALL_TAGS"
        for tag in getattr(lists, name)
    }


def fo_dicom(path: Path) -> dict[str, list[str]]:
    found = {}
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        match = re.fullmatch(r"\s*(\S+,[^;]+);((?:[^;]*;){10}[^;]*?)\s*", line)
        if match is None:
            continue
        tag = match.group(1)
        for pattern, group in PATTERNS.items():
            if tag.startswith(pattern):
                tag = group + tag.removeprefix(pattern) if group == "60XX" else group
        found[tag.replace(",", "")] = match.group(2).split(";")
    return found


def main(path: str) -> None:
    """One row a program and tag, to standard output."""
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["program", "tag", *COLUMNS])
    edition = kitware("2024b")
    nothing = [""] * (len(COLUMNS) - 1)
    for tag, action in sorted(edition.items()):
        out.writerow(["dicom-anonymizer 2024b", tag, action, *nothing])
    for tag, action in sorted(kitware("2026c").items()):
        if edition.get(tag) != action:
            out.writerow(["dicom-anonymizer 2026c", tag, action, *nothing])
    for tag, actions in sorted(fo_dicom(Path(path)).items()):
        out.writerow(["fo-dicom", tag, *(actions[index] for index in COLUMNS.values())])


if __name__ == "__main__":
    main(*sys.argv[1:])
