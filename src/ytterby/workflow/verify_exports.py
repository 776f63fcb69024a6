"""What a verification leaves behind: tables, JSON, difference map and page; all of it, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

import ytterby
from ytterby.cohort.assemble import marked
from ytterby.files.analysistables import write_table
from ytterby.files.nifti import write_nifti
from ytterby.model.dose import CaseDose, SegmentDose
from ytterby.model.segment import Segment
from ytterby.planning.agreement import Agreement, Estimate
from ytterby.planning.verify import LesionAgreement, SegmentPair, TumourToNormal, Verification, VoxelComparison
from ytterby.planning.voxelwise import DoseMaps, VoxelAgreement
from ytterby.report.verify_page import write_verify_page
from ytterby.workflow.outputs import whole_or_nothing
from ytterby.workflow.provenance import write_json

__all__ = ["verification_record", "write_verification"]

_POINTS = ("d98_gy", "d95_gy", "d90_gy", "d70_gy", "d50_gy", "d2_gy", "v100gy_fraction")
_VOXEL_FIGURES = (
    "volume_ml",
    "predicted_mean_gy",
    "delivered_mean_gy",
    "mean_difference_gy",
    "rms_difference_gy",
    "p95_difference_gy",
    "correlation",
    "outside_fraction",
)
_ESTIMATES = ("bias", "lower", "upper", "spread", "concordance", "correlation")


def write_verification(
    out: Path,
    found: Verification,
    *,
    maps: DoseMaps | None,
    segments: Sequence[Segment],
    software: tuple[str, str],
    simulated: bool,
) -> None:
    """Write verify.json, verify.csv, agreement.csv, verify.html and, where maps were compared, difference.nii.gz into ``out``.

    ``software`` names the programs that made the predicted and the delivered result. A difference.nii.gz of an earlier run is
    taken away where there is none now, so that it does not pass for one of this run.
    """
    with whole_or_nothing(out, optional=("difference.nii.gz",)) as folder:
        write_table(folder / "verify.csv", marked(pd.DataFrame(_segment_rows(found)), simulated))
        write_table(folder / "agreement.csv", marked(pd.DataFrame(_agreement_rows(found.lesions)), simulated))
        if maps is not None:
            write_nifti(folder / "difference.nii.gz", maps.difference)
        write_verify_page(
            folder / "verify.html",
            found=found,
            maps=maps,
            segments=segments,
            simulated=simulated,
            software=f"ytterby {ytterby.__version__}",
        )
        record = verification_record(found, software=software, simulated=simulated)
        write_json(folder / "verify.json", record)
        if maps is None:
            (out / "difference.nii.gz").unlink(missing_ok=True)


def verification_record(found: Verification, *, software: tuple[str, str], simulated: bool) -> dict[str, Any]:
    """Everything that the comparison found, as JSON holds it (unrounded; units in the names)."""
    return {
        "schema": 1,
        "patient_id": found.patient_id,
        "simulated": simulated,
        "software": {"name": "ytterby", "version": ytterby.__version__},
        "research_use_only": True,
        "predicted": _side(found.predicted, software[0]),
        "delivered": _side(found.delivered, software[1]),
        "activity_ratio": found.ratio,
        "limits": {
            **asdict(found.limits),
            "recovered_range": list(found.limits.recovered_range),
            "recovered_range_source": "user" if found.limits.recovered_fraction else "built in",
        },
        "flags": [asdict(flag) for flag in found.flags],
        "notices": [asdict(notice) for notice in found.notices],
        "patient": _patient(found),
        "segments": _segment_rows(found),
        "unmatched": [{**asdict(row), "role": row.role.value} for row in found.unmatched],
        "agreement": _lesions(found.lesions),
        "voxels": None if found.voxels is None else _voxels(found.voxels),
    }


def _side(case: CaseDose, software: str) -> dict[str, Any]:
    balance = case.balance
    return {
        "software": software,
        "options": {
            "energy_j_per_gbq": case.options.energy_j_per_gbq,
            "tissue_density_g_ml": case.options.tissue_density_g_ml,
            "engine": case.options.engine,
        },
        "administered_activity_gbq": balance.administered_gbq,
        "net_activity_gbq": balance.administered_gbq - balance.residual_gbq,
        "recovered_fraction": balance.recovered_fraction,
        "activity_balance": {**asdict(balance), "closure_fraction": balance.closure_fraction},
        "warnings": [asdict(notice) for notice in case.notices],
    }


def _patient(found: Verification) -> dict[str, Any]:
    """The patient's MAD in both cases: energy in all tumours over their mass."""
    before, after = found.predicted.tumour_mean_dose_gy, found.delivered.tumour_mean_dose_gy
    known = before is not None and after is not None and before > 0
    return {
        "predicted_mad_gy": before,
        "delivered_mad_gy": after,
        "difference_gy": None if before is None or after is None else after - before,
        "difference_fraction": after / before - 1.0 if known and before and after is not None else None,
        "rescaled_mad_gy": None if before is None else before * found.ratio,
    }


