"""From patients to tables, flow and the declared analysis."""
