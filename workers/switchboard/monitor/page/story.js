// One chat's story, at #chat=ID&pool=POOL.
import { clock } from "./format.js";
import { make, say, sentence, tell } from "./keyed.js";

/** A link to a chat's story. */
export function chatLink(pool, chatId, classes, text) {
  const link = make("a", classes, text);
  link.href = `#${new URLSearchParams({ chat: chatId, pool })}`;
  return link;
}

export class Story {
  #dialog;
  #asked = null; // {chat, pool}
  #shown = ""; // what was answered last

  constructor(dialog) {
    this.#dialog = dialog;
    const part = (name) => dialog.querySelector(`#story-${name}`);
    [this.title, this.state, this.list] = [part("title"), part("state"), part("list")];
    part("close").addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      this.#asked = null;
      // Kept out of the history: back leads away from the board, not through every chat that was looked at.
      history.replaceState(null, "", location.pathname);
    });
    addEventListener("hashchange", () => this.#open());
    this.#open();
  }

  /** Ask again, if a story is open. */
  refresh() {
    if (this.#asked) this.#ask();
  }

  #open() {
    const hash = new URLSearchParams(location.hash.slice(1));
    if (!hash.get("chat")) return;
    this.#asked = { chat: hash.get("chat"), pool: hash.get("pool") };
    this.#shown = "";
    tell(this.title, `Chat ${this.#asked.chat}`, [this.#asked.chat]);
    say(this.state, "Asking …");
    this.list.replaceChildren();
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#ask();
  }

  async #ask() {
    const asked = this.#asked;
    // By query: in a path the ids `.` and `..` are steps.
    const query = new URLSearchParams({ chat_id: asked.chat, ...(asked.pool && { pool: asked.pool }) });
    let told;
    try {
      const answer = await fetch(`/api/chats?${query}`);
      told = await answer.json();
      if (told.status === "restoring") told = { error: "The monitor has just started and is still reading" };
    } catch {
      told = { error: "The monitor can't be reached" };
    }
    const text = JSON.stringify([told, clock(0)]); // asked before the monitor's time zone was known, it is shown again
    if (asked !== this.#asked || text === this.#shown) return;
    this.#shown = text;
    if (told.error) {
      const pools = told.pools ? ` (${told.pools.join(", ")})` : "";
      tell(this.state, `${told.error}${pools}.`, [asked.chat, asked.pool, ...(told.pools ?? [])]);
      return;
    }
    const { open, is_whole: isWhole, decisions } = told;
    const stands = open ? `Now ${open.stage}, queue ${open.queue}.` : "Over.";
    const kept = isWhole ? "" : " What was decided first is no longer kept here.";
    tell(this.state, `Pool ${told.pool}. ${stands}${kept}`, [told.pool, open?.queue]);
    this.list.replaceChildren(
      ...decisions.map((decision) => {
        const time = make("time", "", clock(decision.at));
        time.dateTime = decision.at;
        return make("li", "", time, make("span", "", ...sentence(decision.words, Object.values(decision).filter((value) => typeof value === "string"))));
      }),
    );
  }
}
