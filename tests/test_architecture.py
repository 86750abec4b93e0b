"""The layers of the package: allowed imports, private names, and docstrings of public objects."""

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from functools import cache
from itertools import zip_longest
from pathlib import Path

import pytest

import skpr

ROOT = Path(skpr.__file__).parent
FLOORS = [
    "exceptions",  # and the package's own modules, whose names begin with _
    "measurement symmetry",
    "augmentation canonicalization coherence detector fourier gaussian laboratory metrics",
    "iterative",
    "neural",
    "composition datasets display files persistence",
    "_command __main__",
]
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names.split()}
MODULES = [path.relative_to(ROOT.parent) for path in sorted(ROOT.rglob("*.py"))]
every_module = pytest.mark.parametrize("path", MODULES, ids=str)


@cache
def parsed(path):
    """Nodes of the syntax tree of a module, which many tests walk through."""
    return tuple(ast.walk(ast.parse((ROOT.parent / path).read_text())))


def imports(path):
    """Absolute dotted names that a module imports, wherever it does so:
    `skpr.symmetry._content.content_box`.
    """
    package = path.parent.parts
    for node in parsed(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = package[: len(package) + 1 - node.level] if node.level else ()
            origin = ".".join([*origin, *filter(None, [node.module])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def unit(parts):
    """The package, or module of the top level, that a dotted name belongs to."""
    return parts[1].removesuffix(".py") if len(parts) > 1 else ""


def floor(name):
    """Floor of a package or module of the top level."""
    return FLOOR.get(name, 0) if is_private(name) else FLOOR[name]


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


@every_module
def test_no_private_name_crosses_a_package(path):
    crossing = []
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "skpr" and unit(parts) != unit(path.parts):
            # modules of the package's own lowest floor are for all of it
            crossing += [name] * any(is_private(part) for part in parts[2:])
        elif parts[0] == "sklearn":
            crossing += [name] * any(is_private(part) for part in parts[1:])
    assert not crossing


@every_module
def test_lower_floors_do_not_import_higher_ones(path):
    if path.name == "__init__.py" and len(path.parts) == 2:
        return
    imported = {unit(name.split(".")) for name in imports(path) if name.startswith("skpr.")} - {
        "__version__"
    }
    here = floor(unit(path.parts))
    assert not [name for name in imported if floor(name) > here]


def test_packages_of_one_floor_do_not_import_one_another_in_a_circle():
    edges = {
        (unit(path.parts), unit(name.split(".")))
        for path in MODULES
        if len(path.parts) > 2
        for name in imports(path)
        if name.startswith("skpr.")
    }
    assert not [pair for pair in edges if pair[0] != pair[1] and pair[::-1] in edges]


@cache
def defined(package):
    """Private names that the modules of one package define, as functions, classes, methods and
    attributes.
    """
    nodes = [node for path in MODULES if unit(path.parts) == package for node in parsed(path)]
    names = {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    return names | {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }


@every_module
def test_private_attributes_are_of_self_or_of_the_same_package(path):
    own = {
        *defined(unit(path.parts)),
        "_replace",
        "_getframe",
        "_exit",
    }  # the last are public: of named tuples, of sys, of os
    foreign = [
        f"{ast.unparse(node)} in line {node.lineno}"
        for node in parsed(path)
        if isinstance(node, ast.Attribute)
        and is_private(node.attr)
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
        and not (isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "super")
        and node.attr not in own
    ]
    assert not foreign


# how what is public is described


def docstrings(path):
    for node in parsed(path):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(
            node
        ):
            yield getattr(node, "name", path.stem), ast.get_docstring(node)


def section(text, title):
    """Entries of a section of a numpydoc docstring, each with the first line of its description."""
    found = re.search(
        rf"^{title}\n-+\n(.*?)(?=^\S[^\n]*\n-+\n|\Z)", text, flags=re.DOTALL | re.MULTILINE
    )
    lines = found.group(1).splitlines() if found else []
    for line, following in zip_longest(lines, lines[1:], fillvalue=""):
        if line and not line.startswith(" "):
            yield line, following.strip() if following.startswith(" ") else ""


@every_module
def test_summaries_fit_in_one_short_line(path):
    long = [f"{name}: {text.splitlines()[0]}" for name, text in docstrings(path)]
    long = [line for line in long if len(line.split(": ", 1)[1]) > 72]
    unfinished = [
        name for name, text in docstrings(path) if "\n" in text and text.splitlines()[1].strip()
    ]
    assert not long + unfinished


@every_module
def test_summaries_and_descriptions_open_with_a_noun_or_a_verb(path):
    riddle = re.compile(r"(What|Where|Of|How|Those)\b")
    found = []
    for name, text in docstrings(path):
        openings = [("summary", text)]
        for title in ("Parameters", "Attributes", "Returns", "Raises", "Warns"):
            openings += section(text, title)
        found += [
            f"{name}, {entry}: {opening[:60]}"
            for entry, opening in openings
            if riddle.match(opening)
        ]
    assert not found


PUBLIC_MODULES = ["skpr"] + [
    f"skpr.{module.name}"
    for module in pkgutil.iter_modules([str(ROOT)])
    if not module.name.startswith("_")
]


def public_callables(module):
    """Public functions and classes of a module, and methods of the classes, by name."""
    for name in importlib.import_module(module).__all__:
        value = getattr(importlib.import_module(module), name)
        is_error = inspect.isclass(value) and issubclass(value, Exception)
        if inspect.isfunction(value) or (inspect.isclass(value) and not is_error):
            yield name, value
        if inspect.isclass(value):
            methods = {
                key: getattr(method, "__func__", method) for key, method in vars(value).items()
            }
            yield from (
                (f"{name}.{k}", m)
                for k, m in methods.items()
                if k[0] != "_" and inspect.isfunction(m)
            )


@pytest.mark.parametrize("module", PUBLIC_MODULES)
def test_public_names_are_described_with_their_parameters_in_order(module):
    wrong = []
    for name, value in public_callables(module):
        text = inspect.getdoc(value)
        entries = [entry.split(" : ")[0] for entry, _ in section(text or "", "Parameters")]
        described = [
            part.strip().lstrip("*")
            for entry in entries
            for part in entry.replace("\\", "").split(",")
        ]
        taken = [
            parameter
            for parameter in inspect.signature(value).parameters
            if parameter not in ("self", "cls")
        ]
        if not text or (
            described and described != [p for p in taken if p in described or p != "y"]
        ):
            wrong.append(f"{name}: {described}, but it takes {taken}")
    assert not wrong


@pytest.mark.parametrize("module", PUBLIC_MODULES)
def test_modules_say_what_is_public_and_have_it(module):
    there = importlib.import_module(module)
    assert there.__doc__
    assert list(there.__all__) == sorted(
        there.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name)
    )
    assert all(hasattr(there, name) for name in there.__all__)


def test_importing_the_package_imports_no_reader_and_no_extra():
    extras = (
        "fabio",
        "h5py",
        "hdf5plugin",
        "matplotlib",
        "pint",
        "silx",
        "tifffile",
        "zarr",
        "skops",
        "dask",
        "pooch",
        "pyevtk",
    )
    names = f"('skpr.files', *{extras})"
    script = f"import sys, skpr; print([name for name in {names} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT.parent, check=True
    )
    assert done.stdout.strip() == "[]"


def test_every_package_is_installed():
    setuptools = pytest.importorskip("setuptools")
    include = re.search(
        r"packages\.find\]\ninclude = \[(.*?)\]", (ROOT.parent / "pyproject.toml").read_text()
    )[1]
    installed = setuptools.find_packages(str(ROOT.parent), include=re.findall(r'"(.*?)"', include))
    assert set(installed) == {".".join(path.parent.parts) for path in MODULES}
