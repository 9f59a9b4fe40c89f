"""Takes the picture of the page that the README shows, docs/page.png.

python docs/picture.py [--check]

The page of `pullquote serve` answers a question about its example. The picture holds a fingerprint
of all that it shows; with --check, says whether the page or the model has changed since. Needs
playwright, Pillow and a Chromium to take it.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from pullquote.checkpoints.directory import open_model
from pullquote.serving import page

FILE = Path(__file__).parent / "page.png"
MODEL = "small"
QUESTION = "Who built the first lighthouse?"
SIZE = {"width": 1280, "height": 732}
COLOURS = 80
LONGEST = 120_000  # bytes
KEY = "page"


def fingerprint() -> str:
    """Of the files of the page, the example among them, and of the model."""
    digest = hashlib.sha256()
    for path, file in sorted(page.load().items()):
        digest.update(path.encode() + file.content)
    directory = open_model(MODEL).path
    for name in ("packed.safetensors", "reader.json"):
        digest.update((directory / name).read_bytes())
    return digest.hexdigest()


def screenshot() -> bytes:
    """The page with a marked answer, as PNG."""
    from playwright.sync_api import expect, sync_playwright

    server = subprocess.Popen(
        [sys.executable, "-m", "pullquote", "serve", MODEL, "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    try:
        assert server.stdout
        found = re.search(r"http://\S+", server.stdout.readline())
        if not found:
            sys.exit("the server did not start")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
            tab = browser.new_page(viewport=SIZE, device_scale_factor=1.5, reduced_motion="reduce")
            tab.goto(found[0])
            tab.get_by_role("button", name="Example", exact=True).click()
            expect(tab.get_by_label("Question", exact=True)).to_have_value(QUESTION)
            tab.get_by_role("button", name="Ask").click()
            expect(tab.locator("mark.chosen")).to_have_text("Henry Winstanley", timeout=60_000)
            tab.mouse.move(0, 0)
            tab.wait_for_timeout(500)  # until colours have faded
            return tab.screenshot()
    finally:
        server.terminate()
        server.wait()


def write(png: bytes) -> None:
    """Write the picture with few colours and the fingerprint."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    notes = PngInfo()
    notes.add_text(KEY, fingerprint())
    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, kmeans=4, dither=0)
    content = io.BytesIO()
    picture.save(content, "PNG", optimize=True, pnginfo=notes)
    if len(content.getvalue()) > LONGEST:
        sys.exit(f"the picture has {len(content.getvalue()):,} bytes, expected at most {LONGEST:,}")
    FILE.write_bytes(content.getvalue())


def main() -> None:
    if sys.argv[1:] == ["--check"]:
        # PNG holds "tEXt", the key, a zero byte and the text, as they are
        if f"tEXt{KEY}\0{fingerprint()}".encode() not in FILE.read_bytes():
            sys.exit(f"{FILE.name} shows an older page or model; make picture takes it again")
    else:
        write(screenshot())
        print(f"{FILE}: {FILE.stat().st_size:,} bytes")


main()
