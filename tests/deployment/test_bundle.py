"""The page's modules as one file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapters.http.bundle import BundleError, bundle
from adapters.http.static_files import BUNDLES, StaticFiles

WEB = Path(__file__).resolve().parents[2] / "web"

MODULES = {
    "main": """import { twice as double, Box } from "./a.js";
import {
  half,
} from "./b-c.js";
await double(half);
new Box();
""",
    "a": """import { half } from "./b-c.js";
export async function twice(x) {
  return 2 * half;
}
export class Box {}
const own = 1;
""",
    "b-c": """export const half = 0.5;
const own = 2;
""",
}


def test_each_module_is_there_once_and_before_those_that_need_it() -> None:
    text = bundle("main", MODULES.__getitem__)
    assert re.findall(r"^// (.+)$", text, re.MULTILINE) == ["b-c.js", "a.js", "main.js"]
    assert "const { half } = module_b_c;" in text
    assert "const { twice: double, Box } = module_a;" in text
    assert "return { twice, Box };" in text
    assert not re.search(r"^(import|export)\b", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('import all from "./a.js";\n', "import all"),
        ('import * as all from "./a.js";\n', "import \\*"),
        ("export let changing = 1;\n", "export let"),
        ("export { a };\n", "export {"),
        ("export default 1;\n", "export default"),
        ('import { main } from "./main.js";\n', "circular imports: main -> main"),
    ],
)
def test_what_is_not_understood_is_an_error(text: str, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        bundle("main", {"main": text}.__getitem__)


def test_every_module_is_in_the_bundle_of_a_page() -> None:
    held = set()
    for name in BUNDLES:
        page = StaticFiles().read(name)
        assert page.content_type.startswith("text/javascript") and page.compressible
        held |= set(re.findall(r"^// ([\w-]+)\.js$", page.content.decode(), re.MULTILINE))
    apart = {"boot", "sw"}  # a script before all else, and the service worker
    assert held == {path.stem for path in WEB.glob("*.js")} - apart


def test_the_first_page_loads_nothing_of_the_page_of_drawings() -> None:
    text = StaticFiles().read("bundle.js").content.decode()
    assert not re.search(r"^// colour", text, re.MULTILINE)
