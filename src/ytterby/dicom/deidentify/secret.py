"""What follows from the secret: new UIDs, shifts of dates, and the order in which patients are numbered."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from dataclasses import dataclass, field

__all__ = ["MAX_SHIFT_DAYS", "MIN_SECRET_BYTES", "Secret"]

MAX_SHIFT_DAYS = 3650
"""Dates move into the past by 1 to this many days."""
MIN_SECRET_BYTES = 32

_STANDARD = "1.2.840.10008."


@dataclass(frozen=True)
class Secret:
    """Key of everything that replaces an original: without it, nothing leads back."""

    key: bytes = field(repr=False)

    @classmethod
    def random(cls) -> Secret:
        """A new secret, from the system's source of chance."""
        return cls(secrets.token_bytes(MIN_SECRET_BYTES))

    def _digest(self, purpose: str, text: str) -> bytes:
        return hmac.new(self.key, f"{purpose}\0{text}".encode(), hashlib.sha256).digest()

    def uid(self, original: str) -> str:
        """New UID under 2.25 (DICOM PS3.5 B.2), the same for the same original; what the standard itself defines stays."""
        original = original.strip(" \0")
        if not original or original.startswith(_STANDARD):
            return original
        return f"2.25.{uuid.UUID(bytes=self._digest('uid', original)[:16], version=5).int}"

    def shift_days(self, patient: str) -> int:
        """Days by which all dates of a patient move: -``MAX_SHIFT_DAYS`` to -1."""
        return -1 - int.from_bytes(self._digest("shift", patient)[:8]) % MAX_SHIFT_DAYS

    def order(self, patient: str) -> bytes:
        """Sort key that says nothing about the patient."""
        return self._digest("order", patient)
