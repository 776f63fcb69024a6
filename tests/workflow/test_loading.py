"""Which of several volumes a case means: never the first of them without being told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.dicom.enhanced import sliced, write_enhanced

from ytterby.errors import DicomError
from ytterby.model.volume import Grid
from ytterby.workflow.inspect import inspect
from ytterby.workflow.loading import load_ct

HU = {"RescaleSlope": 1, "RescaleIntercept": 0, "RescaleType": "HU"}


@pytest.fixture
def phases(tmp_path: Path) -> Path:
    """A CT of two phases in one enhanced object: 40 HU and 120 HU."""
    grid = Grid.axis_aligned((5, 4, 3), (2.0, 2.0, 3.0))
    frames = []
    for phase, value in ((1, 40), (2, 120)):
        content = {"TemporalPositionIndex": phase, "StackID": "1", "FrameAcquisitionNumber": phase}
        frames += sliced(
            np.full(grid.shape, value, dtype=np.int16),
            grid,
            PixelValueTransformationSequence=HU,
            FrameContentSequence=content,
        )
    (tmp_path / "ct").mkdir()
    return write_enhanced(tmp_path / "ct" / "phases.dcm", frames, "CT")


def test_a_volume_of_several_is_named_and_not_guessed(phases: Path) -> None:
    for path in (phases, phases.parent):
        with pytest.raises(
            DicomError, match=r"2 series could be .*temporal position 1.*temporal position 2.*state part"
        ):
            load_ct(path)
        assert [int(load_ct(path, part=f"temporal position {n}")[0].array.max()) for n in (1, 2)] == [40, 120]
    with pytest.raises(
        DicomError, match=r"there is no part 'arterial'; found: temporal position 1, temporal position 2"
    ):
        load_ct(phases, part="arterial")


def test_inspect_says_the_words(phases: Path) -> None:
    assert [one["part"] for one in inspect(phases).record()["series"]] == ["temporal position 1", "temporal position 2"]
