"""Write the pages that list others: guide, figures, rules for contributors, public names."""

import pkgutil
import sys
from importlib import import_module
from pathlib import Path

import skpr

source = Path(sys.argv[1])


def write(name, title, pages):
    """Write a page of links to others, given by their paths without suffixes."""
    lines = [title, "=" * len(title), "", ".. toctree::", "   :maxdepth: 1", ""]
    (source / f"{name}.rst").write_text("\n".join(lines + [f"   {page}" for page in pages]) + "\n")


def public_modules():
    """Yield the public modules of the package, itself first."""
    yield "skpr", skpr
    for found in pkgutil.iter_modules(skpr.__path__):
        if not found.name.startswith("_"):
            module = import_module(f"skpr.{found.name}")
            if hasattr(module, "__all__"):
                yield module.__name__, module


def write_api():
    """Write a page that lists every public name under the module that is its home."""
    modules = dict(public_modules())
    homes = {name: module for module in modules for name in modules[module].__all__}
    lines = ["API reference", "=============", ""]
    for module in modules:
        own = [name for name in modules[module].__all__ if homes[name] == module]
        others = [f":obj:`~{homes[n]}.{n}`" for n in modules[module].__all__ if homes[n] != module]
        lines += [module, "-" * len(module), "", f".. automodule:: {module}", "   :no-members:", ""]
        if others:
            lines += ["Also found here: " + ", ".join(others) + ".", ""]
        if own:
            lines += [".. autosummary::", "   :toctree: generated", ""]
            lines += [f"   {name}" for name in own] + [""]
    (source / "api.rst").write_text("\n".join(lines))


guide = sorted(path.stem for path in (source / "examples" / "guide").glob("*.md"))
guide.remove("README")
write("guide", "Guide", [f"examples/guide/{page}" for page in ["README", *guide]])
write("results", "Figures and examples", ["examples/README", "examples/benchmarks/RESULTS"])
write("contributing", "Contributing", [".github/CONTRIBUTING"])
write_api()

scripts = source / "scripts"  # apart from the pages beside them, of which one would be its header
scripts.mkdir()
header = "Gallery\n=======\n\nShort courses, each with a figure.\n"
(scripts / "GALLERY_HEADER.rst").write_text(header)
for script in (source / "examples").glob("plot_*.py"):
    # the gallery runs them in their folder, as code that has no file
    (scripts / script.name).write_text(script.read_text().replace("__file__", repr(script.name)))
