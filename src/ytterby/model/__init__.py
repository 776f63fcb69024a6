"""What things are: grids, volumes, segments, treatments, outcomes, patients. Frozen dataclasses over numpy arrays."""
