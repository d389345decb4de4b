"""The page in a real Chromium: opening it, listening to its console, pressing its keys, asking axe."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
ARTIFACTS = ROOT / "test-artifacts"
EXECUTABLE = "/usr/bin/chromium"
expect.set_options(timeout=20_000)  # a machine that is busy with other tests draws late
# Without these Chromium calls on its maker's hosts at every start.
ARGUMENTS = [
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-gpu",
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run Debian's Chromium, without its sandbox where the tests are root."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=EXECUTABLE, args=ARGUMENTS, chromium_sandbox=False)
        try:
            yield browser
        finally:
            browser.close()


@cache
def _axe() -> str:
    return (ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


class Window:
    """One window on the page; remembers what went wrong in it.

    Args:
        browser: Where to open it.
        url: Of the suite.
        locale: What the person reads.
        scheme: ``light`` or ``dark``.
        motion: ``reduce`` for who wants nothing to fade or slide.
    """

    def __init__(
        self, browser: Browser, url: str, *, locale: str = "en-US", scheme: Any = "light", motion: Any = "no-preference"
    ) -> None:
        self.url = url
        self._context = browser.new_context(
            base_url=url,
            locale=locale,
            color_scheme=scheme,
            reduced_motion=motion,
            viewport={"width": 1360, "height": 900},
        )
        self._context.set_default_timeout(20_000)
        self.faults: list[str] = []
        self.foreign: list[str] = []
        self.page: Page = self.tab()

    def tab(self) -> Page:
        """Open one more tab, of the same browser for the page in it."""
        page = self._context.new_page()
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("console", self._console)
        page.on("request", self._request)
        return page

    def _console(self, message: ConsoleMessage) -> None:
        # A refusal of the server is an answer that the page shows; the browser's line about it is no fault of ours.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.faults.append(f"console {message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        if urlsplit(request.url).netloc != urlsplit(self.url).netloc and not request.url.startswith(("data:", "blob:")):
            self.foreign.append(request.url)

    def close(self) -> None:
        """Close the window; fail if anything was wrong in it, or it called on another host."""
        self._context.close()
        assert self.faults == []
        assert self.foreign == []

    def go(self, path: str) -> None:
        """Open an address and wait for its title."""
        self.page.goto(path)
        expect(self.page.get_by_role("heading", level=1)).to_be_visible()

    def shot(self, name: str, *, full: bool = False) -> None:
        """Leave a picture for people to look at."""
        ARTIFACTS.mkdir(exist_ok=True)
        self._still()
        self.page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=full)

    def _still(self) -> None:
        """Wait until nothing fades or moves: in between, a colour is none of the design's."""
        self.page.evaluate(
            """async () => {
              await document.fonts.ready;
              const all = document.getAnimations();
              const ending = all.filter(each => each.effect.getComputedTiming().endTime < Infinity);
              await Promise.allSettled(ending.map(each => each.finished));
            }"""
        )

    def tab_to(self, target: Locator, limit: int = 120) -> None:
        """Press Tab until ``target`` has the focus, which must then be seen."""
        for _ in range(limit):
            if target.evaluate("element => element === document.activeElement"):
                break
            self.page.keyboard.press("Tab")
        expect(target).to_be_focused()
        # A radio button or a chip is drawn by the label beside it.
        seen = target.evaluate(
            """element => [element, element.nextElementSibling].some(each => {
              if (!each) return false;
              const box = each.getBoundingClientRect();
              const style = getComputedStyle(each);
              return box.width > 1 && (style.outlineStyle !== 'none' || style.boxShadow !== 'none' ||
                each.matches('input, textarea'));
            })"""
        )
        assert seen, f"the focus is not seen on {target}"

    def accessibility_faults(self, within: str = "html") -> list[str]:
        """Return every fault that axe finds, contrast included."""
        self._still()
        self.page.evaluate(_axe())
        faults: list[str] = self.page.evaluate(
            """async root => {
              const { violations } = await axe.run(root, { resultTypes: ['violations'] });
              return violations.map(each => each.id + ': ' + each.nodes.map(node =>
                node.target.join(' ') + ' ' + node.failureSummary.replaceAll('\\n', ' ')).join(' | '));
            }""",
            within,
        )
        return faults

    def accessible(self, within: str = "html") -> None:
        """Fail with every fault that axe finds."""
        assert self.accessibility_faults(within) == [], self.page.url
