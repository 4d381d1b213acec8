"""The wallboard as a supervisor has it: in a browser, served by a monitor on a real broker."""

import re
import signal
import time
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from playwright.async_api import Browser, Page, expect

from switchboard.dev.local_broker import LocalBroker
from switchboard.kafka.admin import create_topics
from switchboard.kafka.clients import Connection, producer, source_reader, transactional_producer
from switchboard.kafka.topics import Topic, TopicNames, TopicPlan, shard_id
from tests.floors import Floor, rfc3339
from tests.monitors import Rows, Start, a_member, agent, chat, decision, gone, installation, starting

HOSTILE = "<img src=x onerror=\"document.title='owned'\">\u202e'\"&amp;</script>"
"""An id that would be markup, were it ever taken for markup."""


def waiting(chat_id: str, seconds: float, queue: str = "sales") -> Any:
    """The row of a chat that has waited for so long."""
    topic, key, row = chat(chat_id, "waiting")
    return topic, key, row | {"queue": queue, "arrived_at": rfc3339(-seconds, time.time())}


def an_agent(agent_id: str, **fields: Any) -> Any:
    """The row of an agent who is free and does not ask."""
    topic, key, row = agent(agent_id)
    return topic, key, row | {"sessions": [], "free": 2, "request": None} | fields


async def say(conn: Connection, names: TopicNames, *chats: str) -> None:
    """Chats arrive on the bus."""
    async with producer(conn) as writer:
        for chat_id in chats:
            await writer.send_and_wait(names.of(Topic.CHAT_ARRIVAL), b'{"chat_id":"%s"}' % chat_id.encode())


async def tell_read(conn: Connection, names: TopicNames, offset: int) -> None:
    """The shard has read the arrivals up to there, as its router tells its group."""
    consumer = source_reader(conn, shard_id(installation(names), 0))
    await consumer.start()
    try:
        place = TopicPartition(names.of(Topic.CHAT_ARRIVAL), 0)
        consumer.assign([place])
        consumer.seek(place, offset)
        await consumer.commit({place: offset})
    finally:
        await consumer.stop()


async def live(page: Page, address: str) -> None:
    """Open the wallboard and wait until it is live."""
    await page.goto(address)
    await expect(page.locator("#live")).to_have_attribute("data-state", "live", timeout=20_000)


async def test_a_chat_is_seen_to_arrive_to_be_assigned_and_to_be_accepted(
    page: Page, rows: Rows, start: Start, floor: Floor, address: str
) -> None:
    """Each within a moment, without a reload; its figures count, and its story tells it all."""
    await rows.commit(0, an_agent("ann"))
    await (await start()).first("/healthz")
    await live(page, address)
    verdict, assignments = page.locator("#verdict-words"), page.locator("#assignments li")
    await expect(verdict).to_have_text("Nobody is waiting")

    await rows.commit(0, waiting("c1", 0), decision(floor.queued(0)))
    await expect(verdict).to_have_text("1 waiting, none too long")
    await expect(page.locator("#queues .waiting")).to_have_text("1")

    offered = {"sessions": [{"chat_id": "c1", "stage": "offered", "offer_id": "offer-c1"}], "free": 1}
    await rows.commit(0, chat("c1", "offered"), an_agent("ann", **offered), decision(floor.assigned(1)))
    await expect(assignments).to_have_count(1)
    await expect(assignments).to_contain_text("c1 to ann, offered")
    await expect(assignments).to_contain_text("Why: ann was the only agent asking; of 3 chats waiting")
    await expect(page.locator("#agents .slot.offered")).to_have_count(1)
    await expect(verdict).to_have_text("Nobody is waiting")

    active = {"sessions": [{"chat_id": "c1", "stage": "active", "offer_id": "offer-c1"}], "free": 1}
    await rows.commit(0, chat("c1", "active"), an_agent("ann", **active), decision(floor.confirmed(3)))
    await expect(assignments.locator(".outcome")).to_have_text("accepted")
    await expect(page.locator("#queues .level-now")).to_have_text("100 %")
    await expect(page.locator("#queues .answered")).to_have_text("1")

    await page.locator("#agents .slot.active").click()
    story = page.locator("#story-list li")
    await expect(story).to_have_count(3)
    await expect(story.nth(2)).to_contain_text("ann accepted 2.0 s after the offer.")
    await rows.commit(0, gone(chat("c1", "active")), an_agent("ann"), decision(floor.closed(9, "concluded")))
    await expect(story.nth(3)).to_contain_text("Closed as concluded.")
    await expect(page.locator("#story-state")).to_contain_text("Over.")


