"""Floats carry their unit in their name (docs/glossary.md lists the suffixes)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

UNITS = (
    # activity, concentration, dose, energy
    "gbq", "bq", "bq_ml", "gbq_ml", "gy", "mev", "kev", "j_per_gbq", "joule",
    # mass, volume, length, area, density, attenuation
    "kg", "ml", "mm", "m", "m2", "g_ml", "kg_ml", "hu",
    # laboratory
    "umol_l", "g_l",
    # counts and angles
    "counts", "degrees",
    # time
    "seconds", "hours", "days", "months", "years",
    # shares
    "fraction", "percent",
    # along an axis of a grid
    "slices",
    # on a page
    "points", "pixels", "inches",
)  # fmt: skip
SUFFIX = re.compile(rf"(^|_)({'|'.join(sorted(UNITS, key=len, reverse=True))})$")

# Floats that have no unit, each with the reason. Add to it with an argument, not to silence the test.
UNITLESS = {
    # statistics
    "p": "probability of a test",
    "entry_p": "probability of a test, as a threshold",
    "probability": "a probability",
    "correlation": "a correlation coefficient",
    "score": "a clinical score that is defined without a unit (ALBI)",
    # ratios of two numbers of one unit
    "ratio": "one quantity over another of its kind",
    "tn_ratio": "ratio of two concentrations",
    "tumour_to_normal": "ratio of two concentrations",
    "tolerance": "relative deviation",
    "factor": "from one unit to another",
    "decay_ratio": "an activity at one moment over that at another",
    "recovery_coefficient": "the field's own name of a share: measured over true",
    "exponent": "a power",
    # the unit is known, and stands elsewhere
    "value": "its unit is a field beside it, or in the name that the caller gives it",
    "lower_limit": "in the unit of the value beside it",
    "upper_limit": "in the unit of the value beside it",
    "baseline": "in the unit of the value beside it",
    "baseline_upper_limit": "in the unit of the value beside it",
    "gbq_ml_per_unit": "GBq/mL for one unit of an image: it stands in the middle of the name",
    "months_to_grade3": "a column of the analysis tables: it stands at the front of the name",
}

# The same, where a name means this in one room alone.
UNITLESS_IN_ROOM = {
    "dicom": {
        "slope": "Rescale Slope: from stored numbers to the file's unit",
        "intercept": "Rescale Intercept: from stored numbers to the file's unit",
    },
    "files": {
        "slope": "scl_slope of NIfTI: from stored numbers to the file's unit",
        "intercept": "scl_inter of NIfTI: from stored numbers to the file's unit",
        "number": "a cell of a table: the column declares its unit",
        "minimum": "bound of a column, in the column's unit",
        "maximum": "bound of a column, in the column's unit",
        "above": "bound of a column, in the column's unit",
        "below": "bound of a column, in the column's unit",
    },
    # Places and sizes on a page are in the coordinates of its axes.
    "report": {
        **dict.fromkeys(("x", "y", "left", "bottom", "width", "height", "gap", "row"), "coordinates of the axes"),
        **dict.fromkeys(("diameter", "step", "widest"), "coordinates of the axes"),
        **dict.fromkeys(("low", "high"), "ends of an axis, in the axis's unit"),
        "size": "of a font, in points as matplotlib has it",
        "level": "of a contour, in the unit of the values beside it",
        "outside": "value outside a volume, in the volume's unit",
    },
    "virtual": {
        "scale": "factor of a length",
        "shift": "on the scale of log odds",
        "draw": "a uniform draw between 0 and 1",
        "sd": "standard deviation of a logarithm",
        "patient_effect": "on the scale of log odds",
        "lesion_effect": "on the scale of log odds",
    },
}


def is_float(annotation: ast.expr | None, aliases: frozenset[str]) -> bool:
    """True for float, an alias of it, float | None and Annotated[float, ...]."""
    match annotation:
        case ast.Name(id=name):
            return name == "float" or name in aliases
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            sides = [side for side in (left, right) if not (isinstance(side, ast.Constant) and side.value is None)]
            return len(sides) == 1 and is_float(sides[0], aliases)
        case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[first, *_])):
            return is_float(first, aliases)
        case ast.Subscript(value=ast.Name(id="Optional"), slice=inner):
            return is_float(inner, aliases)
    return False


def float_aliases(modules) -> frozenset[str]:
    """Names of types like ``Positive = Annotated[float, ...]``, wherever they are defined."""
    aliases: frozenset[str] = frozenset()
    while True:
        found = {
            node.targets[0].id
            for module in modules
            for node in module.tree.body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Subscript)
            and is_float(node.value, aliases)
        }
        if found <= aliases:
            return aliases
        aliases |= found


def float_names(tree: ast.AST, aliases: frozenset[str]) -> Iterator[tuple[ast.AST, str]]:
    """Every parameter and every field of a class that is a float."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
                if is_float(argument.annotation, aliases):
                    yield argument, argument.arg
        elif isinstance(node, ast.ClassDef):
            for field in node.body:
                named = isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
                if named and is_float(field.annotation, aliases):
                    yield field, field.target.id


def test_the_test_sees_floats() -> None:
    source = "class A:\n    dose: float\n    b: Share | None = None\ndef f(x: Annotated[float, 1], n: int): ...\n"
    found = [name for _, name in float_names(ast.parse(source), frozenset({"Share"}))]
    assert found == ["dose", "b", "x"]
    assert not SUFFIX.search("dose")
    assert not SUFFIX.search("energy")
    assert SUFFIX.search("mean_dose_gy")
    assert SUFFIX.search("concentration_bq_ml")
    assert SUFFIX.search("percent")


def test_every_float_has_its_unit_in_its_name(modules) -> None:
    # stats/ takes numbers of any unit and knows no medicine: its floats are statistics and levels.
    aliases = float_aliases(modules)
    assert aliases, "the aliases of float in files/ were not found"
    bare = [
        f"{module.at(node)}: {name}"
        for module in modules
        if module.room != "stats"
        for node, name in float_names(module.tree, aliases)
        if not SUFFIX.search(name) and name not in UNITLESS and name not in UNITLESS_IN_ROOM.get(module.room, {})
    ]
    assert not bare, "floats without a unit in their name:\n" + "\n".join(bare)


def test_no_entry_of_the_lists_is_stale(modules) -> None:
    aliases = float_aliases(modules)
    used = {(module.room, name) for module in modules for _, name in float_names(module.tree, aliases)}
    everywhere = {name for room, name in used if room != "stats"}
    assert not set(UNITLESS) - everywhere
    assert not {(room, name) for room, names in UNITLESS_IN_ROOM.items() for name in names} - used
