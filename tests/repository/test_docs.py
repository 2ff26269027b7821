"""What README, docs and the model card state is what the code and the manifest hold."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageSequence

from adapters.errors import STATUSES
from benchmarks.gallery import PEOPLE, SCENES, SELFIES
from pipeline import Options, Settings
from pipeline.stages import STAGES
from supply import site
from supply.site import files_of_site, pages_in_order

ROOT = Path(__file__).parents[2]
README, README_ZH = ((ROOT / name).read_text() for name in ("README.md", "README.zh.md"))
OPTIONS, SIDECAR, LOOKS, FIGURES, HTTP_API, GALLERY = (
    (ROOT / "docs" / name).read_text()
    for name in (
        "options.md",
        "sidecar.md",
        "looks.md",
        "figures.md",
        "http-api.md",
        "gallery/README.md",
    )
)
MAX_README_LINES = 120
MAX_DEMO_BYTES = 2_000_000
DEMO_S = (8, 12)
CARD = (ROOT / "layers" / "weights" / "MODEL_CARD.md").read_text()
MANIFEST = json.loads((ROOT / "layers" / "weights" / "manifest.json").read_text())


@pytest.mark.parametrize("option", fields(Options), ids=lambda item: item.name)
def test_every_option_stands_in_the_table_with_its_default(option: Field[Any]) -> None:
    rows = [line for line in OPTIONS.splitlines() if f"`{option.name}`" in line and "|" in line]
    assert len(rows) == 1, option.name
    default = f"{option.default:g}" if isinstance(option.default, float) else option.default
    assert rows[0].split("|")[3].strip() == str(default)
    bounds = option.metadata.get("range")
    if bounds:
        values = (*option.metadata.get("words", ()), f"{bounds[0]}..{bounds[1]}")
        assert rows[0].split("|")[2].strip() == ", ".join(values)


def test_every_setting_is_documented() -> None:
    for item in fields(Settings):
        assert f"`KIREI_{item.name.upper()}`" in OPTIONS


def test_every_error_code_is_documented_with_its_status() -> None:
    section = SIDECAR[SIDECAR.index("| code | HTTP |") :]
    for code, status in STATUSES.items():
        row = next(line for line in section.splitlines() if f"`{code}`" in line)
        assert row.split("|")[2].strip() == str(status)


def test_every_route_is_documented() -> None:
    routes = json.loads((ROOT / "openapi.json").read_text())["paths"]
    table = HTTP_API[HTTP_API.index("| route |") : HTTP_API.index("The options are")]
    assert set(re.findall(r"/v1/[\w/{}.]+", table)) == routes.keys()
    for method, path in re.findall(r"`([A-Z]+) (/v1/\S+)`", HTTP_API):
        assert method.lower() in routes[path], path


def test_every_file_that_the_documents_link_to_or_name_is_there() -> None:
    pages = [page for page in files_of_site() if page.suffix == ".md"]  # raises for a dead link
    assert {ROOT / "README.md", ROOT / "README.zh.md", *(ROOT / "docs").rglob("*.md")} <= {*pages}
    for page in pages:
        for name in re.findall(
            r"`((?:pipeline|adapters|operations|training|tests|layers|samples|events)/[\w./]+)`",
            page.read_text(),
        ):
            assert (ROOT / name).exists(), f"{page}: {name}"


def test_a_dead_link_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("[there](page.md#x) [code](https://example.org)\n```\n[no](link)\n```\n")
    assert list(site.links(page)) == [page]
    for target in ("gone.md", "..", "../outside.md"):
        page.write_text(f"[dead]({target})")
        with pytest.raises(FileNotFoundError, match=re.escape(target)):
            list(site.links(page))


def test_the_index_names_every_document_in_the_order_of_the_site() -> None:
    index = ROOT / "docs" / "README.md"
    pages = [page for page in site.links(index) if page.suffix == ".md"]
    in_menu = [page for page in pages_in_order() if page != index]
    order = [page for page in pages if page.parent == index.parent]
    assert order == [page for page in in_menu if page.parent == index.parent]
    assert {page for page in in_menu if not page.name.startswith("README.")} <= {*pages}


def test_the_site_holds_every_page_where_its_links_expect_it(tmp_path: Path) -> None:
    site.gather(tmp_path / "pages")
    changes = (tmp_path / "pages" / "CHANGELOG.md").read_text()
    assert "## [0.2.0]" in changes and "../compare" not in changes  # the forge's own pages
    assert (tmp_path / "pages" / "docs" / "gallery" / "selfie-elder.jpg").is_file()


def test_the_readmes_are_short_and_say_the_same() -> None:
    for text in (README, README_ZH):
        assert len(text.splitlines()) <= MAX_README_LINES

    def outline(text: str) -> list[str]:
        """What does not depend on the language: headings, files, commands, names of looks."""
        commands = [
            line.split("#")[0].rstrip()
            for line in text.splitlines()
            if line.startswith("    ") or re.match(r"(from|result|Path|print)\b", line)
        ]
        links = re.findall(r"\]\(([^)]+)\)", text[text.index("## ") :])
        looks = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
        return [str(text.count("\n## ")), *commands, *sorted(links), *looks]

    assert outline(README) == outline(README_ZH)


def test_nobody_is_told_to_install_another_projects_package() -> None:
    files = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    command = re.compile(
        r"(?:pip|pipx|uv tool|uvx|uv pip)3? (?:install |run )?(?:-\S+ )*['\"]?kirei(?![-\w])"
    )
    assert command.search("pip install 'kirei[aws]'") and command.search("pipx install kirei")
    for name in files:
        path = ROOT / name
        if path.suffix in {".md", ".py", ".yaml", ".yml", ".sh"} and path != Path(__file__):
            assert not command.search(path.read_text()), name


@pytest.mark.parametrize("text", [README, README_ZH, LOOKS], ids=["readme", "chinese", "looks"])
def test_the_tables_of_looks_have_every_look_and_its_terms(text: str) -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", text, re.MULTILINE))
    styles = {entry["name"]: entry for entry in MANIFEST["weights"] if entry["kind"] == "style"}
    assert rows.keys() == styles.keys()
    for name, terms in rows.items():
        licence = re.split(r"[: (]", styles[name]["licence"])[0]
        assert terms.replace("非商用", "non-commercial").startswith(licence), name


def test_the_gallery_shows_every_look() -> None:
    drawn_whole = {
        entry["name"]
        for entry in MANIFEST["weights"]
        if entry["kind"] == "style" and not entry.get("around")
    }
    looks = {entry["name"] for entry in MANIFEST["weights"] if entry["kind"] == "style"}
    for names, shown in ((PEOPLE, looks), (SCENES, drawn_whole)):
        for name in names:
            for look in shown:
                assert f"(small/{name}-{look}.jpg)]({name}-{look}.jpg)" in GALLERY
    for name in SELFIES:
        assert f"({name}.jpg)" in GALLERY


def test_the_moving_picture_is_small_and_takes_about_ten_seconds() -> None:
    path = ROOT / "docs" / "demo.webp"
    assert path.stat().st_size < MAX_DEMO_BYTES
    with Image.open(path) as picture:
        milliseconds = 0
        for frame in ImageSequence.Iterator(picture):
            frame.load()
            milliseconds += frame.info["duration"]
        assert picture.info["loop"] == 0
    assert DEMO_S[0] <= milliseconds / 1000 <= DEMO_S[1]


def test_the_figures_are_those_of_the_reports() -> None:
    reports = " ".join(path.read_text() for path in (ROOT / "benchmarks").glob("*.md"))
    measured = set(re.findall(r"\d+(?:\.\d+)?", reports))
    rows = re.findall(r"^\| (?!-)[^|]*\|(.*)\|$", FIGURES, re.MULTILINE)
    stated = [number for row in rows for number in re.findall(r"\d+(?:\.\d+)?", row)]
    assert len(stated) > 100
    assert [number for number in stated if number not in measured] == []


def test_the_readmes_round_the_time_of_a_photo_as_it_was_measured() -> None:
    """0.3 s for 1920x1080 and 0.6 s for 24 megapixels, in both languages."""
    whole_way = FIGURES[FIGURES.index("| the whole way") :]
    for size, second in (("1920x1080", r"0\.3"), ("6000x4000, to 1920 px", r"0\.6")):
        (total,) = re.findall(rf"^\| {size} \| (\d+) ms \|", whole_way, re.MULTILINE)
        assert f"{int(total) / 1000:.1f}" == second.replace("\\", "")
        for text in (README, README_ZH):
            assert re.search(rf"{second} (s|秒)", text)


def test_the_card_states_the_figures_of_the_manifest() -> None:
    for entry in MANIFEST["weights"]:
        card = CARD[CARD.index(f"## {entry['name']}") :]
        for name, value in entry["figures"].items():
            assert f"| {name} | {value:.2f} |" in card, name
        seen = next(
            name
            for name in ("windows", "photographs", "faces", "pictures")
            if name in entry["recipe"]
        )
        assert f"{entry['recipe'][seen]} {seen}" in card
        assert f"{entry['recipe']['steps_done']:,} steps" in card
        for file in entry["files"].values():
            assert file["file"] in card


PLACE = re.compile(r"^\| .* \| `([\w/.]+\.py)`: (`\w+`(?:, `\w+`)*) \|$", re.MULTILINE)
PLACES = PLACE.findall((ROOT / "ARCHITECTURE.md").read_text())


@pytest.mark.parametrize(("path", "names"), PLACES)
def test_a_behaviour_is_decided_where_the_architecture_says(path: str, names: str) -> None:
    tree = ast.parse((ROOT / path).read_text())
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            defined |= {ast.unparse(target) for target in targets}
    for name in re.findall(r"\w+", names):
        assert name in defined, f"{path}: {name}"


def test_the_architecture_names_many_behaviours_and_every_file_it_names_is_there() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    assert len(PLACES) >= 12
    rows = text[text.index("| behaviour | where |") : text.index("## Glossary")]
    assert len(PLACES) == rows.count("\n| ")  # every row is read above
    for name in re.findall(
        r"`((?:pipeline|adapters|operations|training|tests|layers)/[\w./]+)`", text
    ):
        assert (ROOT / name).exists(), name
    for target in re.findall(r"\]\((?!http|#)([^)#]+)\)", text):
        assert (ROOT / target).exists(), target


def test_the_architecture_lists_the_stages_in_their_order() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rows = text[text.index("| stage | module |") :].split("\n\n")[0].splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == [stage.name for stage in STAGES]


def test_the_words_of_the_glossary_are_in_order() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rows = text[text.index("| word | meaning |") :].splitlines()[2:]
    words = [row.split("|")[1].strip() for row in rows if row.startswith("|")]
    assert words == sorted(words) and len(words) == len(set(words)) > 20
