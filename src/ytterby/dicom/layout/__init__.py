"""Where the pixels of each kind of object lie in the patient, from headers alone."""
