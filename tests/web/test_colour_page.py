"""The page of drawings, without a browser: its words, its markup, what it loads and keeps."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image
from test_page import ELEMENTS as FIRST_PAGE
from test_page import TEXTS, Elements, keys_of

from adapters.http.static_files import StaticFiles
from pipeline import Pipeline, Settings

WEB = Path(__file__).parents[2] / "web"
HTML = (WEB / "colour.html").read_text()
ELEMENTS = Elements(HTML).found
OWN = {name: json.loads((WEB / f"colour.{name}.json").read_text()) for name in ("en", "zh")}
SCRIPTS = {path.name: path.read_text() for path in WEB.glob("colour*.js")}
IDS = {attributes.get("id") for _, attributes, _ in ELEMENTS}


def used() -> tuple[set[str], set[str]]:
    """Keys that are written out, and the beginnings of those that are put together."""
    whole = {key for _, attributes, _ in ELEMENTS for key in keys_of(attributes)}
    begun: set[str] = set()
    for script in SCRIPTS.values():
        whole |= set(re.findall(r'"(colour\.[a-z_.]+)"', script))
        begun |= set(re.findall(r"`(colour\.[a-z_.]+\.)\$\{", script))
    return whole, begun


def test_both_languages_have_the_same_keys_and_gaps_and_none_of_the_other_pages() -> None:
    english, chinese = OWN["en"], OWN["zh"]
    assert english.keys() == chinese.keys()
    assert not english.keys() & TEXTS["en"].keys()
    for key, words in english.items():
        gaps = [set(re.findall(r"\{(\w+)\}", text)) for text in (words, chinese[key])]
        assert words.strip() and gaps[0] == gaps[1], key


def test_every_key_that_is_used_is_there_and_every_one_that_is_there_is_used() -> None:
    whole, begun = used()
    assert {key for key in whole if key.startswith("colour.")} <= OWN["en"].keys() | {
        f"colour.{name}" for name in ("css", "html")
    }
    assert whole <= OWN["en"].keys() | TEXTS["en"].keys()
    assert not {key for key in OWN["en"] if key not in whole and not key.startswith(tuple(begun))}


def test_the_markup_says_in_english_what_the_english_text_says() -> None:
    words = {**TEXTS["en"], **OWN["en"]}
    told = [
        (attributes["data-text"], text)
        for _, attributes, text in ELEMENTS
        if "data-text" in attributes
    ]
    assert len(told) > 15
    for key, text in told:
        assert key is not None
        assert "".join(text) == words[key]


def test_every_palette_swatch_and_kind_of_drawing_has_words() -> None:
    names = {f"colour.palette.{name}" for name in (*Pipeline(Settings()).palettes(), "none")}
    swatches = re.search(r"SWATCHES = \{(.*?)\}", SCRIPTS["colour-controls.js"], re.DOTALL)
    assert swatches
    names |= {f"colour.swatch.{name}" for name in re.findall(r"(\w+): \"#", swatches[1])}
    schema = json.loads((WEB.parent / "pipeline" / "colour.schema.json").read_text())
    kinds = schema["$defs"]["DrawingReport"]["properties"]["came_as"]["enum"]
    names |= {f"colour.came.{kind}" for kind in kinds}
    for text in OWN.values():
        assert names <= text.keys()


def test_it_has_no_inline_script_or_style_and_loads_one_bundle() -> None:
    loaded = set()
    for tag, attributes, words in ELEMENTS:
        assert tag != "style"
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
        if tag == "script":
            loaded.add(attributes.get("src"))
            assert not "".join(words).strip()
    assert loaded == {"app/boot.js", "app/colour.bundle.js"}


def test_what_it_keeps_for_offline_is_served() -> None:
    script = (WEB / "sw.js").read_text()
    later = re.search(r"LATER = \[(.*?)\]", script, re.DOTALL)
    assert later
    names = re.findall(r'"([^"]+)"', later[1])
    assert "colour" in names
    for name in names:
        assert StaticFiles().read("colour.html" if name == "colour" else name[4:]).content


def test_every_element_and_symbol_that_its_scripts_ask_for_is_there() -> None:
    wanted = set()
    for script in SCRIPTS.values():
        wanted |= set(re.findall(r'querySelector\("#(\w+)', script))
        wanted |= set(re.findall(r'"(i-\w+)"', script))
    assert wanted - {"reference"} <= IDS  # which the script makes itself
    used_symbols = {
        (attributes.get("href") or "")[1:] for tag, attributes, _ in ELEMENTS if tag == "use"
    }
    assert used_symbols <= IDS


def test_both_pages_have_the_same_head_and_what_both_draw_is_one_drawing() -> None:
    """Each is served as one file, so what they share stands in both."""
    first = (WEB / "index.html").read_text()
    heads = [html.partition("</head>")[0].splitlines() for html in (first, HTML)]
    own = ("<html", "<title>", '<meta name="description"', "app/colour.css", 'type="module"')
    shared = [[line for line in head if not any(mark in line for mark in own)] for head in heads]
    assert shared[0] == shared[1] and len(shared[0]) > 10
    drawn = [
        {
            re.findall(r'id="(\S+)"', line)[0]: line
            for line in html.splitlines()
            if "<symbol" in line
        }
        for html in (first, HTML)
    ]
    both = drawn[0].keys() & drawn[1].keys()
    assert len(both) > 8
    for name in both:
        assert drawn[0][name] == drawn[1][name], name


def test_the_pages_lead_to_each_other() -> None:
    here = {attributes.get("href") for tag, attributes, _ in ELEMENTS if tag == "a"}
    there = {attributes.get("href") for tag, attributes, _ in FIRST_PAGE if tag == "a"}
    assert "./" in here and "colour" in there


@pytest.mark.parametrize("name", re.findall(r'data-name="([^"]+)"', HTML))
def test_the_examples_are_drawings_that_weigh_little(name: str) -> None:
    path = WEB / "examples" / name
    assert path.stat().st_size < 120_000
    with Image.open(path) as drawing:
        assert max(drawing.size) >= 500
    small = path.with_name(f"{path.stem}.small.webp")
    assert small.stat().st_size < 6_000
