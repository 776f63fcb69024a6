"""Objects that come compressed: stored byte for byte as dcmtk sent them, and read."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEG2000Lossless

from ytterby.dicom.read import read_volume
from ytterby.workflow.inspect import inspect

PACKED = {
    "jpeg": ("dcmcjpeg", "+e1", "-xs", "1.2.840.10008.1.2.4.70"),
    "jpeg-2000": (None, "", "-xv", "1.2.840.10008.1.2.4.90"),
    "rle": ("dcmcrle", "", "-xr", "1.2.840.10008.1.2.5"),
}


@pytest.mark.parametrize("program", ["storescu", "dcmsend"])
@pytest.mark.parametrize("kind", sorted(PACKED))
def test_what_came_compressed_is_read_as_what_never_was(
    kind, program, ear, dcmtk, small, tmp_path, until, dataset_bytes
) -> None:
    packer, option, offer, syntax = PACKED[kind]
    plain = sorted(path for path in small.iterdir() if path.name != "spect.dcm")
    for folder in ("plain", "packed"):
        (tmp_path / folder).mkdir()
    for path in plain:
        (tmp_path / "plain" / path.name).write_bytes(path.read_bytes())
        packed = tmp_path / "packed" / path.name
        if packer is None:
            dataset = pydicom.dcmread(path)
            dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
            dataset.save_as(packed)
        else:
            words = [option] if option else []
            # dcmtk gives no new UID where no information is lost.
            assert dcmtk(packer, *words, path, packed).returncode == 0
    one = ear()
    # dcmsend would unpack what no information is lost in; storescu offers one syntax beside the plain ones.
    offered = [offer] if program == "storescu" else ["--decompress-never"]
    words = [program, "-aec", "YTTERBY", *offered, "+sd", "127.0.0.1", one.port, tmp_path / "packed"]
    done = dcmtk(*words)
    assert done.returncode == 0, done.stderr
    until(lambda: one.told, "the study")
    sent = {
        pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID: path for path in (tmp_path / "packed").iterdir()
    }
    assert len(one.objects) == len(sent) == 10
    for path in one.objects:
        assert dataset_bytes(path) == dataset_bytes(sent[path.stem])
        assert pydicom.dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID == syntax
    assert len(inspect(one.out).series) == 1
    assert np.array_equal(read_volume(one.objects[0].parent).array, read_volume(tmp_path / "plain").array)
