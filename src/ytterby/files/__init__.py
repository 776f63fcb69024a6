"""NIfTI, NRRD, CSV and YAML files: everything that comes in or goes out and is not DICOM."""
