"""The result folder of a case, read back: case.json, doses.csv, dvh.csv and dose.nii.gz, believed only after they agree."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NoReturn

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ytterby.errors import ConfigurationError, FileFormatError
from ytterby.files.cells import Column, Kind
from ytterby.files.csvtable import Table, read_table
from ytterby.files.fields import Identifier, NonNegative, Number, Positive, SchemaOne, Text, validated
from ytterby.files.nifti import read_nifti
from ytterby.model.dose import (
    ActivityBalance,
    CaseDose,
    DoseOptions,
    DoseVolumeHistogram,
    Engine,
    Notice,
    SegmentDose,
)
from ytterby.model.segment import Role
from ytterby.model.volume import Grid, Quantity, Volume

__all__ = ["MAX_JSON_BYTES", "CaseResult", "read_case_result"]

MAX_JSON_BYTES = 16 << 20
"""A case.json of more bytes is none: one with a hundred segments has less than a hundredth of it."""

_REMEDY = "give the folder as 'ytterby case run' wrote it, or run the case again"
_SAME_PLACE_MM = 0.05  # NIfTI keeps its affine in single precision
_SAME_DOSE = 1e-9
_LONG = Annotated[str, Field(strict=True, max_length=2000)]
_Share = Annotated[NonNegative, Field(le=1.0 + 1e-9)]


@dataclass(frozen=True, eq=False)
class CaseResult:
    """What a case found, with its dose map (Gy, on the image's grid); ``quantity`` is that of its image.

    ``dose`` holds what a comparison needs: rows, histograms, balance, options and notices.
    """

    dose: CaseDose
    dose_map: Volume = field(repr=False)
    quantity: Quantity
    simulated: bool
    software: str
    segments_path: Path
    devices: tuple[str, ...]
    inputs: tuple[Path, ...]

    @property
    def net_activity_gbq(self) -> float:
        """Administered activity of all sessions less the residual."""
        return self.dose.balance.administered_gbq - self.dose.balance.residual_gbq


class _Record(BaseModel):
    """A mapping of case.json: what is not needed here is passed over, what is needed is checked."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=False)


class _Software(_Record):
    name: Text
    version: Text


class _Options(_Record):
    energy_j_per_gbq: Positive
    tissue_density_g_ml: Positive
    lung_mass_kg: Positive | None = None
    engine: Engine


class _Image(_Record):
    quantity: Quantity
    shape: tuple[Annotated[int, Field(strict=True, gt=0, le=100_000)], ...]
    affine_lps: tuple[tuple[Number, ...], ...]
    frame_of_reference: Annotated[str, Field(strict=True, max_length=64)]


class _Row(_Record):
    segment: Text
    role: Role
    method: _LONG
    volume_ml: NonNegative
    mass_kg: NonNegative
    activity_fraction: Number
    mean_dose_gy: Number
    engine: Text
    mean_dose_uncertainty_gy: NonNegative | None = None
    min_dose_gy: Number | None = None
    max_dose_gy: Number | None = None
    d98_gy: Number | None = None
    d95_gy: Number | None = None
    d90_gy: Number | None = None
    d70_gy: Number | None = None
    d50_gy: Number | None = None
    d2_gy: Number | None = None
    v100gy_fraction: _Share | None = None
    bed_mean_gy: Number | None = None


class _Balance(_Record):
    administered_gbq: Positive
    residual_gbq: NonNegative
    liver_gbq: Number
    lung_gbq: Number
    outside_gbq: Number
    counts_outside_fraction: Number | None = None
    counts_in_lungs_fraction: Number | None = None
    counts_outside_territories_fraction: Number | None = None
    recovered_fraction: Number | None = None


class _Session(_Record):
    device: Text


class _Warning(_Record):
    code: Text
    message: _LONG


class _Case(_Record):
    schema_version: SchemaOne = Field(alias="schema")
    patient_id: Identifier
    simulated: Annotated[bool, Field(strict=True)]
    software: _Software
    options: _Options
    image: _Image
    doses: Annotated[tuple[_Row, ...], Field(min_length=1, max_length=10_000)]
    sessions: Annotated[tuple[_Session, ...], Field(max_length=1000)] = ()
    activity_balance: _Balance
    warnings: Annotated[tuple[_Warning, ...], Field(max_length=10_000)]
    files: Annotated[dict[Text, Text], Field(max_length=100)] = {}


_HASHED = ("doses.csv", "dvh.csv", "dose.nii.gz")
_DVH_COLUMNS = (
    Column("segment", Kind.TEXT, "name of the segment"),
    Column("role", Kind.CATEGORY, "role of the segment", categories=tuple(Role)),
    Column("dose_gy", Kind.NUMBER, "dose", "Gy", minimum=0.0),
    Column(
        "volume_fraction", Kind.NUMBER, "share of the volume that gets at least the dose", minimum=0.0, maximum=1.000001
    ),
)
_DOSES_COLUMNS = (
    Column("segment", Kind.TEXT, "name of the segment"),
    Column("role", Kind.CATEGORY, "role of the segment", categories=tuple(Role)),
    Column("mean_dose_gy", Kind.NUMBER, "mean absorbed dose", "Gy"),
)


def read_case_result(folder: Path) -> CaseResult:
    """The results of a case that ``ytterby case run`` wrote to a folder.

    Raises
    ------
    FileFormatError
        A file is missing, damaged, too large, or not what the command writes; or the files contradict each other (they are of
        different runs).
    GeometryError
        The dose map's header does not say where it lies.
    """
    if not folder.is_dir():
        raise FileFormatError("there is no such folder", where=str(folder), remedy="run 'ytterby case run' first")
    record = _case(folder / "case.json")
    names = [row.segment for row in record.doses]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise FileFormatError(f"the segment '{twice}' stands twice", where=_shown(folder, "case.json"), remedy=_REMEDY)
    if not record.activity_balance.residual_gbq < record.activity_balance.administered_gbq:
        raise FileFormatError(
            "nothing was administered but residual", where=_shown(folder, "case.json"), remedy=_REMEDY
        )
    _check_files(folder, record)
    _check_table(folder, record)
    volumes_ml = {row.segment: row.volume_ml for row in record.doses}
    options = record.options
    dose = CaseDose(
        patient_id=record.patient_id,
        options=DoseOptions(
            energy_j_per_gbq=options.energy_j_per_gbq,
            tissue_density_g_ml=options.tissue_density_g_ml,
            lung_mass_kg=options.lung_mass_kg,
            engine=options.engine,
        ),
        doses=tuple(SegmentDose(**row.model_dump()) for row in record.doses),
        histograms=_histograms(folder, volumes_ml),
        balance=ActivityBalance(**record.activity_balance.model_dump()),
        single_compartment=(),
        lungs=(),
        notices=tuple(Notice(one.code, one.message) for one in record.warnings),
    )
    return CaseResult(
        dose,
        _dose_map(folder, record.image),
        record.image.quantity,
        record.simulated,
        f"{record.software.name} {record.software.version}",
        folder / "segments.dcm",
        tuple(sorted({session.device for session in record.sessions})),
        tuple(folder / name for name in ("case.json", "doses.csv", "dvh.csv", "dose.nii.gz", "segments.dcm")),
    )


def _check_files(folder: Path, record: _Case) -> None:
    """FileFormatError naming a file that is not the one that the case wrote beside case.json."""
    for name, digest in record.files.items():
        path = folder / name
        if name not in _HASHED or not path.is_file():
            continue  # what is missing is told when it is read
        whole = hashlib.sha256()
        with path.open("rb") as handle:
            while chunk := handle.read(1 << 20):
                whole.update(chunk)
        if whole.hexdigest() != digest:
            raise FileFormatError(
                "the file is not the one that was written with case.json", where=_shown(folder, name), remedy=_REMEDY
            )


def _shown(folder: Path, name: str) -> str:
    return f"{folder.name}/{name}"


def _case(path: Path) -> _Case:
    where = _shown(path.parent, path.name)
    data = _json(path, where)
    if not isinstance(data, dict):
        raise FileFormatError("this is no mapping", where=where, remedy=_REMEDY)
    try:
        return validated(_Case, data, Path(path.parent.name) / path.name)
    except ConfigurationError as error:
        raise FileFormatError(
            f"this is not what a case writes: {error.where}: {error.what}"[:1000], where=where, remedy=_REMEDY
        ) from error


def _json(path: Path, where: str) -> Any:
    try:
        with path.open("rb") as handle:
            content = handle.read(MAX_JSON_BYTES + 1)
    except OSError as error:
        raise FileFormatError(
            f"the file cannot be read ({error.strerror or error})", where=where, remedy=_REMEDY
        ) from error
    if len(content) > MAX_JSON_BYTES:
        raise FileFormatError(f"the file has more than {MAX_JSON_BYTES} bytes", where=where, remedy=_REMEDY)

    def not_a_number(text: str) -> NoReturn:
        raise FileFormatError(f"{text} is no number of JSON", where=where, remedy=_REMEDY)

    try:
        return json.loads(content.decode("utf-8"), parse_constant=not_a_number)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(f"the file is no JSON ({error})"[:300], where=where, remedy=_REMEDY) from error


def _table(folder: Path, name: str, columns: tuple[Column, ...]) -> Table:
    table = read_table(folder / name, columns)
    if table.problems:
        first = table.problems[0]
        raise FileFormatError(f"{first.message} ({first.place})", where=_shown(folder, name), remedy=_REMEDY)
    return table


def _check_table(folder: Path, record: _Case) -> None:
    """FileFormatError where doses.csv and case.json are not of one run."""
    rows = _table(folder, "doses.csv", _DOSES_COLUMNS).rows
    listed = [(row.text("segment"), row.text("role")) for row in rows]
    means_gy = [row.required("mean_dose_gy") for row in rows]
    agreeing = listed == [(row.segment, row.role.value) for row in record.doses] and all(
        math.isclose(one, row.mean_dose_gy, rel_tol=_SAME_DOSE, abs_tol=_SAME_DOSE)
        for one, row in zip(means_gy, record.doses, strict=True)
    )
    if not agreeing:
        raise FileFormatError(
            "doses.csv and case.json hold different doses: they are not of one run", where=folder.name, remedy=_REMEDY
        )


def _histograms(folder: Path, volumes_ml: dict[str, float]) -> tuple[DoseVolumeHistogram, ...]:
    grouped: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for row in _table(folder, "dvh.csv", _DVH_COLUMNS).rows:
        key = (row.text("segment"), row.text("role"))
        grouped.setdefault(key, []).append((row.required("dose_gy"), row.required("volume_fraction")))
    found = []
    for (segment, role), points in grouped.items():
        curve = np.array(points)
        if segment not in volumes_ml:
            what = f"the segment '{segment}' has a histogram and no dose"
            raise FileFormatError(what, where=_shown(folder, "dvh.csv"), remedy=_REMEDY)
        if (np.diff(curve[:, 0]) <= 0).any() or (np.diff(curve[:, 1]) > 1e-9).any():
            what = f"the histogram of '{segment}' rises, or its doses do not"
            raise FileFormatError(what, where=_shown(folder, "dvh.csv"), remedy=_REMEDY)
        found.append(DoseVolumeHistogram(segment, Role(role), curve[:, 0], curve[:, 1], volumes_ml[segment]))
    return tuple(found)


def _dose_map(folder: Path, image: _Image) -> Volume:
    """The dose map, when it lies where case.json says."""
    read = read_nifti(folder / "dose.nii.gz")
    where = _shown(folder, "dose.nii.gz")
    if len(image.shape) != 3 or [len(row) for row in image.affine_lps] != [4, 4, 4, 4]:
        raise FileFormatError("the image's shape or affine is none", where=_shown(folder, "case.json"), remedy=_REMEDY)
    stated = Grid((image.shape[0], image.shape[1], image.shape[2]), np.array(image.affine_lps))
    if not stated.same_as(read.grid, tolerance_mm=_SAME_PLACE_MM):
        raise FileFormatError(
            "the dose map does not lie where case.json says: they are not of one run", where=where, remedy=_REMEDY
        )
    return Volume(read.array, stated, Quantity.DOSE, image.frame_of_reference, source=where)
