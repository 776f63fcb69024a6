"""How the source is written: length, documentation, errors, printing, who reads files."""

from __future__ import annotations

import ast
from collections.abc import Iterator

MAXIMUM_LINES = 400
READERS = ("ReadImage", "WriteImage", "ImageFileReader", "ImageFileWriter", "ImageSeriesReader", "ImageSeriesWriter")
# Numbers of the published study: only the shipped plan and the simulator's targets may hold them.
PUBLISHED = ("196.6", "175.0")


def is_public(node: ast.AST) -> bool:
    """True for a class or function without underscore; an @overload is a signature, its function has the docstring."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name.startswith("_"):
        return False
    return not any(ast.unparse(decorator).split(".")[-1] == "overload" for decorator in node.decorator_list)


def public_nodes(tree: ast.Module) -> Iterator[ast.AST]:
    """The module itself, its public classes and functions, and the public methods of these classes."""
    yield tree
    for node in tree.body:
        if is_public(node):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (inner for inner in node.body if is_public(inner))


def assigned_names(tree: ast.Module) -> set[str]:
    """Every name that the top level of a module binds, imports too."""
    names = set()
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                names |= {alias.asname or alias.name for alias in aliases}
    return names


def exported_names(tree: ast.Module) -> list[str] | None:
    """The strings of ``__all__``; None where there is none."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            assert isinstance(node.value, ast.List | ast.Tuple)
            return [item.value for item in node.value.elts if isinstance(item, ast.Constant)]
    return None


def test_no_file_is_too_long_without_a_decision(root, modules) -> None:
    decisions = "\n".join(path.read_text(encoding="utf-8") for path in (root / "docs" / "decisions").glob("*.md"))
    long = [
        f"src/ytterby/{module.name}: {len(module.text.splitlines())} lines"
        for module in modules
        if len(module.text.splitlines()) > MAXIMUM_LINES and f"src/ytterby/{module.name}" not in decisions
    ]
    assert not long, "split these, or say why in docs/decisions/:\n" + "\n".join(long)


def test_public_names_are_documented(modules) -> None:
    bare = [
        f"{module.at(node)}: {getattr(node, 'name', 'module')}"
        for module in modules
        for node in public_nodes(module.tree)
        if not ast.get_docstring(node)
    ]
    assert not bare, "no docstring:\n" + "\n".join(bare)


def test_modules_say_what_is_public(modules) -> None:
    # __main__ is run, never imported from.
    silent = [
        f"src/ytterby/{module.name}"
        for module in modules
        if module.name != "__main__.py"
        and any(map(is_public, module.tree.body))
        and exported_names(module.tree) is None
    ]
    assert not silent, "no __all__:\n" + "\n".join(silent)


def test_what_is_public_exists_and_stands_once(modules) -> None:
    wrong = []
    for module in modules:
        if module.name == "__init__.py":  # its names are loaded when first used; tests/docs looks at them
            continue
        names = exported_names(module.tree) or []
        wrong += [f"{module.name}: {name} is not defined" for name in set(names) - assigned_names(module.tree)]
        wrong += [f"{module.name}: {name} stands twice" for name in set(names) if names.count(name) > 1]
    assert not wrong, "\n".join(wrong)


def broad(handler: ast.ExceptHandler) -> bool:
    """True for ``except:``, ``except Exception``, ``except BaseException``, alone or among others."""
    if handler.type is None:
        return True
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(ast.unparse(kind).split(".")[-1] in ("Exception", "BaseException") for kind in caught)


def test_no_broad_except(modules) -> None:
    (sample,) = ast.parse("try: ...\nexcept (KeyError, Exception): ...").body
    assert isinstance(sample, ast.Try)
    assert broad(sample.handlers[0])
    found = [
        module.at(node)
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and broad(node)
    ]
    assert not found, "broad except (docs/decisions/0006-exit-codes.md):\n" + "\n".join(found)


def test_only_the_command_line_prints(modules) -> None:
    found = [
        module.at(node)
        for module in modules
        if module.room != "cli"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("print", "pprint")
    ]
    assert not found, "print outside cli/:\n" + "\n".join(found)


def test_no_dumping_ground(modules) -> None:
    banned = {"utils", "util", "helpers", "helper", "common", "misc"}
    found = [module.name for module in modules if banned & set(module.name.removesuffix(".py").split("/"))]
    assert not found


def test_names_are_nouns_of_the_field(modules) -> None:
    found = [
        f"{module.at(node)}: {node.name}"
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and (node.name.lstrip("_").startswith("get_") or node.name.endswith(("Manager", "Helper", "Utils")))
    ]
    assert not found


def test_imaging_reads_and_writes_no_files(modules) -> None:
    rooms = ("imaging", "dosimetry", "model", "physics", "stats", "virtual", "cohort", "planning", "response")
    found = [
        f"{module.at(node)}: {node.attr if isinstance(node, ast.Attribute) else node.id}"
        for module in modules
        if module.room in rooms
        for node in ast.walk(module.tree)
        if (isinstance(node, ast.Attribute) and node.attr in READERS)
        or (isinstance(node, ast.Name) and node.id in (*READERS, "open"))
    ]
    assert not found, "files are read and written in dicom/ and files/:\n" + "\n".join(found)


def test_published_counts_stand_in_the_plan_and_the_targets_alone(root) -> None:
    package = root / "src" / "ytterby"
    plans, targets = package / "files" / "plans", package / "virtual" / "targets.py"
    found = []
    for path in sorted(package.rglob("*")):
        if path.suffix in (".pyc", ".nbi", ".nbc") or not path.is_file() or path == targets or plans in path.parents:
            continue
        text = path.read_text(encoding="utf-8")
        found += [f"{path.relative_to(root)}: {number}" for number in PUBLISHED if number in text]
    assert not found, "\n".join(found)
