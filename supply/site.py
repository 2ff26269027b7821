"""Gathers the pages of the documentation's site: those of mkdocs.yml, and all that they link to.

    make docs        (python -m supply.site build/site-pages, then mkdocs)

Pages, pictures and files keep their paths, so that a link works in the repository as on the site.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
CONFIGURATION = ROOT / "mkdocs.yml"
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)")
# The forge's own pages (comparisons, releases) are above the repository and not on the site.
FORGE_LINK = re.compile(r"^\[[^\]]+\]: \.\./\.\./\S+\n", re.MULTILINE)
CODE = re.compile(r"```.*?```", re.DOTALL)


def links(page: Path) -> Iterator[Path]:
    """The files of the repository that a page links to or shows.

    Args:
        page: A Markdown file of the repository.

    Yields:
        Absolute paths.

    Raises:
        FileNotFoundError: A link leads to no file, or out of the repository.
    """
    for target in LINK.findall(CODE.sub("", page.read_text())):
        path = (page.parent / target).resolve()
        if not path.is_file() or not path.is_relative_to(ROOT):
            raise FileNotFoundError(f"{page.relative_to(ROOT)} links to {target}")
        yield path


def pages_of_menu(menu: object) -> Iterator[str]:
    """The paths in a ``nav`` of mkdocs.yml, in its order."""
    if isinstance(menu, str):
        yield menu
    elif isinstance(menu, dict):
        for entry in menu.values():
            yield from pages_of_menu(entry)
    elif isinstance(menu, list):
        for entry in menu:
            yield from pages_of_menu(entry)


def pages_in_order() -> list[Path]:
    """The pages that the site's menu names. Raises FileNotFoundError."""
    menu = yaml.safe_load(CONFIGURATION.read_text())["nav"]
    pages = [ROOT / page for page in pages_of_menu(menu)]
    for page in pages:
        if not page.is_file():
            raise FileNotFoundError(f"mkdocs.yml names {page.relative_to(ROOT)}")
    return pages


def files_of_site() -> set[Path]:
    """The pages of the menu, and whatever these link to, on and on. Raises FileNotFoundError."""
    todo, files = pages_in_order(), set[Path]()
    while todo:
        file = todo.pop()
        if file not in files:
            files.add(file)
            if file.suffix == ".md":
                todo += links(file)
    return files


def gather(folder: Path) -> None:
    """Copies the files of the site into an empty folder. Raises FileNotFoundError."""
    shutil.rmtree(folder, ignore_errors=True)
    for file in sorted(files_of_site()):
        copy = folder / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".md":
            copy.write_text(FORGE_LINK.sub("", file.read_text()))
        else:
            shutil.copyfile(file, copy)


if __name__ == "__main__":
    gather(Path(sys.argv[1]))
