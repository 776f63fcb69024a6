"""Ytterby: radioembolization of the liver with 90Y microspheres, from DICOM to the tables of a dose-response study.

Research use only. The public names below are loaded when they are first used, so that ``import ytterby`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Public name -> the room where it lives.
_PUBLIC = {
    "YtterbyError": "ytterby.errors",
    "Grid": "ytterby.model.volume",
    "Quantity": "ytterby.model.volume",
    "Volume": "ytterby.model.volume",
    "Role": "ytterby.model.segment",
    "Segment": "ytterby.model.segment",
    "Session": "ytterby.model.treatment",
    "Lesion": "ytterby.model.patient",
    "Patient": "ytterby.model.patient",
    "Cohort": "ytterby.model.patient",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'ytterby' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
