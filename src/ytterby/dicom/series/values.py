"""What stands against the values of a CT or MR, beyond a missing rescale: other units, padding, colours."""

from __future__ import annotations

from collections.abc import Sequence

from ytterby.dicom.header import Header, text
from ytterby.dicom.padding import AIR_HU, TISSUE_HU, padding_hu
from ytterby.dicom.pixels import is_hounsfield, slice_rescale
from ytterby.errors import DicomError, Problem

__all__ = ["value_problems"]

_NEARLY_AIR_HU = -900


def value_problems(headers: Sequence[Header], kind: str) -> list[Problem]:
    """Problems of the values of slices: a palette, an inverted display, a CT in other units than HU, padding."""
    first = headers[0]
    name, problems = first.path.name, []
    shown = {text(header.dataset, "PhotometricInterpretation").upper() for header in headers}
    if "PALETTE COLOR" in shown:
        problems.append(
            Problem(
                "red",
                "the values are numbers of colours (PALETTE COLOR), not measurements",
                name,
                remedy="give the original series",
            )
        )
    if "MONOCHROME1" in shown:
        problems.append(Problem("green", "made to be shown inverted (MONOCHROME1): values are read as measured", name))
    if kind == "ct":
        problems += _ct_problems(first)
    return problems


def _ct_problems(header: Header) -> list[Problem]:
    name, factors = header.path.name, slice_rescale(header.dataset)
    if not is_hounsfield(header.dataset):
        return [
            Problem(
                "amber",
                f"the values are no Hounsfield units but '{text(header.dataset, 'RescaleType')}' (RescaleType)",
                name,
                remedy="use the series in HU",
            )
        ]
    if factors is None:
        return []
    try:
        ends = padding_hu(header.dataset, name, slope=factors[0], intercept=factors[1])
    except DicomError as error:
        return [Problem("red", error.what, name, remedy=error.remedy)]
    if ends is None or (TISSUE_HU[0] <= ends[0] and ends[1] <= _NEARLY_AIR_HU):
        return []
    said = f"{ends[0]:.6g} HU" if ends[0] == ends[1] else f"{ends[0]:.6g} to {ends[1]:.6g} HU"
    if TISSUE_HU[0] <= ends[0] and ends[1] <= TISSUE_HU[1]:
        return [
            Problem(
                "amber",
                f"the padding value is {said}, which tissue may have too: such voxels are read as they are",
                name,
                remedy="check by eye what lies outside the circle of the image",
            )
        ]
    return [Problem("green", f"padding outside the image ({said}) is read as air, {AIR_HU} HU", name)]
