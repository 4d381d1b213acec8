"""axe-core's rules, on all that the wallboard can look like."""

from typing import Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, ViewportSize, expect

from tests.browser.test_wallboard import an_agent, live, waiting
from tests.floors import Floor
from tests.monitors import Rows, Start, decision

TOKEN = "a-long-secret-of-readers"  # noqa: S105 - of this test


async def faults(page: Page) -> list[str]:
    """What axe-core finds that is serious or critical: rule, and where."""
    found = await Axe().run(page)
    return [
        f"{each['id']}: {node['html']} {node['failureSummary']}"
        for each in found.response["violations"]
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_serious(
    browser: Browser,
    rows: Rows,
    start: Start,
    floor: Floor,
    address: str,
    scheme: Literal["light", "dark"],
    width: int,
) -> None:
    """Wide and on a phone, in both schemes: calm, late, stuck, with a story open, stale, and where one signs in."""
    screen = ViewportSize(width=width, height=900)
    page = await browser.new_page(viewport=screen, color_scheme=scheme, reduced_motion="reduce")
    stages = ("offered", "active", "wrapping")
    sessions = [{"chat_id": f"c{stage}", "stage": stage, "offer_id": "o"} for stage in stages]
    made = [floor.queued(0), floor.assigned(1), floor.confirmed(2), floor.queued(0, "c2"), floor.assigned(2, "c2")]
    made += [floor.ended(3, "missed", "c2"), floor.queued(0, "c3"), floor.assigned(3, "c3")]
    asking = {"origin": "push", "requested_at": floor.rfc3339(0)}
    await rows.commit(0, *(decision(each) for each in made))
    await rows.commit(
        0,
        an_agent("ann", sessions=sessions, max_sessions=4, request=asking),
        an_agent("bob", status="absent"),
        an_agent("cid", status="unavailable"),
    )
    await (await start(web_token=TOKEN)).first("/healthz")
    await live(page, f"{address}?token={TOKEN}")
    await expect(page.locator("#assignments li")).to_have_count(3)
    assert await faults(page) == []

    for state, row in (("late", an_agent("ann")), ("stuck", an_agent("ann", status="absent"))):
        await rows.commit(0, waiting("c4", 60), row)
        await expect(page.locator("#verdict")).to_have_attribute("data-state", state)
        assert await faults(page) == []

    await page.locator("#assignments a").first.click()
    await expect(page.locator("#story-list li").first).to_be_visible()
    assert await faults(page) == []
    await page.locator("#story-close").click()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("Token")).to_be_visible()
    assert await faults(page) == []
