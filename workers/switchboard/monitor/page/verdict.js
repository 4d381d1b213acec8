// The headline: are chats routed, does a chat wait too long, and can agents take it?
import { clock, count, span, spanWords } from "./format.js";
import { setAttribute, setSentence } from "./keyed.js";
import { state, waited } from "./queues.js";

const SEVERITY = { calm: 0, late: 1, stuck: 2 };
const NAMED = 3; // partitions with a sentence each; more would push the queues off the screen

export class Verdict {
  constructor(section, words, more, announced) {
    Object.assign(this, { section, words, more, announced });
    this.last = "";
  }

  /** @param routing the field of the heartbeat */
  show(queues, now, inTime, agents, routing) {
    const usual = queueWords(queues, now, inTime, agents);
    if (unrouted(routing)) this.#present(routingWords(routing, usual));
    else if (heldUp(routing)) this.#present(heldUpWords(routing.held_up, usual));
    else if (usual.standing === "calm" && routing?.not_known_yet) this.#present(notKnownYet(usual));
    else this.#present(usual);
  }

  #present({ standing, words, more, announced, wait = "", names = [] }) {
    setAttribute(this.section, "data-state", standing);
    setSentence(this.words, words, names);
    setSentence(this.more, more, names);
    // Announced when the matter changes, not each second.
    const matter = `${standing} ${announced.split(".")[0]}`;
    if (matter !== this.last) setSentence(this.announced, wait ? `${announced} Longest wait ${wait}.` : announced, names);
    this.last = matter;
  }
}

function queueWords(queues, now, inTime, agents) {
  const several = new Set(queues.map((row) => row.pool)).size > 1;
  const name = (row) => (several ? `${row.queue} (${row.pool})` : row.queue);
  const waiting = queues
    .filter((row) => row.waiting)
    .map((row) => ({ row, wait: waited(row, now), standing: state(row, now, inTime) }))
    .sort((one, other) => SEVERITY[other.standing] - SEVERITY[one.standing] || other.wait - one.wait);
  if (!waiting.length) {
    return { standing: "calm", words: "Nobody is waiting", more: agents && `${agents}.`, announced: "Nobody is waiting" };
  }
  const [{ row, wait, standing }] = waiting;
  const names = waiting.map((each) => each.row.queue);
  if (standing === "calm") {
    const all = waiting.reduce((sum, each) => sum + each.row.waiting, 0);
    return {
      standing,
      words: `${all} waiting, none too long`,
      more: `Longest ${span(wait)}, in ${name(row)}. ${whoCan(row)}`,
      announced: "Nobody waits too long",
      names,
    };
  }
  const others = waiting.slice(1).filter((each) => each.standing !== "calm");
  const also = others.length ? ` Too long also: ${others.map((each) => `${name(each.row)} ${span(each.wait)}`).join(", ")}.` : "";
  return {
    standing,
    words: `${name(row)}: ${row.waiting} waiting, longest ${span(wait)}`,
    more: `${whoCan(row)}${also}`,
    announced: `Waiting too long in ${name(row)}. ${whoCan(row)}`,
    wait: spanWords(wait),
    names,
  };
}

/** Some shards are not routed: their rows do not change, and may look calm. */
function routingWords(routing, usual) {
  const { shards, since, arrivals, without_router: without, standing_still: standing } = routing;
  const out = unrouted(routing);
  const some = ` ${out} of ${shards} shards`;
  const what = without.length === shards ? "No router is at work"
    : out === shards ? "Routing stands still"
      : !standing.length ? `No router for${some}`
        : `Routing stands still for${some}`;
  const words = `${what}: ${out === shards ? "no chat is" : "some chats are not"} assigned`;
  const unread = arrivals ? ` Up to ${count(arrivals, "chat")} arrived that no router has read.` : "";
  const below = usual.standing === "calm" ? "Below is how it stood." : `Below is how it stood; ${usual.words}. ${usual.more}`;
  const held = heldUp(routing) ? ` ${heldUpSentences(routing.held_up)}` : "";
  return { standing: "stuck", words, names: usual.names, more: `Since ${routing.since_before ? "before " : ""}${clock(since)}.${unread}${held} ${below}`, announced: words };
}

/** Routers have no lag, but can't read records behind an open transaction, so the tables lack these records. */
function heldUpWords(partitions, usual) {
  const [{ topic, partition }] = partitions;
  const others = partitions.length - 1;
  const also = others ? ` and ${count(others, "other partition")}` : "";
  const words = `${topic}/${partition}${also} ${others ? "are" : "is"} held up by an open transaction`;
  const below = usual.standing === "calm" ? "Below is what could be read." : `Below is what could be read; ${usual.words}. ${usual.more}`;
  return { standing: "stuck", words, names: usual.names, more: `${heldUpSentences(partitions)} ${below}`, announced: words };
}

function heldUpSentences(partitions) {
  const sentences = partitions.slice(0, NAMED).map(({ topic, partition, since, since_before: before, records }) =>
    `${topic}/${partition} is held up by an open transaction since ${before ? "before " : ""}${clock(since)}; ${count(records, "record")}, its own included, can't be read.`);
  if (partitions.length > NAMED) sentences.push(`${count(partitions.length - NAMED, "more partition")} likewise.`);
  return sentences.join(" ");
}

/** The monitor has just started and has not seen a router: that no chat waits may mean that none is routed. */
function notKnownYet(usual) {
  return { ...usual, standing: "starting", more: `${usual.more} Whether chats are routed is not known yet.` };
}

/** The number of shards that are not routed. @param routing the field of the heartbeat */
export function unrouted(routing) {
  return routing ? routing.without_router.length + routing.standing_still.length : 0;
}

/** The number of source partitions held up by an open transaction. @param routing the field of the heartbeat */
export function heldUp(routing) {
  return routing ? routing.held_up.length : 0;
}

function whoCan(row) {
  if (!row.agents_available) return "No agent is available for it.";
  if (!row.sessions_free) return `${row.agents_available === 1 ? "The one available agent is" : `All ${row.agents_available} available agents are`} full.`;
  const free = `${count(row.sessions_free, "session")} free`;
  if (!row.agents_requesting) return `${free}, but no agent is asking.`;
  return `${count(row.agents_requesting, "agent")} asking, ${free}.`;
}
