import { count, span } from "./format.js";
import { isolate, isolateText, Keyed, make, setAttribute, setSentence, setText } from "./keyed.js";
import { chatLink } from "./story.js";

const MOST_SLOTS = 12; // an agent with more has a number beside them

const byName = (row, other) =>
  row.pool < other.pool ? -1 : row.pool > other.pool ? 1
    : row.agent_id < other.agent_id ? -1 : Number(row.agent_id > other.agent_id);

export class Agents {
  #keyed;
  #counter;

  constructor(list, counter) {
    this.#keyed = new Keyed(list, build, show, byName);
    this.#counter = counter;
    this.summary = "";
    this.total = 0; // including rows that the monitor does not send, beyond its limit
  }

  get size() {
    return this.#keyed.rows.size;
  }

  take({ full, changed, gone, total }) {
    this.total = total;
    const key = (row) => JSON.stringify([row.pool, row.agent_id]);
    for (const row of changed) this.#keyed.put(key(row), row);
    for (const row of gone) this.#keyed.drop(key(row));
    if (full) this.#keyed.keep(new Set(changed.map(key)));
    let [available, free] = [0, 0];
    for (const { row } of this.#keyed.rows.values()) {
      if (row.status !== "available") continue;
      available += 1;
      free += row.free;
    }
    this.summary = `${available} of ${count(this.size, "agent")} available, ${count(free, "session")} free`;
    setText(this.#counter, this.summary);
  }

  /** Show the present age of the requests. */
  tick(now) {
    for (const { row, element } of this.#keyed.rows.values()) {
      if (row.request) setText(element.asking, `asking ${span((now - Date.parse(row.request.requested_at)) / 1000)}`);
    }
  }
}

function build(row) {
  const element = make("li");
  element.slots = make("span", "slots");
  element.state = make("span", "state");
  element.asking = make("span", "asking");
  element.append(make("span", "name", isolate(row.agent_id)), element.slots, make("span", "more", element.state, element.asking));
  return element;
}

function show(element, row) {
  setAttribute(element, "data-status", row.status);
  setSentence(element.state, `${row.status}, ${row.mode} · ${row.pool}`, [row.pool]);
  if (!row.request) setText(element.asking, "");
  const slots = JSON.stringify([row.sessions, row.max_sessions]);
  if (element.shownSlots === slots) return;
  element.shownSlots = slots;
  element.slots.replaceChildren(...sessions(row));
}

function sessions(row) {
  const taken = row.sessions.slice(0, MOST_SLOTS).map((session) => {
    const link = chatLink(row.pool, session.chat_id, `slot ${session.stage}`, "");
    link.title = `${session.stage}: ${isolateText(session.chat_id)}`;
    link.setAttribute("aria-label", `chat ${session.chat_id}, ${session.stage}`);
    return link;
  });
  const more = Math.max(row.sessions.length, row.max_sessions) - taken.length;
  const free = Array.from({ length: Math.min(more, MOST_SLOTS - taken.length) }, () => make("span", "slot"));
  const summary = make("span", "unseen", `${row.sessions.length} of ${row.max_sessions} sessions taken`);
  const rest = more > free.length ? [make("span", "state", `of ${row.max_sessions}`)] : [];
  return [summary, ...taken, ...free, ...rest];
}