async def test_who_waits_too_long_and_who_could_take_them_is_what_is_seen_first(
    page: Page, rows: Rows, start: Start, address: str
) -> None:
    """In the largest letters, in words and not by colour alone; the worst queue first, the others named."""
    await rows.commit(0, waiting("c1", 100), waiting("c2", 30), waiting("c3", 200, "help"), an_agent("ann"))
    await (await start()).first("/healthz")
    await live(page, address)
    verdict = page.locator("#verdict")
    await expect(verdict).to_have_attribute("data-state", "late")
    await expect(verdict).to_contain_text("help: 1 waiting, longest 3:2")
    await expect(verdict).to_contain_text("2 sessions free, but no agent is asking. Too long also: sales 1:4")
    await expect(page.locator("#queues tr[data-state=late] .flag").first).to_have_text("too long")

    await rows.commit(0, an_agent("ann", free=0, max_sessions=0))
    await expect(verdict).to_have_attribute("data-state", "stuck")
    await expect(verdict).to_contain_text("The one available agent is full.")
    await rows.commit(0, gone(agent("ann")))
    await expect(verdict).to_contain_text("No agent is available for it.")
    await expect(page.locator("#announce")).to_contain_text("Waiting too long in help")

    sizes = "all => all.map(each => [parseFloat(getComputedStyle(each).fontSize), each.id]).sort((a, b) => b[0] - a[0])"
    assert (await page.locator("main *").evaluate_all(sizes))[0][1] == "verdict-words"
    box = await page.locator("#verdict-words").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 300


async def test_a_monitor_that_ends_is_told_of_and_its_successor_is_found(
    page: Page, rows: Rows, start: Start, floor: Floor, address: str
) -> None:
    """Big and clear, with since when; then the same figures again, and what happened since, without a reload."""
    await rows.commit(0, an_agent("ann"), decision(floor.queued(0)), decision(floor.assigned(1)))
    await rows.commit(0, decision(floor.confirmed(2)))
    monitor = await start()
    await monitor.first("/healthz")
    await live(page, address)
    figures = page.locator("#queues .level-now, #queues td:nth-child(n+8)")
    await expect(figures).to_have_text(["100 %", "100 %", "1", "0", "2 s", "2 s"])

    monitor.send(signal.SIGKILL)
    await monitor.ends(5)
    stale = page.locator("#stale")
    await expect(stale).to_be_visible(timeout=10_000)
    await expect(stale).to_contain_text("NOT LIVE since")
    await expect(stale).to_contain_text("s old")
    await expect(page.locator("#live")).to_have_attribute("data-state", "stale")

    await rows.commit(0, an_agent("bob"))
    await start()
    await expect(stale).to_be_hidden(timeout=30_000)
    await expect(page.locator("#agents .name")).to_have_text(["ann", "bob"])
    await expect(figures).to_have_text(["100 %", "100 %", "1", "0", "2 s", "2 s"])


async def test_a_monitor_that_hangs_is_told_of(page: Page, rows: Rows, start: Start, address: str) -> None:
    """Its connection stands, and nothing comes over it."""
    await rows.commit(0, an_agent("ann"))
    monitor = await start()
    await monitor.first("/healthz")
    await live(page, address)
    monitor.send(signal.SIGSTOP)
    await expect(page.locator("#stale")).to_contain_text("NOT LIVE since", timeout=15_000)
    monitor.send(signal.SIGCONT)
    await expect(page.locator("#stale")).to_be_hidden(timeout=30_000)


async def test_a_bus_that_is_away_is_told_of(
    page: Page, private_broker: LocalBroker, bus_prefix: str, port: int, address: str
) -> None:
    """The monitor is well and shows what it has: that is not what is so any more."""
    conn, names = Connection(private_broker.bootstrap), TopicNames(bus_prefix, bus_prefix)
    await create_topics(conn, TopicPlan(names, shards=1, replication=1, min_insync=1), bus_partitions=1)
    async with a_member(conn, names), starting(conn, names, port) as start:
        await (await start()).first("/healthz")
        await live(page, address)
        private_broker.kill()
        stale = page.locator("#stale")
        await expect(stale).to_contain_text("The monitor gets nothing from the bus", timeout=30_000)
        private_broker.restart()
        await expect(stale).to_be_hidden(timeout=30_000)


