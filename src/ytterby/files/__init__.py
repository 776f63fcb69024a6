"""NIfTI, NRRD, CSV and YAML files."""
