"""Response, toxicity and endpoints from measurements, laboratory values and dates."""
