"""The wallboard's pictures in docs/images, taken of one that is running: `python -m docs.wallboard_pictures ADDRESS`.

ADDRESS is what `switchboard demo` prints. Chromium is needed (Debian's package; another by the variable CHROMIUM).
"""
# ruff: noqa: INP001 - run as `python -m docs.wallboard_pictures`, never installed

import io
import sys
from pathlib import Path
from typing import Final, Literal

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from docs.chromium import CHROMIUM

IMAGES: Final = Path(__file__).resolve().parent / "images"
SIZES: Final = {"wide": (1440, 900), "phone": (390, 844)}
COLOURS: Final = 128
"""Enough for a page of few colours; a picture is then some 100 KB."""


def take(browser: Browser, address: str, size: str, scheme: Literal["dark", "light"]) -> None:
    """Write one picture."""
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.goto(address)
    page.wait_for_selector("#live[data-state=live]")
    page.wait_for_selector("#assignments li:nth-child(3)")
    page.wait_for_timeout(1000)  # for the colours of what just came to fade
    _write(page.screenshot(), f"wallboard-{size}-{scheme}.png")
    page.close()


def take_story(browser: Browser, address: str) -> None:
    """Write the picture of a chat's story."""
    page = browser.new_page(viewport={"width": 1000, "height": 620}, color_scheme="light")
    page.goto(address)
    page.locator("#assignments li", has_text="accepted").first.locator("a").click()
    page.wait_for_selector("#story-list li:nth-child(3)")
    _write(page.screenshot(), "wallboard-story.png")
    page.close()


def _write(png: bytes, name: str) -> None:
    picture = Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(IMAGES / name, optimize=True)


def main() -> None:
    """Take them all."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with sync_playwright() as play:
        browser = play.chromium.launch(**CHROMIUM)
        for size in SIZES:
            take(browser, sys.argv[1], size, "light")
            take(browser, sys.argv[1], size, "dark")
        take_story(browser, sys.argv[1])
        browser.close()


if __name__ == "__main__":
    main()
