import { percent, rounded, span } from "./format.js";
import { isolate, Keyed, make, setAttribute, setText } from "./keyed.js";

// In the order of the table's head. `show` returns the text of a cell. On a phone, which shows no head, `name` is the
// label of the cell, followed by the text of the head with the id `under`.
const CELLS = [
  { name: "Waiting", classes: "number big waiting", show: (row) => String(row.waiting) },
  { name: "Oldest", classes: "number big oldest", show: null },
  { name: "Asking", classes: "number", show: (row) => String(row.agents_requesting) },
  { name: "Free", classes: "number", show: (row) => String(row.sessions_free) },
  { name: "Available", classes: "number", show: (row) => String(row.agents_available) },
  { name: "In time", under: "now-title", classes: "number level-now", show: (row) => percent(row.now.service_level), more: (row) => without(row.now) },
  { name: "In time, today", classes: "number level-today", show: (row) => percent(row.today.service_level), more: (row) => without(row.today) },
  { name: "Answered today", classes: "number minor answered", show: (row) => String(row.today.answered) },
  { name: "Left today", classes: "number minor abandoned", show: (row) => String(row.today.abandoned) },
  { name: "Mean wait today", classes: "number minor", show: (row) => rounded(row.today.mean_wait_seconds) },
  { name: "Longest today", classes: "number minor", show: (row) => rounded(row.today.longest_wait_seconds) },
];

// The service level without short-abandoned chats, if it differs.
function without(figures) {
  const share = percent(figures.service_level_without_short);
  return share === percent(figures.service_level) ? "" : `(${share})`;
}

/** The state of a queue: calm, late (a chat waits too long), stuck (and no session is free for it). */
export function state(row, now, inTime) {
  if (!row.waiting || waited(row, now) <= inTime) return "calm";
  return row.sessions_free ? "late" : "stuck";
}

export function waited(row, now) {
  return row.oldest_arrived_at === null ? null : Math.max(0, (now - Date.parse(row.oldest_arrived_at)) / 1000);
}

const FLAGS = { calm: "", late: "too long", stuck: "nobody free" };

const byName = (row, other) =>
  row.pool < other.pool ? -1 : row.pool > other.pool ? 1 : row.queue < other.queue ? -1 : Number(row.queue > other.queue);

export class Queues {
  #keyed;

  constructor(body) {
    this.inTime = 20;
    this.total = 0; // including rows that the monitor does not send, beyond its limit
    this.#keyed = new Keyed(body, build, show, byName);
  }

  get size() {
    return this.#keyed.rows.size;
  }

  rows() {
    return [...this.#keyed.rows.values()].map(({ row }) => row);
  }

  take({ full, changed, gone, total }) {
    this.total = total;
    const key = (row) => JSON.stringify([row.pool, row.queue]);
    for (const row of changed) this.#keyed.put(key(row), row);
    for (const row of gone) this.#keyed.drop(key(row));
    if (full) this.#keyed.keep(new Set(changed.map(key)));
  }

  /** Show the present waits. */
  tick(now) {
    for (const { row, element } of this.#keyed.rows.values()) {
      const standing = state(row, now, this.inTime);
      setAttribute(element, "data-state", standing);
      setText(element.oldest.firstElementChild, span(waited(row, now)));
      setText(element.oldest.lastElementChild, FLAGS[standing]);
    }
  }
}

function build(row) {
  const element = make("tr");
  const name = make("th", "", isolate(row.queue), make("small", "", isolate(row.pool)));
  name.scope = "row";
  element.append(name);
  element.cells_ = CELLS.map((cell) => {
    const made = make("td", cell.classes);
    const under = cell.under && document.getElementById(cell.under).textContent.toLowerCase();
    made.dataset.name = under ? `${cell.name}, ${under}` : cell.name;
    if (cell.more) made.append(make("span"), make("small"));
    element.append(made);
    return made;
  });
  element.oldest = element.cells_[1];
  element.oldest.append(make("span"), make("span", "flag"));
  return element;
}

function show(element, row) {
  CELLS.forEach((cell, index) => {
    const made = element.cells_[index];
    if (cell.show) setText(cell.more ? made.firstElementChild : made, cell.show(row));
    if (cell.more) setText(made.lastElementChild, cell.more(row));
  });
}
