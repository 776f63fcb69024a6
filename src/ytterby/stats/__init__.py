"""Statistics: arrays in, result types out; knows no medicine."""
