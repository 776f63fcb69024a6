"""DICOM in and out: the only room that knows pydicom and highdicom.

``series.scan`` says what a folder holds, ``read.read_volume`` and ``segmentation.read_segments`` bring images and masks into the
model, ``write`` takes them out again.
"""
