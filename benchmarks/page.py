"""results.md from the results: what was set out for, times, memory, one full case, notes."""

from __future__ import annotations

from typing import Any

__all__ = ["page"]


def page(results: dict[str, Any]) -> str:
    """The whole page, in Markdown."""
    rows = results["rows"]
    lines = [*_head(results), *_targets(results["targets"]), *_warm(rows), *_cold(rows), *_memory(rows)]
    lines += [*_full_case(results["full_case"]), *_notes(rows), ""]
    return "\n".join(lines)


def _head(results: dict[str, Any]) -> list[str]:
    machine = results["machine"]
    changes = " with uncommitted changes" if results["uncommitted_changes"] else ""
    apart = [
        f"In environments of their own: {', '.join(f'{name} {number}' for name, number in versions.items())}."
        for versions in results["peer_versions"].values()
    ]
    small = [] if results["sizes"] == "full" else ["", "**Small inputs: these times mean nothing.**"]
    return [
        "# Benchmarks",
        "",
        "Written by `make bench`. Same input, one thread, outputs compared in the same run; times in milliseconds as",
        "minimum / median / maximum. A ratio below 1 means that Ytterby is faster.",
        *small,
        "",
        f"Commit `{results['commit'][:12] or 'unknown'}`{changes}; source digest `{results['source_sha256'][:12]}`;",
        ", ".join(f"{name} {number}" for name, number in results["versions"].items()) + ";",
        f"{machine['system']} {machine['architecture']}, {machine['processors']} processors,"
        f" load {machine['load_before'][0]} before and {machine['load_after'][0]} after."
        + (f" {machine['note']}" if machine["note"] else ""),
        *apart,
    ]


def _targets(targets: list[dict[str, Any]]) -> list[str]:
    if not targets:
        return []
    lines = ["", "## What was set out for", "", "| target | measured (median) | met |", "|---|---|---|"]
    return lines + [
        f"| {target['what']} | {target['measured']} | {'yes' if target['met'] else '**no**'} |" for target in targets
    ]


def _warm(rows: list[dict[str, Any]]) -> list[str]:
    lines = [
        "",
        "## Warm (later calls in one process)",
        "",
        "| what | n | ours | peer | ratio | peer is | greatest relative difference of outputs |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        ours = _milliseconds(row["warm_seconds"]["ours"])
        if "not_compared" in row:
            lines.append(
                f"| {row['what']} | {row['size']} | {ours} | - | - | {row['peer']} | not compared: {row['not_compared']} |"
            )
            continue
        differences = ", ".join(
            f"{name.rsplit('_', 1)[0] if name.endswith(('_ml', '_gy')) else name} {value:.1e}"
            + ("" if value <= row["limits"][name] else f" **more than {row['limits'][name]:g}**")
            for name, value in row["differences"].items()
        )
        peer, ratio = _milliseconds(row["warm_seconds"]["peer"]), row["warm_ratio_ours_over_peer"]
        lines.append(
            f"| {row['what']} | {row['size']} | {ours} | {peer} | {ratio:.3g} | {row['peer']} | {differences} |"
        )
    return lines


def _cold(rows: list[dict[str, Any]]) -> list[str]:
    cold = [row for row in rows if "cold_seconds" in row]
    if not cold:
        return []
    lines = [
        "",
        "## Cold (first use in a new process, numpy loaded; numba has nothing cached and compiles in the first call)",
        "",
        "| what | n | peer is | ours: imports | ours: first call | peer: imports | peer: first call | ratio of the sums |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in cold:
        cells = []
        for side in ("ours", "peer"):
            cells += [_milliseconds(row["cold_seconds"][side][part]) for part in ("imports", "first_call")]
        ratio = row["cold_ratio_ours_over_peer"]
        lines.append(f"| {row['what']} | {row['size']} | {row['peer']} | {' | '.join(cells)} | {ratio:.3g} |")
    return lines


def _memory(rows: list[dict[str, Any]]) -> list[str]:
    measured = [row for row in rows if row.get("peak_mib", {}).get("ours") is not None]
    if not measured:
        return []
    lines = [
        "",
        "## Peak memory (MiB, of a new process above its input and its imports)",
        "",
        "| what | n | ours | peer | peer is |",
        "|---|---|---|---|---|",
    ]
    for row in measured:
        peer = row["peak_mib"].get("peer")
        lines.append(
            f"| {row['what']} | {row['size']} | {row['peak_mib']['ours']:.1f} |"
            f" {'-' if peer is None else f'{peer:.1f}'} | {row['peer']} |"
        )
    return lines


def _full_case(parts: dict[str, Any]) -> list[str]:
    lines = [
        "",
        "## A full case (SPECT 128^3, CT 512 x 512 x 120, liver, perfused volume, ten lesions, both engines, uncertainty)",
        "",
        "Seconds after imports, without registration; one thread. Cold is the first run in a new process, warm are the",
        "later ones, as minimum / median / maximum. Processor: of all threads together. Memory in MiB; the peak holds",
        "input and imports.",
        "",
        "| part | imports | cold | cold, processor | warm | warm, processor | input and imports | peak |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for part in parts.values():
        times = (
            f"{part['import_seconds']:.2f}",
            f"{part['cold_seconds']:.2f}",
            f"{part['cold_processor_seconds']:.2f}",
            _spread(part["warm_seconds"]),
            _spread(part["warm_processor_seconds"]),
        )
        memory = ("-" if part[name] is None else f"{part[name]:.0f}" for name in ("input_mib", "peak_mib"))
        lines.append(f"| {part['what']} | {' | '.join((*times, *memory))} |")
    return lines


def _notes(rows: list[dict[str, Any]]) -> list[str]:
    notes = {row["what"]: row["note"] for row in rows if row["note"]}
    return ["", "## Notes", "", *(f"- {what}: {note}." for what, note in notes.items())]


def _milliseconds(seconds: dict[str, float]) -> str:
    return " / ".join(f"{1000 * seconds[name]:.3g}" for name in ("minimum", "median", "maximum"))


def _spread(seconds: dict[str, float]) -> str:
    return " / ".join(f"{seconds[name]:.2f}" for name in ("minimum", "median", "maximum"))
