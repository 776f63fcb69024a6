"""Planar images of a case: the two views, the regions drawn on them, and the lung shunt that their counts give."""

from __future__ import annotations

from dataclasses import replace

from ytterby.dicom.read import paired_views, read_view, read_views
from ytterby.dosimetry.planar import PlanarRegions, PlanarScan, planar_image_lung_shunt
from ytterby.errors import CalibrationError, ConfigurationError
from ytterby.files.casefile import CaseFile
from ytterby.files.caseparts import ViewFile
from ytterby.imaging.planarregion import region_mask
from ytterby.model.planar import PlanarPair, PlanarView, ViewDirection

__all__ = ["planar_scan"]


def planar_scan(file: CaseFile) -> PlanarScan | None:
    """The planar scan in which a case counts its lung shunt; None where it names none.

    Raises
    ------
    InputError
        The views cannot be read or told apart, or the regions do not lie on them; names what, where and the remedy.
    """
    source = file.lung_shunt
    if source is None or source.regions is None:
        return None
    if source.anterior is not None and source.posterior is not None:
        pair = PlanarPair(
            _named(source.anterior, ViewDirection.ANTERIOR), _named(source.posterior, ViewDirection.POSTERIOR)
        )
    elif file.planar is not None:
        views = read_views(file.planar.path, energy_window=file.planar.energy_window or "")
        pair = paired_views(views, where=str(file.planar.path))
    else:
        raise ConfigurationError(
            "regions are drawn, and no planar image is named", where="lung_shunt", remedy="state planar: {path: ...}"
        )
    view, drawn = pair.anterior, source.regions
    regions = PlanarRegions(
        lungs=region_mask(drawn.polygons("lungs"), view, name="lungs"),
        liver=region_mask(drawn.polygons("liver"), view, name="liver"),
        background=region_mask(drawn.polygons("background"), view, name="background") if drawn.background else None,
    )
    return PlanarScan(pair, regions, planar_image_lung_shunt(pair, regions))


def _named(stated: ViewFile, side: ViewDirection) -> PlanarView:
    """The view that the case calls ``side``, which its file must not call otherwise."""
    view = read_view(stated.path, frame=stated.frame)
    if view.direction is None:
        return replace(view, direction=side, direction_source="the case file")
    if view.direction is not side:
        raise CalibrationError(
            f"the case calls it the {side} view, and the file {view.direction} ({view.direction_source})",
            where=view.source,
            remedy="exchange lung_shunt.anterior and lung_shunt.posterior, or correct the frame",
        )
    return view
