"""The page's modules as one file: a first visit requests a few files and not forty at once.

In the cloud, each file of the page is a run of the function. A new account may have ten concurrent
runs, so that forty requests of one visitor would throttle each other. The modules in web/ need no
build step. They may use only the forms of import and export that are known here:

    import { a, b as c } from "./other.js";
    export const a = ...; export function b() ...; export async function c() ...; export class D ...

Modules must not import each other in a circle, and ``export let`` is not possible.
"""

from __future__ import annotations

import re
from collections.abc import Callable

IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([\w-]+)\.js";\n', re.MULTILINE)
EXPORT = re.compile(r"^export ((?:const|class|function|async function) (\w+))", re.MULTILINE)
OTHER = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


class BundleError(Exception):
    """A module uses a form of import or export that is not known here."""


def bundle(entry: str, read: Callable[[str], str]) -> str:
    """Joins all modules that the entry needs, each once and before those that need it.

    Args:
        entry: The first module's name without its suffix, such as ``main``.
        read: Returns the text of a module by its name.

    Returns:
        JavaScript. Every module except the entry is a function, so that names do not clash.

    Raises:
        BundleError: A module has an unknown import or export, or imports form a circle.
    """
    parts: list[str] = []
    done: set[str] = set()

    def add(name: str, importers: tuple[str, ...]) -> None:
        if name in importers:
            raise BundleError(f"circular imports: {' -> '.join((*importers, name))}")
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
        raise BundleError(f"{name}.js: unknown import or export: {unknown[0]}")
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
