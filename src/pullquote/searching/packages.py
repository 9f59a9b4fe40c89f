"""Packages of Office Open XML: ZIP files of parts that relate to each other.

    with open_package(file, "DOCX", old="doc") as archive:
        name, root = main_part(archive, "document", "word/document.xml", "Word document")
        for relation in relations(archive, name).values(): ...      # its header, its pictures

Knows how parts are named and related, not what they hold.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import Any, BinaryIO

from pullquote.errors import DocumentError
from pullquote.searching.archives import Archive, local_name, open_archive
from pullquote.searching.signatures import OLD_OR_ENCRYPTED


@dataclass(frozen=True, slots=True)
class Relation:
    """What one part of a package refers to."""

    kind: str
    """The last word of its type: "header", "slide", "image"."""
    target: str
    """The path in the package, or the address of something outside."""
    outside: bool


def relations(archive: Archive, name: str) -> dict[str, Relation]:
    """What a part refers to, by the ids that it uses for them; "" stands for the package."""
    folder, base = posixpath.split(name)
    path = archive.find(posixpath.join(folder, "_rels", f"{base}.rels"))
    if path is None:
        return {}
    found = {}
    for entry in archive.tree(path):
        if isinstance(entry.tag, str) and entry.tag.endswith("}Relationship"):
            outside = entry.get("TargetMode") == "External"
            target = entry.get("Target", "")
            found[entry.get("Id", "")] = Relation(
                entry.get("Type", "").rpartition("/")[2],
                target if outside else posixpath.join("/", folder, target),
                outside,
            )
    return found


def main_part(archive: Archive, root: str, usual: str, what: str) -> tuple[str, Any]:
    """The name and the tree of the part that the package begins with.

    `root` is its root element, `usual` the name that it has where the package says none. Raises
    `DocumentError` if the package holds something else.
    """
    said = [one.target for one in relations(archive, "").values() if one.kind == "officeDocument"]
    found = ""
    for name in filter(None, map(archive.find, [*said, usual])):
        tree = archive.tree(name)
        if local_name(tree) == root:
            return name, tree
        found = f", but <{local_name(tree)}>"
    raise DocumentError(f"no {what} in it (no {usual}){found}; give it the right ending")


def open_package(file: BinaryIO, kind: str, old: str) -> Archive:
    """Open a package. Raises `DocumentError` for one with a password, or of an old format."""
    file.seek(0)
    if file.read(4) == OLD_OR_ENCRYPTED:
        raise DocumentError(
            f"encrypted, or an old .{old}; save it as .{kind.lower()} without a password"
        )
    return open_archive(file, kind)


def relation_id(element: Any, name: str = "id") -> str:
    """The relation that an attribute names."""
    return next(
        (said for key, said in element.items() if key.endswith(f"/relationships}}{name}")), ""
    )
