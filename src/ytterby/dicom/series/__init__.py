"""What a folder holds: series by series, with the role proposed for each, and what is wrong with it."""

from __future__ import annotations

from ytterby.dicom.series.record import Scan, Series, SkippedFile
from ytterby.dicom.series.scan import scan, total_counts

__all__ = ["Scan", "Series", "SkippedFile", "scan", "total_counts"]
