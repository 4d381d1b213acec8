// The one thing that matters: does somebody wait too long, and who can take them?
import { count, span, spanWords } from "./format.js";
import { mark, say } from "./keyed.js";
import { state, waited } from "./queues.js";

const SEVERITY = { calm: 0, late: 1, stuck: 2 };

export class Verdict {
  constructor(section, words, more, announced) {
    Object.assign(this, { section, words, more, announced });
    this.last = "";
  }

  show(queues, now, inTime, agents) {
    const waiting = queues
      .filter((row) => row.waiting)
      .map((row) => ({ row, wait: waited(row, now), standing: state(row, now, inTime) }))
      .sort((one, other) => SEVERITY[other.standing] - SEVERITY[one.standing] || other.wait - one.wait);
    if (!waiting.length) {
      this.#tell("calm", "Nobody is waiting", agents && `${agents}.`, "Nobody is waiting");
      return;
    }
    const [{ row, wait, standing }] = waiting;
    const all = waiting.reduce((sum, each) => sum + each.row.waiting, 0);
    if (standing === "calm") {
      this.#tell("calm", `${all} waiting, none too long`, `Longest ${span(wait)}, in ${row.queue}. ${count(row.agents_available, "agent")} available, ${count(row.sessions_free, "session")} free.`, "Nobody waits too long");
      return;
    }
    const others = waiting.slice(1).filter((each) => each.standing !== "calm");
    const also = others.length ? ` Too long also: ${others.map((each) => `${each.row.queue} ${span(each.wait)}`).join(", ")}.` : "";
    this.#tell(
      standing,
      `${row.queue}: ${row.waiting} waiting, longest ${span(wait)}`,
      `${whoCan(row)}${also}`,
      // Said anew where something else is the matter, not each second.
      `Waiting too long in ${row.queue}. ${whoCan(row)}`,
      spanWords(wait),
    );
  }

  #tell(standing, words, more, announced, wait = "") {
    mark(this.section, "data-state", standing);
    say(this.words, words);
    say(this.more, more);
    const matter = `${standing} ${announced.split(".")[0]}`;
    if (matter !== this.last) say(this.announced, wait ? `${announced} Longest wait ${wait}.` : announced);
    this.last = matter;
  }
}

function whoCan(row) {
  if (!row.agents_available) return "No agent is available for it.";
  if (!row.sessions_free) return `${row.agents_available === 1 ? "The one available agent is" : `All ${row.agents_available} available agents are`} full.`;
  const free = `${count(row.sessions_free, "session")} free`;
  if (!row.agents_requesting) return `${free}, but no agent is asking.`;
  return `${count(row.agents_requesting, "agent")} asking, ${free}.`;
}
