// The stream of events: connects again after an error, and knows when the page is out of date.

const QUIET_MS = 6500; // three heartbeats of 2 s are missing
const AGAIN_MS = 1000;
const BUS_SECONDS = 12;
const ROUTING_SECONDS = 30;

export class Live {
  #source = null;
  #heardAt = null; // performance.now()
  #restoring = false;

  constructor() {
    this.serverAt = null; // the monitor's time in the last heartbeat; serverHeard is the page's time of it
    this.serverHeard = 0;
    this.beat = null;
  }

  /** @param handlers {kind: (data) => …}, and `tick`, called twice a second */
  open(handlers) {
    this.handlers = handlers;
    this.#open();
    setInterval(() => this.#check(), 500);
  }

  /** The monitor's time, in ms since 1970; the clock of a wallboard may be wrong. */
  now() {
    return this.serverAt === null ? Date.now() : this.serverAt + performance.now() - this.serverHeard;
  }

  /** The present fault {since, why}, or null. `since` is in the monitor's time, null before the first event. */
  fault() {
    if (this.#heardAt === null) return { since: null, why: this.#restoring ? "restoring" : "unreachable" };
    const silence = performance.now() - this.#heardAt;
    if (silence > QUIET_MS || this.#source === null) return { since: this.now() - silence, why: "unreachable" };
    const answered = this.beat?.bus_answered_at;
    if (answered && this.now() - Date.parse(answered) > BUS_SECONDS * 1000) {
      return { since: Date.parse(answered), why: "bus" };
    }
    return null;
  }

  /** True if the last check of the routers is older than ROUTING_SECONDS. */
  routingIsUnknown() {
    const seen = this.beat?.routing.seen_at;
    return Boolean(this.beat) && !(seen && this.now() - Date.parse(seen) < ROUTING_SECONDS * 1000);
  }

  #open() {
    const source = new EventSource("/api/stream");
    this.#source = source;
    for (const kind of ["board", "queues", "agents", "assignments", "heartbeat"]) {
      source.addEventListener(kind, (event) => {
        if (source !== this.#source) return;
        const began = performance.now();
        this.#heardAt = began;
        const data = JSON.parse(event.data);
        if (kind === "heartbeat") {
          [this.beat, this.serverAt, this.serverHeard] = [data, Date.parse(data.at), began];
        }
        this.handlers[kind]?.(data);
        performance.measure(`board:${kind}`, { start: began });
        performance.clearMeasures(`board:${kind}`);
      });
    }
    source.addEventListener("error", () => this.#again(source));
  }

  #check() {
    const stillConnecting = this.#heardAt === null;
    if (this.#source && !stillConnecting && performance.now() - this.#heardAt > QUIET_MS) this.#again(this.#source);
    this.handlers.tick();
  }

  // A browser connects again after a broken connection, but not after a refusal; this code does so after both.
  #again(source) {
    if (source !== this.#source) return;
    source.close();
    this.#source = null;
    this.handlers.tick();
    setTimeout(async () => {
      try {
        const answer = await fetch("/healthz", { cache: "no-store" });
        this.#restoring = answer.status === 503;
        if (answer.ok && (await fetch("/api/queues?limit=1", { cache: "no-store" })).status === 401) location.assign("/sign-in");
      } catch {
        this.#restoring = false;
      }
      this.#open();
    }, AGAIN_MS);
  }
}
