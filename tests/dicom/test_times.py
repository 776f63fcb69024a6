"""Moments of DICOM for a reader."""

from __future__ import annotations

import pytest

from ytterby.dicom.times import readable_moment


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("103500.00", "10:35:00"),
        ("20111005124500", "2011-10-05 12:45:00"),
        ("20240308110000.5+0100", "2024-03-08 11:00:00+01:00"),
        ("noon", "noon"),
    ],
)
def test_a_moment_is_shown_as_a_reader_writes_it(written: str, shown: str) -> None:
    assert readable_moment(written) == shown