def _segment_rows(found: Verification) -> list[dict[str, Any]]:
    voxels = {} if found.voxels is None else {row.segment: row for row in found.voxels.segments}
    return [{**_pair_row(pair), **_voxel_columns(voxels.get(pair.segment))} for pair in found.pairs]


def _pair_row(pair: SegmentPair) -> dict[str, Any]:
    row: dict[str, Any] = {
        "segment": pair.segment,
        "role": pair.role.value,
        "predicted_volume_ml": pair.predicted.volume_ml,
        "delivered_volume_ml": pair.delivered.volume_ml,
        "predicted_mean_dose_gy": pair.predicted.mean_dose_gy,
        "delivered_mean_dose_gy": pair.delivered.mean_dose_gy,
        "difference_gy": pair.difference_gy,
        "difference_fraction": pair.difference_fraction,
        "difference_uncertainty_gy": pair.difference_uncertainty_gy,
        "z": pair.z,
        "rescaled_mean_dose_gy": pair.rescaled_gy,
        "rescaled_difference_fraction": pair.rescaled_difference_fraction,
        "predicted_tn_ratio": _tn(pair.predicted_tn),
        "delivered_tn_ratio": _tn(pair.delivered_tn),
        "predicted_normal": "" if pair.predicted_tn is None else pair.predicted_tn.normal,
        "delivered_normal": "" if pair.delivered_tn is None else pair.delivered_tn.normal,
    }
    for name in _POINTS:
        row |= {f"predicted_{name}": _of(pair.predicted, name), f"delivered_{name}": _of(pair.delivered, name)}
    return row


def _of(row: SegmentDose, name: str) -> float | None:
    value: float | None = getattr(row, name)
    return value


def _tn(found: TumourToNormal | None) -> float | None:
    return None if found is None else found.tn_ratio


def _voxel_columns(row: VoxelAgreement | None) -> dict[str, Any]:
    """Columns of verify.csv from the dose maps; empty where they were not compared."""
    return {f"voxel_{name}": None if row is None else getattr(row, name) for name in _VOXEL_FIGURES}


def _voxel_record(row: VoxelAgreement) -> dict[str, Any]:
    return {
        "segment": row.segment,
        "role": row.role.value,
        **_voxel_columns(row),
        "within": [{"difference_fraction": limit, "volume_fraction": share} for limit, share in row.within],
    }


def _voxels(voxels: VoxelComparison) -> dict[str, Any]:
    return {
        "resolution": None if voxels.resolution is None else asdict(voxels.resolution),
        "registered_by": voxels.registered_by,
        "segments": [_voxel_record(row) for row in voxels.segments],
        "rescaled": [_voxel_record(row) for row in voxels.rescaled],
        "gamma": None if voxels.gamma is None else asdict(voxels.gamma),
    }


def _compared(lesions: LesionAgreement) -> tuple[tuple[str, str, Agreement], ...]:
    return (
        ("difference_gy", "as_stated", lesions.absolute),
        ("ratio", "as_stated", lesions.ratios),
        ("difference_gy", "rescaled", lesions.rescaled_absolute),
        ("ratio", "rescaled", lesions.rescaled_ratios),
    )


def _lesions(lesions: LesionAgreement) -> dict[str, Any]:
    found: dict[str, Any] = {"as_stated": {}, "rescaled": {}, "left_out": list(lesions.left_out)}
    for compared, predicted, agreed in _compared(lesions):
        estimates: dict[str, Estimate | None] = {name: getattr(agreed, name) for name in _ESTIMATES}
        found[predicted][compared] = {
            "n": agreed.n,
            **{
                name: None
                if one is None
                else {"value": one.value, "ci": None if one.interval is None else list(one.interval)}
                for name, one in estimates.items()
            },
        }
    return found


def _agreement_rows(lesions: LesionAgreement) -> list[dict[str, Any]]:
    """One row an estimate: what was compared, with which predicted dose, n, the estimate and its interval."""
    rows = []
    for compared, predicted, agreed in _compared(lesions):
        for name in _ESTIMATES:
            estimate: Estimate | None = getattr(agreed, name)
            low, high = (None, None) if estimate is None or estimate.interval is None else estimate.interval
            rows.append(
                {
                    "compared": compared,
                    "predicted": predicted,
                    "n": agreed.n,
                    "estimate": name,
                    "value": None if estimate is None else estimate.value,
                    "low": low,
                    "high": high,
                }
            )
    return rows
