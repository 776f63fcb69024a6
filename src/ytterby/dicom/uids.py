"""UIDs that follow from content: the same input, the same UID."""

from __future__ import annotations

import hashlib
import uuid

import numpy as np
import numpy.typing as npt

__all__ = ["content_uid", "digest"]


def content_uid(*parts: str) -> str:
    """UID that follows from the parts alone: the same parts, the same UID (under 2.25, DICOM PS3.5 B.2, from SHA-256)."""
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return f"2.25.{uuid.UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=5).int}"


def digest(*arrays: npt.NDArray[np.generic]) -> str:
    """SHA-256 of arrays' bytes, for UIDs that follow from content."""
    whole = hashlib.sha256()
    for array in arrays:
        whole.update(np.ascontiguousarray(array).data)
    return whole.hexdigest()
