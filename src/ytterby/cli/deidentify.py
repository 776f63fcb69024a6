"""``ytterby deidentify``: a folder of DICOM objects without the identity of the patients."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ytterby.dicom.deidentify import Outcome

__all__ = ["deidentify", "register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("deidentify")(deidentify)


def deidentify(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="A folder with DICOM files in any layout.")],
    folder: Annotated[Path, typer.Argument(metavar="DST", help="A new or empty folder.")],
    patient_id: Annotated[
        Path | None,
        typer.Option("--patient-id", help="CSV with columns patient_id and pseudonym; without it P0001, P0002, ..."),
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option("--key-file", help="Where to keep what leads back to the patients; used again to continue."),
    ] = None,
    keep_patient_characteristics: Annotated[
        bool, typer.Option("--keep-patient-characteristics", help="Keep sex, age (90 and over as 90), height, weight.")
    ] = False,
    keep_device: Annotated[bool, typer.Option("--keep-device", help="Keep what tells the scanner.")] = False,
    keep_descriptions: Annotated[
        bool, typer.Option("--keep-descriptions", help="Keep descriptions in which no name or identifier is found.")
    ] = False,
    keep_documents: Annotated[
        bool, typer.Option("--keep-documents", help="Keep documents, screens and images with writing in them.")
    ] = False,
    keep_matches: Annotated[
        bool, typer.Option("--keep-matches", help="Keep files in which a name or identifier is still found.")
    ] = False,
    shift_birth_date: Annotated[
        bool, typer.Option("--shift-birth-date", help="Shift the birth date instead of removing it.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
) -> None:
    """Copy DICOM objects without the patients' identity (DICOM PS3.15 Annex E); dates, UIDs and doses stay consistent."""
    from ytterby.cli.boundary import EXIT_SOME_FAILED
    from ytterby.cli.progress import reporting
    from ytterby.dicom.deidentify import Choices, deidentify_folder

    choices = Choices(
        patient_characteristics=keep_patient_characteristics,
        device_identity=keep_device,
        descriptors=keep_descriptions,
        documents=keep_documents,
        matches=keep_matches,
        shifted_birth_date=shift_birth_date,
    )
    given = None if patient_id is None else _pseudonyms(patient_id)
    with reporting("de-identifying", quiet=quiet) as progress:
        outcome = deidentify_folder(source, folder, choices=choices, given=given, key_file=key_file, progress=progress)
    _show(outcome)
    if outcome.record.lacks_objects:
        raise typer.Exit(EXIT_SOME_FAILED)


def _pseudonyms(path: Path) -> dict[str, str]:
    from ytterby.errors import TableError
    from ytterby.files.cells import Column, Kind
    from ytterby.files.csvtable import read_table

    columns = (
        Column("patient_id", Kind.TEXT, "Patient ID as the files have it"),
        Column("pseudonym", Kind.TEXT, "what stands in its place"),
    )
    table = read_table(path, columns, key=("patient_id",))
    if table.problems:
        first = table.problems[0]
        raise TableError(first.message, where=first.place, remedy=first.remedy)
    return {row.text("patient_id"): row.text("pseudonym") for row in table.rows}


def _plain(text: str) -> str:
    # Names come from files: nothing in them may steer the terminal.
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _show(outcome: Outcome) -> None:
    typer.echo(outcome.record.summary(), nl=False)
    if outcome.record.left_out:
        typer.echo("\nFiles left out (this list is shown once: paths may tell who the patients are):")
        for file in outcome.record.left_out:
            detail = f" ({file.detail})" if file.detail else ""
            typer.echo(_plain(f"   {file.path}: {file.reason}{detail}"))
    typer.echo(f"\nWritten: {outcome.folder}")