async def test_a_floor_that_nobody_routes_is_told_of(
    page: Page, rows: Rows, start: Start, member: AIOKafkaConsumer, conn: Connection, names: TopicNames, address: str
) -> None:
    """Its tables stand still, and would look like a quiet day; how many chats came since is told."""
    await rows.commit(0, waiting("c1", 0))
    await (await start()).first("/healthz")
    await live(page, address)
    verdict, more, pill = page.locator("#verdict-words"), page.locator("#verdict-more"), page.locator("#live")
    await expect(verdict).to_have_text("1 waiting, none too long")
    await expect(more).to_contain_text("No agent is available for it.")

    await tell_read(conn, names, 0)
    await say(conn, names, "c2", "c3")
    await expect(verdict).to_have_text("Routing stands still: no chat is assigned", timeout=30_000)
    await expect(more).to_contain_text("Up to 2 chats arrived that no router has read.")
    await expect(pill).to_contain_text("Not routing")
    await expect(page.locator("#verdict")).to_have_attribute("data-state", "stuck")
    await tell_read(conn, names, 2)
    await expect(pill).to_contain_text("Live", timeout=10_000)
    await expect(verdict).to_contain_text("1 waiting")

    await member.stop()
    await expect(verdict).to_have_text("No router is at work: no chat is assigned", timeout=30_000)
    await expect(page.locator("#announce")).to_have_text("No router is at work: no chat is assigned")
    async with a_member(conn, names):
        await expect(pill).to_contain_text("Live", timeout=20_000)


async def test_a_partition_that_an_open_transaction_holds_up_is_told_of(
    page: Page, rows: Rows, start: Start, conn: Connection, names: TopicNames, address: str
) -> None:
    """Its name, since when, and how many records wait, in the largest letters and the line below; until it ends."""
    await rows.commit(0, an_agent("ann"))
    await tell_read(conn, names, 0)
    await (await start()).first("/healthz")
    await live(page, address)
    section, verdict, more = page.locator("#verdict"), page.locator("#verdict-words"), page.locator("#verdict-more")
    await expect(verdict).to_have_text("Nobody is waiting")
    topic = names.of(Topic.CHAT_ARRIVAL)
    async with transactional_producer(conn, f"{names.prefix}stranger", timeout_ms=120_000) as stranger:
        await stranger.begin_transaction()
        for _ in range(2):
            await stranger.send_and_wait(topic, b"{}", partition=0)
        words = f"{topic}/0 is held up by an open transaction"
        await expect(verdict).to_have_text(words, timeout=60_000)
        await expect(section).to_have_attribute("data-state", "stuck")
        await expect(more).to_have_text(
            re.compile(
                rf"^{re.escape(words)} since \d\d:\d\d:\d\d; 2 records, its own included, can't be read\. "
                r"Below is what could be read\.$"
            )
        )
        await expect(page.locator("#live")).to_contain_text("1 partition held up")
        await expect(page.locator("#announce")).to_have_text(words)
        await stranger.abort_transaction()
    await expect(page.locator("#live")).to_contain_text("Live", timeout=10_000)
    await expect(verdict).to_have_text("Nobody is waiting")


