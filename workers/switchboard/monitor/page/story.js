// The story of one chat, opened by #chat=ID&pool=POOL.
import { clock } from "./format.js";
import { make, sentenceNodes, setSentence, setText } from "./keyed.js";

/** A link to a chat's story. */
export function chatLink(pool, chatId, classes, text) {
  const link = make("a", classes, text);
  link.href = `#${new URLSearchParams({ chat: chatId, pool })}`;
  return link;
}

export class Story {
  #dialog;
  #asked = null; // {chat, pool}
  #shown = ""; // the last answer, to compare with

  constructor(dialog) {
    this.#dialog = dialog;
    const part = (name) => dialog.querySelector(`#story-${name}`);
    [this.title, this.state, this.list] = [part("title"), part("state"), part("list")];
    part("close").addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      this.#asked = null;
      // No entry in the history: the back button leaves the board, instead of opening each chat again.
      history.replaceState(null, "", location.pathname);
    });
    addEventListener("hashchange", () => this.#open());
    this.#open();
  }

  /** Fetch the story again, if one is open. */
  refresh() {
    if (this.#asked) this.#ask();
  }

  #open() {
    const hash = new URLSearchParams(location.hash.slice(1));
    if (!hash.get("chat")) return;
    this.#asked = { chat: hash.get("chat"), pool: hash.get("pool") };
    this.#shown = "";
    setSentence(this.title, `Chat ${this.#asked.chat}`, [this.#asked.chat]);
    setText(this.state, "Asking …");
    this.list.replaceChildren();
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#ask();
  }

  async #ask() {
    const asked = this.#asked;
    // In the query, since `.` and `..` are resolved in a path.
    const query = new URLSearchParams({ chat_id: asked.chat, ...(asked.pool && { pool: asked.pool }) });
    let answer;
    try {
      const response = await fetch(`/api/chats?${query}`);
      answer = await response.json();
      if (answer.status === "restoring") answer = { error: "The monitor has just started and is still reading" };
    } catch {
      answer = { error: "The monitor can't be reached" };
    }
    const text = JSON.stringify([answer, clock(0)]); // the clock: shown again once the time zone is known
    if (asked !== this.#asked || text === this.#shown) return;
    this.#shown = text;
    if (answer.error) {
      const pools = answer.pools ? ` (${answer.pools.join(", ")})` : "";
      setSentence(this.state, `${answer.error}${pools}.`, [asked.chat, asked.pool, ...(answer.pools ?? [])]);
      return;
    }
    const { open, is_whole: isWhole, decisions } = answer;
    const stands = open ? `Now ${open.stage}, queue ${open.queue}.` : "Over.";
    const kept = isWhole ? "" : " What was decided first is no longer kept here.";
    setSentence(this.state, `Pool ${answer.pool}. ${stands}${kept}`, [answer.pool, open?.queue]);
    this.list.replaceChildren(
      ...decisions.map((decision) => {
        const time = make("time", "", clock(decision.at));
        time.dateTime = decision.at;
        return make("li", "", time, make("span", "", ...sentenceNodes(decision.words, Object.values(decision).filter((value) => typeof value === "string"))));
      }),
    );
  }
}
