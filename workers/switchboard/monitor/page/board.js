// The wallboard: takes the events of the stream and updates the page. Read-only.
import { Agents } from "./agents.js";
import { Assignments } from "./assignments.js";
import { clock, count, setZone, spanWords } from "./format.js";
import { setAttribute, setText } from "./keyed.js";
import { Live } from "./live.js";
import { Queues } from "./queues.js";
import { Story } from "./story.js";
import { heldUp, unrouted, Verdict } from "./verdict.js";

const at = (id) => document.getElementById(id);

const queues = new Queues(at("queues").tBodies[0]);
const agents = new Agents(at("agents"), at("agents-count"));
const assignments = new Assignments(at("assignments"));
const verdict = new Verdict(at("verdict"), at("verdict-words"), at("verdict-more"), at("announce"));
const story = new Story(at("story"));

const live = new Live();
live.open({
  board(settings) {
    setZone(settings.time_zone);
    queues.inTime = settings.service_level_seconds;
    at("sign-out").hidden = !settings.asks_for_token;
    setText(at("now-title"), `Last ${settings.now_minutes} min`);
    setText(
      at("queues-note"),
      `In time: answered within ${spanWords(settings.service_level_seconds)}, of all that were answered or left; ` +
        `in brackets without those who left within 5 s. A chat counts in the queue where it arrived. Today begins at midnight, ${settings.time_zone}. ` +
        "Asking: agents with a request for a chat outstanding. Free: sessions free with available agents.",
    );
  },
  queues(change) {
    queues.take(change);
    showMore("queues-more", queues, "queues", "and of those, the ones where chats wait longest");
    tick();
  },
  agents(change) {
    agents.take(change);
    showMore("agents-more", agents, "agents", "by pool and id");
    tick();
  },
  assignments(change) {
    assignments.take(change);
    story.refresh();
  },
  heartbeat: () => story.refresh(),
  tick,
});

/** State that the monitor sends only some of the rows, and which. */
function showMore(id, { size, total }, noun, order) {
  const more = at(id);
  more.hidden = size >= total;
  setText(more, more.hidden ? "" : `${size} of ${total} ${noun} are shown: those of configured pools first, ${order}. All are at /api/${noun}.`);
}

function tick() {
  const now = live.now();
  queues.tick(now);
  agents.tick(now);
  verdict.show(queues.rows(), now, queues.inTime, agents.summary, live.beat?.routing);
  showLiveness(now);
}

const WHY = {
  unreachable: "The monitor can't be reached. Trying again",
  restoring: "The monitor is reading the bus. The figures come when it is done",
  bus: "The monitor gets nothing from the bus",
};

function showLiveness(now) {
  const fault = live.fault();
  const stale = at("stale");
  document.body.classList.toggle("stale", fault !== null && fault.since !== null);
  if (fault === null) {
    const decided = live.beat?.decided_at;
    const out = unrouted(live.beat?.routing);
    const held = heldUp(live.beat?.routing);
    setAttribute(at("live"), "data-state", out || held ? "stale" : "live");
    const routed = held ? `${count(held, "partition")} held up` : "Live";
    const words = !out ? routed : out === live.beat.routing.shards ? "Not routing" : `${out} of ${live.beat.routing.shards} shards not routed`;
    const unknown = live.routingIsUnknown() ? "; whether chats are routed can't be told" : "";
    setText(at("live-words"), `${words}, ${clock(now)}${decided ? `; last decision ${clock(decided)}` : ""}${unknown}`);
    stale.hidden = true;
    return;
  }
  setAttribute(at("live"), "data-state", "stale");
  setText(at("live-words"), "Not live");
  const since = fault.since === null ? "NOT LIVE" : `NOT LIVE since ${clock(fault.since)}`;
  setText(stale.firstElementChild, `${since}. ${WHY[fault.why]}.`);
  // A screen reader announces the first text once; this text changes each second.
  setText(stale.lastElementChild, fault.since === null ? "" : `What you see is ${spanWords((now - fault.since) / 1000)} old.`);
  // A page that has just been opened is not connected yet.
  stale.hidden = fault.since === null && performance.now() < 3000;
}

at("find").addEventListener("submit", (event) => {
  event.preventDefault();
  const id = new FormData(event.target).get("id").trim();
  if (id) location.hash = new URLSearchParams({ chat: id });
});
