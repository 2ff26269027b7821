"""The page's modules as one file: a first visit asks for a few files and not for forty at once.

Each file of the page is a run of the function in the cloud. A new account may have ten runs at
once, so that forty requests of one visitor would fail among themselves. The modules stay as they
are in web/, without a build step; of the language's imports and exports they may use what is read
here, and anything else is an error:

    import { a, b as c } from "./other.js";
    export const a = ...; export function b() ...; export async function c() ...; export class D ...

No module may import one that imports it. What changes later (``export let``) cannot be exported.
"""

from __future__ import annotations

import re
from collections.abc import Callable

IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([\w-]+)\.js";\n', re.MULTILINE)
EXPORT = re.compile(r"^export ((?:const|class|function|async function) (\w+))", re.MULTILINE)
OTHER = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


class BundleError(Exception):
    """A module uses what the bundle does not know."""


def bundle(entry: str, read: Callable[[str], str]) -> str:
    """All modules that the entry needs, each once and before those that need it, as one module.

    Args:
        entry: the first module's name without its ending, such as ``main``.
        read: the text of a module by that name.

    Returns:
        JavaScript. Every module but the entry is a function of its own, so that names do not meet.

    Raises:
        BundleError: a module has another import or export than those above, or imports go round.
    """
    parts: list[str] = []
    done: set[str] = set()

    def add(name: str, importers: tuple[str, ...]) -> None:
        if name in importers:
            raise BundleError(f"imports go round: {' -> '.join((*importers, name))}")
        if name in done:
            return
        text = read(name)
        for needed in IMPORT.findall(text):
            add(needed[1], (*importers, name))
        done.add(name)
        parts.append(_as_part(name, text, is_entry=not importers))

    add(entry, ())
    return "".join(parts)


def _as_part(name: str, text: str, is_entry: bool) -> str:
    body = IMPORT.sub(lambda found: _destructured(found[1], found[2]), text)
    exported = [found[1] for found in EXPORT.findall(body)]
    body = EXPORT.sub(r"\1", body)
    unknown = OTHER.search(body)
    if unknown:
        raise BundleError(f"{name}.js: not understood: {unknown[0]}")
    if is_entry:  # it may wait, which a function that is not asynchronous cannot
        return f"// {name}.js\n{{\n{body}}}\n"
    returned = f"return {{ {', '.join(exported)} }};\n"
    return f"// {name}.js\nconst {_variable(name)} = (() => {{\n{body}{returned}}})();\n"


def _destructured(names: str, module: str) -> str:
    """The names as an assignment: ``a as b`` is ``a: b`` there."""
    assigned = re.sub(r"\s+as\s+", ": ", " ".join(names.split()).rstrip(","))
    return f"const {{ {assigned} }} = {_variable(module)};\n"


def _variable(module: str) -> str:
    return f"module_{module.replace('-', '_')}"
