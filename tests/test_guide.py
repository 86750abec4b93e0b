"""Every page of the guide runs from top to bottom, and every link of the documentation leads
somewhere.
"""

import re
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
GUIDE = ROOT / "examples" / "guide"
PAGES = sorted(path for path in GUIDE.glob("*.md") if path.name != "README.md")
TEXTS = [
    ROOT / "README.md",
    *sorted((ROOT / "examples").rglob("*.md")),
    *sorted((ROOT / ".github").rglob("*.md")),
]
CODE = re.compile(r"```python\n(.*?)```", flags=re.DOTALL)
WITHOUT_CODE = {"changes.md", "command_line.md"}
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def targets(text):
    """Addresses that a text links to, or shows as pictures."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return re.findall(r"\]\(([^)\s]+)\)|(?:href|src)=\"([^\"]+)\"", prose)


def anchors(path):
    """Anchors of the headings of a page, as GitHub names them."""
    prose = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", prose, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def missing(path):
    """Relative addresses of a page that lead nowhere."""
    for address in map("".join, targets(path.read_text())):
        if re.match(r"[a-z]+:", address):
            continue
        file, _, anchor = address.partition("#")
        place = (path.parent / file).resolve() if file else path
        if not place.exists() or (anchor and anchor not in anchors(place)):
            yield address


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    blocks = CODE.findall(page.read_text())
    assert blocks or page.name in WITHOUT_CODE
    namespace = {"__name__": page.stem}
    try:
        for block in blocks:
            exec(compile(block, page.name, "exec"), namespace)
    finally:
        plt.close("all")


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_pictures_lead_somewhere(path):
    assert not list(missing(path))


def test_a_link_that_leads_nowhere_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        '# One title, two\n[a](#one-title-two) [b](#one) [c](page.md) ![d](d.png) <img src="e.png">'
        "\n[f](https://example.org) ```\n[g](g.md)\n```\n"
    )
    assert list(missing(page)) == ["#one", "d.png", "e.png"]


@pytest.mark.parametrize(
    ("index", "pattern"),
    [
        ("examples/guide/README.md", "examples/guide/*.md"),
        ("examples/README.md", "examples/*.py"),
        ("examples/README.md", "examples/benchmarks/*.py"),
        ("examples/README.md", "examples/figures/plot_0*_[!f]*.png"),
    ],
)
def test_an_index_names_every_page_and_script(index, pattern):
    index = ROOT / index
    linked = {(index.parent / "".join(one)).resolve() for one in targets(index.read_text())}
    files = {path for path in ROOT.glob(pattern) if path != index}
    if pattern.endswith("png"):  # one picture of each script is enough
        assert {path.name[:7] for path in files} == {
            path.name[:7] for path in linked if path.suffix == ".png"
        }
    else:
        assert files <= linked


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_a_form_can_be_read_and_what_it_asks_to_run_runs(form, capsys):
    content = pytest.importorskip("yaml").safe_load(form.read_text())
    assert {"name", "description", "body"} <= set(content)
    ids = [field["id"] for field in content["body"]]
    assert len(set(ids)) == len(ids)
    X = np.ones((2, 8, 8))
    for field in content["body"]:
        written = field["attributes"].get("description", "")
        for command in re.findall(r"`(?:python -c \"(.*?)\"|(print.*?))`", written):
            exec("".join(command), {"X": X, "np": np})
            assert capsys.readouterr().out.strip()


def test_the_forms_ask_for_versions_and_values():
    written = "".join(form.read_text() for form in FORMS)
    assert written.count("python -c") == 2
    assert written.count("`print(X.shape") == 1