async def test_five_hundred_agents_stay_smooth(page: Page, rows: Rows, start: Start, address: str) -> None:
    """Every agent changing at once is shown in less than 100 ms; one that changes alone touches only its own row."""
    watch = """
        window.took = {};
        new PerformanceObserver((list) => {
            for (const each of list.getEntries()) (window.took[each.name] ??= []).push(each.duration);
        }).observe({entryTypes: ["measure"]});
    """
    await page.add_init_script(watch)
    everyone = [f"agent-{number:03}" for number in range(500)]
    await rows.commit(0, *(an_agent(name) for name in everyone))
    await (await start()).first("/healthz")
    await live(page, address)
    names = page.locator("#agents .name")
    await expect(names).to_have_text(everyone)
    await page.evaluate("window.first = document.querySelector('#agents li')")

    for turn in range(10):
        taken = {"sessions": [{"chat_id": f"c{turn}", "stage": "active", "offer_id": "o"}], "free": 1}
        await rows.commit(0, *(an_agent(name, **taken) for name in everyone))
        last = page.locator("#agents li").last.locator(".slot.active")
        await expect(last).to_have_attribute("title", f"active: c{turn}")
    took = (await page.evaluate("window.took"))["board:agents"]
    assert sorted(took)[len(took) // 2] < 100, took  # measured: 8 ms, on a machine with other work 25 ms
    assert await page.evaluate("window.first === document.querySelector('#agents li')")

    changed = """
        window.touched = new Set();
        new MutationObserver((all) => {
            for (const each of all) window.touched.add(each.target.closest?.("li")?.querySelector(".name").textContent);
        }).observe(document.querySelector("#agents"), {childList: true, subtree: true, attributes: true});
    """
    await page.evaluate(changed)
    await rows.commit(0, an_agent("agent-250", status="absent"))
    await expect(page.locator("#agents li[data-status=absent]")).to_have_count(1)
    assert await page.evaluate("[...window.touched]") == ["agent-250"]


async def test_a_hostile_id_is_shown_as_text_and_does_nothing(
    page: Page, rows: Rows, start: Start, floor: Floor, address: str
) -> None:
    """As chat, agent and queue, in every list, in links and in the story."""
    session = {"chat_id": HOSTILE, "stage": "active", "offer_id": "o"}
    made = [floor.queued(0, HOSTILE, HOSTILE), floor.assigned(1, HOSTILE, HOSTILE, agent_id=HOSTILE)]
    await rows.commit(0, an_agent(HOSTILE, sessions=[session]), waiting(HOSTILE, 60, HOSTILE))
    await rows.commit(0, *(decision(each) for each in made))
    await (await start()).first("/healthz")
    await live(page, address)
    await expect(page.locator("#assignments li a")).to_have_text(HOSTILE)
    await expect(page.locator("#agents .name")).to_have_text(HOSTILE)
    await expect(page.locator("#verdict-words")).to_contain_text(HOSTILE)
    await page.locator("#assignments li a").click()
    await expect(page.locator("#story-title")).to_have_text(f"Chat {HOSTILE}")
    await expect(page.locator("#story-list li")).to_have_count(2)
    assert await page.title() == "Switchboard"
    assert await page.locator("img").count() == 0
    assert await page.locator("script").count() == 1


TURNED = """root => {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT), range = document.createRange(), turned = [];
    while (walker.nextNode()) {
        const text = walker.currentNode;
        if (text.parentElement.closest("bdi")) continue;
        let before = null;
        for (let at = 0; at < text.length; at++) {
            range.setStart(text, at);
            range.setEnd(text, at + 1);
            const box = range.getBoundingClientRect();
            if (before && box.width && box.top === before.top && box.left < before.left) turned.push(text.data);
            if (box.width) before = box;
        }
    }
    return [...new Set(turned)];
}"""
"""The texts outside names whose letters do not stand from left to right."""


@pytest.mark.parametrize("name", ["\u202eevil", "\u2069\u202eevil", "\u2067\u200bevil", "שלום 12", "مرحبا (3)"])
async def test_a_name_does_not_turn_the_text_around_it(
    page: Page, rows: Rows, start: Start, floor: Floor, address: str, name: str
) -> None:
    """An override without an end, one that ends its own isolation first, and names of scripts from right to left."""
    session = {"chat_id": name, "stage": "active", "offer_id": "o"}
    made = [floor.queued(0, name, name), floor.assigned(1, name, name, agent_id=name)]
    await rows.commit(0, an_agent(name, sessions=[session]), waiting(name, 60, name), waiting("c2", 50, name + "2"))
    await rows.commit(0, *(decision(each) for each in made))
    await (await start()).first("/healthz")
    await live(page, address)
    await expect(page.locator("#assignments li .what")).to_have_text(f"{name} to {name}, offered")
    await expect(page.locator("#verdict-more")).to_contain_text(f"{name}2")
    assert await page.locator("body").evaluate(TURNED) == []
    for place, names in (("#queues th", 2), ("#agents .name", 1), ("#assignments li", 4), ("#verdict", 2)):
        assert await page.locator(f"{place} bdi").count() == names, place
    await page.locator("#assignments li a").click()
    await expect(page.locator("#story-list li")).to_have_count(2)
    await expect(page.locator("#story-title bdi")).to_have_text(name)
    assert await page.locator("#story").evaluate(TURNED) == []
    tooltip = await page.locator("#agents .slot.active").get_attribute("title")
    assert tooltip is not None
    assert (tooltip[8], tooltip[-1]) == ("\u2068", "\u2069")
    assert not set("\u202e\u2067\u2069") & set(tooltip[9:-1])


@pytest.mark.parametrize("chat_id", [".", ".."])
async def test_a_chat_whose_id_is_a_step_of_a_path_has_its_story(
    page: Page, rows: Rows, start: Start, floor: Floor, address: str, chat_id: str
) -> None:
    """A browser makes `/api/` of `/api/chats/..` before it asks."""
    await rows.commit(0, decision(floor.queued(0, chat_id)), decision(floor.assigned(1, chat_id)))
    await (await start()).first("/healthz")
    await live(page, address)
    await page.locator("#assignments a").click()
    await expect(page.locator("#story-title")).to_have_text(f"Chat {chat_id}")
    await expect(page.locator("#story-list li")).to_have_count(2)


async def test_the_keyboard_reaches_everything(
    page: Page, rows: Rows, start: Start, floor: Floor, address: str
) -> None:
    """In the order of the page; a story opens by Enter and closes by Escape, and the place is not lost."""
    session = {"chat_id": "c1", "stage": "active", "offer_id": "o"}
    await rows.commit(0, an_agent("ann", sessions=[session]), decision(floor.queued(0)), decision(floor.assigned(1)))
    await (await start()).first("/healthz")
    await live(page, address)
    focused = """
        (() => {
            const at = document.activeElement;
            return at.id || at.getAttribute("aria-label") || at.textContent;
        })()
    """
    reached = []
    for _ in range(7):
        await page.keyboard.press("Tab")
        reached.append(await page.evaluate(focused))
    assert reached == [
        "Skip to the queues", "agents", "chat c1, active", "find-id", "Show", "assignments", "c1",
    ]  # fmt: skip
    await page.locator("#assignments a").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#story")).to_be_visible()
    await expect(page.locator("#story-list li")).to_have_count(2)
    await page.keyboard.press("Escape")
    await expect(page.locator("#story")).to_be_hidden()
    assert await page.evaluate(focused) == "c1"

    await page.locator("#find-id").fill("c1")
    await page.keyboard.press("Enter")
    await expect(page.locator("#story-title")).to_have_text("Chat c1")


async def test_a_story_that_is_asked_for_while_the_monitor_fills_its_tables_is_not_told_as_over(
    page: Page, rows: Rows, start: Start, address: str
) -> None:
    """It answers 503 then: nothing is known of the chat yet."""
    await rows.commit(0, waiting("c1", 3))
    await (await start()).first("/healthz")
    await live(page, address)
    await page.route("**/api/chats?chat_id=c1", lambda route: route.fulfill(status=503, json={"status": "restoring"}))
    await page.locator("#find-id").fill("c1")
    await page.keyboard.press("Enter")
    await expect(page.locator("#story-state")).to_have_text("The monitor has just started and is still reading.")


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "UTC"])
async def test_clocks_are_the_monitors_wherever_the_page_is_looked_at(
    browser: Browser, rows: Rows, start: Start, floor: Floor, address: str, zone: str
) -> None:
    """The day begins at the monitor's midnight: beside the figures of today stands the time there."""
    page = await browser.new_page(timezone_id="America/New_York")
    await rows.commit(0, decision(floor.queued(0)), decision(floor.assigned(1)))
    await (await start(time_zone=zone)).first("/healthz")
    await live(page, f"{address}#chat=c1")
    there = datetime.fromisoformat(floor.rfc3339(1)).astimezone(ZoneInfo(zone)).strftime("%H:%M:%S")
    await expect(page.locator("#live-words")).to_contain_text(f"last decision {there}")
    await expect(page.locator("#assignments .when")).to_contain_text(there)
    await expect(page.locator("#story-list time").nth(1)).to_have_text(there)


