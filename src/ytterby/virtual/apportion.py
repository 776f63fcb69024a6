"""Whole-number shares: counts of a smaller or larger cohort in given proportions, and labels dealt out to patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

__all__ = ["apportion", "deal", "dealt"]

Key = TypeVar("Key")


def apportion(total: int, weights: Mapping[Key, float]) -> dict[Key, int]:
    """``total`` split in proportion to ``weights`` by largest remainder; ties go to the earlier key.

    Examples
    --------
    >>> apportion(43, {1: 14, 2: 26, 3: 3})
    {1: 14, 2: 26, 3: 3}
    >>> apportion(10, {"a": 1, "b": 1, "c": 1})
    {'a': 4, 'b': 3, 'c': 3}
    """
    quota = {key: total * weight / sum(weights.values()) for key, weight in weights.items()}
    shares = {key: int(np.floor(value + 1e-9)) for key, value in quota.items()}
    by_remainder = sorted(quota, key=lambda key: shares[key] - quota[key])  # stable: ties keep their order
    for key in by_remainder[: total - sum(shares.values())]:
        shares[key] += 1
    return shares


def dealt(total: int, weights: Mapping[Key, float], rng: np.random.Generator) -> list[Key]:
    """A shuffled list of ``total`` keys, as many of each as ``apportion`` gives."""
    keys = [key for key, n in apportion(total, weights).items() for _ in range(n)]
    return [keys[n] for n in rng.permutation(len(keys))]


def deal(
    room: Sequence[int],
    wanted: Mapping[str, int],
    rng: np.random.Generator,
    *,
    allowed: Mapping[str, Sequence[bool]] | None = None,
) -> list[set[str]]:
    """Labels for each patient: ``room[n]`` different ones for patient n, and each label ``wanted[label]`` times.

    Labels go to the patients with most room left, which meets both sets of counts whenever they can be met together (Gale 1957,
    doi:10.2140/pjm.1957.7.1073). ``allowed`` restricts a label to some patients (dealt first). Where the counts cannot be met,
    fewer labels are dealt.
    """
    left = np.array(room, dtype=int)
    labels: list[set[str]] = [set() for _ in room]
    restricted = allowed or {}
    for label in sorted(wanted, key=lambda name: (name not in restricted, -wanted[name], name)):
        may = np.array(restricted.get(label, [True] * len(room)), dtype=bool)
        # Ties fall at random: a stable sort of shuffled patients.
        order = sorted((int(n) for n in rng.permutation(len(room))), key=left.tolist().__getitem__, reverse=True)
        for n in [n for n in order if left[n] > 0 and may[n]][: wanted[label]]:
            labels[n].add(label)
            left[n] -= 1
    return labels
