"""From picture to concentration and volume of interest: sampling, resampling, thresholds."""
