"""The documentation as a whole: links lead somewhere, and recipes that it names exist."""

import re
from pathlib import Path

import pytest

from contragan.recipes.catalog import RENAMED, recipe_names

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FAMILIES = {name.partition("/")[0] for name in recipe_names()}


def anchors(page: Path) -> set[str]:
    """The names by which a page's headings are linked to, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_every_page_stands_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in (ROOT / "docs").glob("[a-z]*.md") if page.name not in index] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_recipes_exist_under_todays_names(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    commands = re.findall(r"contragan (?:train|bench|recipes show) ([a-z0-9-]+/[\w-]+)", text)
    named = re.findall(rf"`((?:{'|'.join(FAMILIES)})/[a-z0-9-]*[a-z0-9])`", text)
    of_old = set(RENAMED) if page.parent.name == "results" else set()
    assert {*commands, *named} - {*recipe_names()} - of_old == set()
