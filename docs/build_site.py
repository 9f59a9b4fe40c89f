"""Builds the documentation site, offline and strictly: a broken link is an error.

python docs/build_site.py [OUT]     (OUT is build/site unless you say otherwise)

The pages are those of the repository. Here their links are turned into links of the site, and each
gets its place in the navigation, whose order the "next" links at the end of a page follow.
"""

from __future__ import annotations

import json
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
NAVIGATION: dict[str, dict[str, str]] = {
    "Start": {
        "Overview": "README.md",
        "Quickstart": "docs/quickstart.md",
        "Folders of documents": "docs/folders.md",
        "Checking quotes": "docs/check.md",
        "Tables from documents": "docs/fill.md",
        "Highlights": "docs/highlight.md",
        "Concepts": "docs/concepts.md",
    },
    "Guides": {
        "Models": "docs/models.md",
        "Data": "docs/data.md",
        "Many questions": "docs/scale.md",
        "Evaluation": "docs/evaluation.md",
        "Training": "docs/training.md",
        "Serving": "docs/serving.md",
        "Agents": "docs/agents.md",
        "Frameworks and frames": "docs/integrations.md",
        "Coming from transformers": "docs/from-transformers.md",
        "Coming from run_squad": "docs/from-run-squad.md",
    },
    "Reference": {
        "Command line": "docs/cli.md",
        "Python API": "docs/api.md",
        "HTTP": "docs/http.md",
        "Answers as JSON": "docs/json.md",
    },
    "Results": {
        "Results": "RESULTS.md",
        "Benchmarks": "benchmarks/README.md",
        "People benchmark": "benchmarks/people/README.md",
        "Highlight benchmark": "benchmarks/highlight/README.md",
        "Experiments": "EXPERIMENTS.md",
        "Model card of small": "src/pullquote/models/small/README.md",
        "Model card of tiny": "src/pullquote/models/tiny/README.md",
    },
    "Project": {
        "Changes": "CHANGELOG.md",
        "Contributing": "CONTRIBUTING.md",
        "Security": "SECURITY.md",
        "Notice": "NOTICE",
        "Licence": "LICENSE",
    },
}
"""Every page, in order: section, title and file. Files that are not there are left out."""

LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)")
"""A link to a file of the repository: "!" for a picture, its words, the file, a place in it."""


def page_names() -> dict[str, str]:
    """The name on the site of each file of the repository."""
    files = [file for section in NAVIGATION.values() for file in section.values()]
    names = {}
    for file in files:
        if file == "README.md":
            names[file] = "index.md"
        elif (ROOT / file).is_file():
            stem = file.removesuffix(".md").removesuffix("/README").rpartition("/")[2]
            names[file] = f"{stem.lower()}.md"
    return names


def site_page(file: str, names: dict[str, str]) -> str:
    """A page of the repository as the site needs it. Exits when a link leads to no file."""
    text = (ROOT / file).read_text(encoding="utf-8")
    if not file.endswith(".md"):
        return f"# {file.capitalize()}\n\n```text\n{text}```\n"
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.S)  # the hub's data in a model card

    def link(match: re.Match[str]) -> str:
        picture, words, path, anchor = match[1], match[2], match[3], match[4] or ""
        target = posixpath.normpath(posixpath.join(posixpath.dirname(file), path))
        if not (ROOT / target).exists():
            sys.exit(f"{file}: links to {path}, which does not exist")
        if picture:
            return f"![{words}]({posixpath.basename(target)})"
        # a file that is no page, such as a recipe, can be seen in the repository only
        return f"[{words}]({names[target]}{anchor})" if target in names else words

    parts = re.split(r"(^```.*?^```$)", text, flags=re.M | re.S)  # code stands at odd numbers
    for number, part in enumerate(parts):
        if number % 2:
            parts[number] = re.sub(r"\A```(\w+) .*", r"```\1", part)  # "python no-run"
        else:
            parts[number] = LINK.sub(link, part)
    return "".join(parts)


def configuration(names: dict[str, str]) -> str:
    """The generator's settings, as TOML, whose strings, lists and tables in lists are JSON's."""
    nav = ", ".join(
        f"{{ {json.dumps(section)} = ["
        + ", ".join(
            f"{{ {json.dumps(title)} = {json.dumps(names[file])} }}"
            for title, file in pages.items()
            if file in names
        )
        + "] }"
        for section, pages in NAVIGATION.items()
    )
    return f"""[project]
site_name = "pullquote"
site_description = "Extractive question answering: an exact quote from a text, or no answer."
docs_dir = "pages"
site_dir = "site"
use_directory_urls = false
nav = [{nav}]

[project.theme]
language = "en"
font = false
features = ["navigation.footer", "navigation.sections", "navigation.indexes", "content.code.copy"]

[project.plugins.search]
"""


def main() -> None:
    usual = ROOT / "build" / "site"
    out = Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else usual
    if out == usual:
        shutil.rmtree(out, ignore_errors=True)
    elif out.exists():
        sys.exit(f"{out}: is there already; expected a new folder")
    names = page_names()
    with tempfile.TemporaryDirectory() as work:
        (Path(work) / "pages").mkdir()
        for file, name in names.items():
            (Path(work) / "pages" / name).write_text(site_page(file, names), encoding="utf-8")
        for picture in [*(ROOT / "docs").glob("*.png"), *(ROOT / "docs").glob("*.svg")]:
            shutil.copy(picture, Path(work) / "pages")
        (Path(work) / "zensical.toml").write_text(configuration(names), "utf-8")
        command = [sys.executable, "-m", "zensical", "build", "--strict"]
        if subprocess.run(command, cwd=work, check=False).returncode:
            sys.exit("the site was not built")
        shutil.copytree(Path(work) / "site", out)
    print(f"{out / 'index.html'}: {len(names)} pages")


main()
