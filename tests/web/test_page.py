"""The page's files, without a browser: they weigh little, name nothing outside, lack no word."""

from __future__ import annotations

import gzip
import io
import json
import re
from dataclasses import fields
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from adapters.errors import STATUSES
from adapters.http.static_files import StaticFiles
from pipeline import Options, Pipeline, Settings

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
EXAMPLES = WEB / "examples"
TEXTS = {name: json.loads((WEB / f"{name}.json").read_text()) for name in ("en", "zh")}
OF_DRAWINGS = "colour"  # how the files of the page of drawings begin
MODULES = sorted(path for path in WEB.glob("*.js") if path.name not in ("boot.js", "sw.js"))
SCRIPTS = {path.name: path.read_text() for path in WEB.glob("*.js")}
HTML = (WEB / "index.html").read_text()
MANIFEST = json.loads((WEB / "manifest.webmanifest").read_text())
MOST_BYTES = 150_000
# of the browser, before there is an answer, and of the page's own
CODES_HERE = ("offline", "network", "timeout", "upload_refused", "unknown")


class Elements(HTMLParser):
    """The elements of a page: tag, attributes, and the text directly within."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._open: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        words: list[str] = []
        self.found.append((tag, dict(attributes), words))
        if tag not in ("meta", "link", "input", "img"):
            self._open.append(words)

    def handle_endtag(self, tag: str) -> None:
        if self._open:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open:
            self._open[-1].append(data)


ELEMENTS = Elements(HTML).found


def test_all_files_together_weigh_little() -> None:
    """As they travel: text compressed, the rest as it is; icons of the home screen left out, of
    which a browser takes one, when it installs, and the example photographs. What the page of
    drawings has for itself is loaded by itself alone.
    """
    weights = {}
    for path in WEB.rglob("*"):
        if path.is_file() and not path.match("icon-*.png") and path.parent != EXAMPLES:
            content = path.read_bytes()
            packed = path.suffix not in (".jpg", ".png")
            weights[path.name] = len(gzip.compress(content, 6) if packed else content)
    of_drawings = {name: size for name, size in weights.items() if name.startswith(OF_DRAWINGS)}
    assert sum(weights.values()) - sum(of_drawings.values()) < MOST_BYTES * 0.85, weights
    assert sum(of_drawings.values()) < MOST_BYTES * 0.2, of_drawings
    assert max(weights.values()) < 15_000


def test_the_example_photographs_are_the_samples_and_their_previews_weigh_little() -> None:
    shown = re.search(r"NAMES = \[(.*?)\]", SCRIPTS["examples.js"])
    assert shown
    names = re.findall(r'"(\w+)"', shown[1])
    assert len(names) >= 3
    for name in names:
        photo = (ROOT / "samples" / f"{name}.jpg").read_bytes()
        assert (EXAMPLES / f"{name}.jpg").read_bytes() == photo
        assert (EXAMPLES / f"{name}.small.webp").stat().st_size < 5_000
    hero = [EXAMPLES / f"{name}.webp" for name in ("before", "after")]
    assert sum(path.stat().st_size for path in hero) < 60_000
    with Image.open(hero[0]) as before, Image.open(hero[1]) as after:
        assert before.size == after.size


def test_files_are_short() -> None:
    for path in [*WEB.glob("*.js"), *WEB.glob("*.css"), *WEB.glob("*.html")]:
        assert len(path.read_text().splitlines()) < 400, path


def test_nothing_outside_is_named() -> None:
    namespace = "http://www.w3.org/2000/svg"
    for path in WEB.rglob("*"):
        if path.suffix in (".html", ".js", ".css", ".json", ".svg", ".webmanifest"):
            found = set(re.findall(r"(?:https?:)?//[\w-]+\.[\w./-]+", path.read_text()))
            assert found <= {namespace}, path


def test_the_page_has_no_inline_script_or_style_and_makes_no_markup_of_text() -> None:
    for tag, attributes, words in ELEMENTS:
        assert tag != "style"
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
        if tag == "script":
            assert attributes.get("src") and not "".join(words).strip()
    for name, script in SCRIPTS.items():
        for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert way not in script, name


def test_the_modules_are_loaded_as_one_file_which_is_kept_for_offline() -> None:
    """Each file is a run of the function, of which a new account may have ten at once."""
    loaded = {attributes.get("src") for tag, attributes, _ in ELEMENTS if tag == "script"}
    assert loaded == {"app/boot.js", "app/bundle.js"}
    assert not [
        attributes for _, attributes, _ in ELEMENTS if "modulepreload" in attributes.values()
    ]
    first = SCRIPTS["sw.js"][: SCRIPTS["sw.js"].index("LATER")]
    kept = set(re.findall(r'^  "([^"]+)",$', first, re.MULTILINE))
    others = {"boot.js", "page.css", "work.css", "en.json", "zh.json", "icon.svg", "icon-192.png"}
    others |= {"bundle.js", "manifest.webmanifest"}
    assert kept == {"./"} | {f"app/{name}" for name in others}
    for name in others:
        assert StaticFiles().read(name).content


def test_the_manifest_is_whole() -> None:
    assert {"name", "short_name", "start_url", "scope", "display", "icons"} <= set(MANIFEST)
    assert MANIFEST["display"] == "standalone"
    purposes = set()
    for icon in MANIFEST["icons"]:
        path = WEB / icon["src"]
        purposes.add(icon["purpose"])
        if path.suffix == ".png":
            with Image.open(path) as picture:
                assert icon["sizes"] == f"{picture.width}x{picture.height}"
        else:
            assert path.is_file()
    assert purposes == {"any", "maskable"}
    target = MANIFEST["share_target"]
    assert (target["method"], target["enctype"]) == ("POST", "multipart/form-data")
    field = target["params"]["files"][0]["name"]
    assert f'getAll("{field}")' in SCRIPTS["sw.js"]
    assert "image/*" in target["params"]["files"][0]["accept"]


# --- words ------------------------------------------------------------------------------------


def used_keys() -> tuple[set[str], set[str]]:
    """Keys that are written out, and the beginnings of those that are put together."""
    whole = {value for _, attributes, _ in ELEMENTS for value in keys_of(attributes)}
    begun = set()
    for script in SCRIPTS.values():
        whole |= set(re.findall(r'"([a-z_]+(?:\.[a-z_]+)+)"', script))
        whole |= TEXTS["en"].keys() & set(re.findall(r'"(\w+)"', script))
        begun |= set(re.findall(r"`([a-z_]+(?:\.[a-z_]+)*\.)\$\{", script))
    return whole, begun


def keys_of(attributes: dict[str, str | None]) -> list[str]:
    return [attributes[name] or "" for name in ("data-text", "data-label") if name in attributes]


def test_both_languages_have_the_same_keys_and_the_same_gaps() -> None:
    english, chinese = TEXTS["en"], TEXTS["zh"]
    assert english.keys() == chinese.keys()
    for key, words in english.items():
        assert words.strip() and chinese[key].strip()
        gaps = (set(re.findall(r"\{(\w+)\}", text)) for text in (words, chinese[key]))
        assert next(gaps) == next(gaps), key


def test_every_key_that_is_used_is_there_and_every_one_that_is_there_is_used() -> None:
    whole, begun = used_keys()
    texts = TEXTS["en"]
    written = {key for key in whole if key.split(".")[0] in {name.split(".")[0] for name in texts}}
    assert not {key for key in written - texts.keys() if not (WEB / key).is_file()}
    assert begun
    assert not {key for key in texts if key not in whole and not key.startswith(tuple(begun))}


def test_the_markup_says_in_english_what_the_english_text_says() -> None:
    told = [
        (attributes["data-text"], words)
        for _, attributes, words in ELEMENTS
        if "data-text" in attributes
    ]
    assert len(told) > 10
    for key, words in told:
        assert key is not None
        assert "".join(words) == TEXTS["en"][key]


@pytest.mark.parametrize("code", [*STATUSES, *CODES_HERE])
def test_every_error_has_words(code: str) -> None:
    for text in TEXTS.values():
        assert f"error.{code}" in text


def test_every_option_and_value_has_words() -> None:
    for item in fields(Options):
        for text in TEXTS.values():
            assert item.name == "style" or f"option.{item.name}" in text, item.name
            for value in item.metadata.get("values", ()):
                keys = {f"value.{value}", f"value.{item.name}.{value}"}
                assert keys & text.keys(), (item.name, value)


@pytest.fixture(scope="module")
def sidecars(pipe: Pipeline) -> list[Any]:
    """Of a photo that is left alone and of one that is repaired in each way, all small."""
    found = []
    with Image.open(ROOT / "samples" / "astronaut.jpg") as sample:
        for side_px, mode in ((320, "off"), (96, "classic"), (96, "default")):
            photo = encoded_png(sample.resize((side_px, side_px)))
            found.append(pipe.run(photo, Options(enhance=mode, detail=0)).sidecar)
    return found


@pytest.fixture(scope="module")
def pipe() -> Pipeline:
    return Pipeline(Settings())


def encoded_png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def test_every_stage_and_decision_has_words(sidecars: list[Any]) -> None:
    listed = re.search(r"STAGES = \[(.*?)\]", SCRIPTS["progress.js"], re.DOTALL)
    assert listed
    stages = re.findall(r'"(\w+)"', listed[1])
    for sidecar in sidecars:
        timed = [name for name in sidecar.timings_ms if name != "total"]
        assert [name for name in stages if name in timed] == timed  # in the page's order
        for text in TEXTS.values():
            assert {f"stage.{name}" for name in (*stages, *timed)} <= text.keys()
            for decision in sidecar.decisions:
                assert f"step.{decision.step}" in text
                assert "why." + re.sub(r"\d+(\.\d+)?%?", "#", decision.why) in text, decision.why


def test_every_style_has_a_card(pipe: Pipeline) -> None:
    for style in pipe.styles():
        with Image.open(WEB / "thumbnails" / f"{style.name}.jpg") as picture:
            assert picture.size == (216, 270)
        for text in TEXTS.values():
            assert f"style.{style.name}" in text
