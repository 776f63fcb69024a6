"""From activity to gray: compartments, voxel dose, DVH, radiobiology."""
