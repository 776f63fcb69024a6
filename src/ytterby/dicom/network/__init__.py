"""DICOM to and from other machines: DIMSE (C-STORE, C-FIND, C-GET, C-MOVE, C-ECHO) and DICOMweb (QIDO-RS, WADO-RS, STOW-RS).

What comes in is stored as it was sent, and stands in its place as a whole or not at all (docs/decisions/0019-receiving.md).
"""
