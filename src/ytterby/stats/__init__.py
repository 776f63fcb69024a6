"""Statistics of scores, groups and times to event; knows nothing of what they were measured on.

``roc`` (curve, DeLong, Youden), ``diagnostic`` (2 x 2 tables and intervals), ``groups`` (rank and trend tests),
``survival`` (Kaplan-Meier, log-rank) and ``cox`` (proportional hazards). Conventions on which programs differ are options
with names; docs/theory/statistics.md lists them with their sources.
"""
