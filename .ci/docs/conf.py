"""Configuration of the API reference, the guide and the gallery."""

import logging
import os
import re

import matplotlib
from sphinx_gallery.sorting import FileNameSortKey

import skpr

matplotlib.use("agg")
logging.getLogger("skpr").setLevel(logging.ERROR)

project, author, copyright = "skpr", "the skpr developers", "the skpr developers"
version = release = skpr.__version__
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
]
root_doc = "index"
exclude_patterns = ["examples/figures", "scripts", "_templates"]
templates_path = ["_templates"]
html_theme = "pydata_sphinx_theme"
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": False}
html_title = f"skpr {version}"

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's sections say more than the annotations
numpydoc_show_class_members = False  # the class template lists them
numpydoc_xref_param_type = False
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
suppress_warnings = ["config.cache"]  # the gallery's sort key cannot be pickled

sphinx_gallery_conf = {
    "examples_dirs": "scripts",
    "gallery_dirs": "gallery",
    # the others train for longer; SKPR_GALLERY=plot_ executes all
    "filename_pattern": os.environ.get("SKPR_GALLERY", r"plot_0[135]"),
    "within_subsection_order": FileNameSortKey,
    "doc_module": ("skpr",),
    "reference_url": {"skpr": None},
    "backreferences_dir": "gallery/backreferences",
    "remove_config_comments": True,
    "abort_on_example_error": True,
    "nested_sections": False,
    "min_reported_time": 1,
}


def escape_shapes(app, what, name, obj, options, lines):
    """Escape the star and the underscore of shapes such as `(n_samples, *object_shape_)`."""
    if (getattr(obj, "__module__", None) or "").startswith("sklearn"):
        lines.clear()  # metadata requests, with references to pages of scikit-learn's own
    for number, line in enumerate(lines):
        lines[number] = re.sub(r"(?<![\\*\w`])\*(\w+?)(_?)(?=[),])", _escaped, line)


def _escaped(found):
    return rf"\*{found.group(1)}" + (r"\_" if found.group(2) else "")


def setup(app):
    """Escape shapes before numpydoc reads the docstrings."""
    app.connect("autodoc-process-docstring", escape_shapes, priority=400)
