import { clock, spanWords } from "./format.js";
import { Keyed, make, mark, named, say, sentence } from "./keyed.js";
import { OUTCOMES } from "./outcomes.js";
import { chatLink } from "./story.js";

const MOST = 100;

const newestFirst = (row, other) => (row.at > other.at ? -1 : Number(row.at < other.at));

export class Assignments {
  #keyed;

  constructor(list) {
    this.#keyed = new Keyed(list, build, show, newestFirst);
  }

  take({ full, changed, gone }) {
    for (const row of changed) {
      const isNew = !full && !this.#keyed.rows.has(row.offer_id);
      this.#keyed.put(row.offer_id, row);
      if (isNew) this.#keyed.rows.get(row.offer_id).element.classList.add("new");
    }
    for (const row of gone) this.#keyed.drop(row.offer_id);
    if (full) this.#keyed.keep(new Set(changed.map((row) => row.offer_id)));
    while (this.#keyed.rows.size > MOST) this.#keyed.drop(this.#keyed.rows.keys().next().value);
  }
}

function build(row) {
  const element = make("li");
  element.outcome = make("span", "outcome");
  const chat = chatLink(row.pool, row.chat_id, "", named(row.chat_id));
  const what = make("div", "what", chat, " to ", named(row.agent_id), ", ", element.outcome);
  const waited = row.waited_seconds < 1 ? "at once" : `after ${spanWords(row.waited_seconds)}`;
  const when = make("div", "when", `${clock(row.at)} · `, named(row.queue), ` · ${waited}`);
  element.append(what, when, make("div", "why", ...sentence(`Why: ${row.why.words}.`, [row.agent_id, row.chat_id, row.queue])));
  return element;
}

function show(element, row) {
  say(element.outcome, row.outcome === null ? "offered" : (OUTCOMES[row.outcome] ?? row.outcome));
  mark(element.outcome, "data-good", row.outcome === null ? "" : row.outcome.startsWith("accepted") ? "yes" : "no");
}
