"""Constants with sources: nuclides, microspheres."""