async def test_what_a_slot_looks_like_is_explained(page: Page, rows: Rows, start: Start, address: str) -> None:
    """Beside the agents' heading, one of each kind, alike."""
    stages = ("active", "offered", "wrapping")
    sessions = [{"chat_id": stage, "stage": stage, "offer_id": "o"} for stage in stages]
    await rows.commit(0, an_agent("ann", sessions=sessions, max_sessions=4))
    await (await start()).first("/healthz")
    await live(page, address)
    await expect(page.locator("#agents .slot")).to_have_count(4)
    await expect(page.locator(".legend")).to_have_text("A session: in conversation offered wrap-up free")
    looks = "all => all.map((each) => [getComputedStyle(each).background, each.offsetWidth, each.offsetHeight])"
    shown = await page.locator("#agents .slot").evaluate_all(looks)
    assert await page.locator(".legend .slot").evaluate_all(looks) == shown
    assert len({background for background, *_ in shown}) == 4


async def test_a_card_on_a_phone_names_its_figures_as_the_table_does(
    page: Page, rows: Rows, start: Start, address: str
) -> None:
    """Of the same minutes."""
    await rows.commit(0, waiting("c1", 1))
    await (await start()).first("/healthz")
    await page.set_viewport_size({"width": 390, "height": 700})
    await live(page, address)
    await expect(page.locator("#now-title")).to_have_text("Last 15 min")
    named = "each => getComputedStyle(each, '::before').content"
    assert await page.locator("#queues .level-now").evaluate(named) == '"In time, last 15 min"'
    assert await page.locator("#queues .level-today").evaluate(named) == '"In time, today"'


