// The wallboard: events in, rows of the page out. Read only.
import { Agents } from "./agents.js";
import { Assignments } from "./assignments.js";
import { clock, count, setZone, spanWords } from "./format.js";
import { mark, say } from "./keyed.js";
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
  board(told) {
    setZone(told.time_zone);
    queues.inTime = told.service_level_seconds;
    at("sign-out").hidden = !told.asks_for_token;
    say(at("now-title"), `Last ${told.now_minutes} min`);
    say(
      at("queues-note"),
      `In time: answered within ${spanWords(told.service_level_seconds)}, of all that were answered or left; ` +
        `in brackets without those who left within 5 s. A chat counts in the queue where it arrived. Today begins at midnight, ${told.time_zone}. ` +
        "Asking: agents with a request for a chat outstanding. Free: sessions free with available agents.",
    );
  },
  queues(told) {
    queues.take(told);
    showMore("queues-more", queues, "queues", "and of those, the ones where chats wait longest");
    tick();
  },
  agents(told) {
    agents.take(told);
    showMore("agents-more", agents, "agents", "by pool and id");
    tick();
  },
  assignments(told) {
    assignments.take(told);
    story.refresh();
  },
  heartbeat: () => story.refresh(),
  tick,
});

/** Say that there are more rows than the monitor sends, and which it sends. */
function showMore(id, { size, total }, noun, order) {
  const more = at(id);
  more.hidden = size >= total;
  say(more, more.hidden ? "" : `${size} of ${total} ${noun} are shown: those of configured pools first, ${order}. All are at /api/${noun}.`);
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
    mark(at("live"), "data-state", out || held ? "stale" : "live");
    const routed = held ? `${count(held, "partition")} held up` : "Live";
    const words = !out ? routed : out === live.beat.routing.shards ? "Not routing" : `${out} of ${live.beat.routing.shards} shards not routed`;
    const untold = live.routingIsUnknown() ? "; whether chats are routed can't be told" : "";
    say(at("live-words"), `${words}, ${clock(now)}${decided ? `; last decision ${clock(decided)}` : ""}${untold}`);
    stale.hidden = true;
    return;
  }
  mark(at("live"), "data-state", "stale");
  say(at("live-words"), "Not live");
  const since = fault.since === null ? "NOT LIVE" : `NOT LIVE since ${clock(fault.since)}`;
  say(stale.firstElementChild, `${since}. ${WHY[fault.why]}.`);
  // Heard once, when it begins; the seconds are for the eye.
  say(stale.lastElementChild, fault.since === null ? "" : `What you see is ${spanWords((now - fault.since) / 1000)} old.`);
  // The first second of a page is no fault.
  stale.hidden = fault.since === null && performance.now() < 3000;
}

at("find").addEventListener("submit", (event) => {
  event.preventDefault();
  const id = new FormData(event.target).get("id").trim();
  if (id) location.hash = new URLSearchParams({ chat: id });
});
