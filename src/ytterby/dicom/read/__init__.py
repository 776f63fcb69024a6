"""Readers of DICOM objects, gathered: from files into the model."""

from __future__ import annotations

from ytterby.dicom.read.segmentation import read_segments
from ytterby.dicom.read.volume import read_volume

__all__ = ["read_segments", "read_volume"]