@pytest.mark.parametrize("width", [320, 390, 768])
async def test_a_phone_scrolls_down_and_never_sideways(
    page: Page, rows: Rows, start: Start, floor: Floor, address: str, width: int
) -> None:
    """However long the ids are; who waits stands in the first screen."""
    name = "a-very-long-name-" * 7
    made = [floor.queued(0, name, name), floor.assigned(1, name, name, agent_id=name)]
    await rows.commit(0, an_agent(name, max_sessions=12, free=12), waiting(name, 60, name), waiting("c2", 9))
    await rows.commit(0, *(decision(each) for each in made))
    await (await start()).first("/healthz")
    await page.set_viewport_size({"width": width, "height": 700})
    await live(page, address)
    await expect(page.locator("#assignments li")).to_have_count(1)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await page.locator("#assignments a").click()
    await expect(page.locator("#story-list li")).to_have_count(2)
    assert await page.evaluate("document.querySelector('#story').scrollWidth") <= width


async def test_a_token_in_the_address_signs_in_and_is_forgotten(
    browser: Browser, rows: Rows, start: Start, address: str
) -> None:
    """The page is then live by its cookie; without the token there is a form for it."""
    token = "a-long-secret/of?readers"  # noqa: S105 - of this test
    await rows.commit(0, an_agent("ann"))
    await (await start(web_token=token)).first("/healthz")
    page = await browser.new_page()
    await page.goto(address)
    await page.get_by_label("Token").fill(token)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.locator("#agents .name")).to_have_text("ann")

    other = await (await browser.new_context()).new_page()
    await other.goto(f"{address}?token=a-long-secret%2Fof%3Freaders")
    await expect(other.locator("#agents .name")).to_have_text("ann")
    assert other.url == address
    assert await other.evaluate("document.cookie") == ""

    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("Token")).to_be_visible()
    await page.goto(address)
    await expect(page.get_by_label("Token")).to_be_visible()
    assert await other.evaluate("fetch('/api/agents').then((answer) => answer.status)") == 200


async def test_without_a_token_nobody_is_asked_to_sign_in_or_out(
    page: Page, rows: Rows, start: Start, address: str
) -> None:
    """There is nothing to sign out of."""
    await rows.commit(0, an_agent("ann"))
    await (await start()).first("/healthz")
    await live(page, address)
    await expect(page.get_by_role("button", name="Sign out")).to_be_hidden()


async def test_where_there_are_too_many_queues_the_page_says_which_it_shows(
    page: Page, rows: Rows, start: Start, address: str
) -> None:
    """Those of most use, and where the others are."""
    chats = []
    for number in range(1_005):
        topic, key, row = chat(f"c{number}", "waiting")
        chats.append((topic, key, row | {"queue": f"q{number}"}))
    await rows.commit(0, *chats)
    await (await start()).first("/healthz")
    await live(page, address)
    await expect(page.locator("#queues tbody tr")).to_have_count(1_000, timeout=20_000)
    await expect(page.locator("#queues-more")).to_contain_text("1000 of 1005 queues are shown")
