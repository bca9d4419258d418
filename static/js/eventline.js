// A socket's stand-in where proxies break sockets: server-sent events in, plain requests out.

import * as api from "./api.js";

const REFUSED = [404, 401, 403];
// The server sends something every 15 seconds at least.
const SILENT_MS = 35_000;

/** As much of a WebSocket as the live line needs. */
export class EventLine extends EventTarget {
  readyState = WebSocket.CONNECTING;
  #session;
  #as;
  #place;
  #source;
  #heard = Date.now();
  #said = Promise.resolve();

  /** `place`: "epoch.seq" of the last frame read, if any; what follows it is sent. */
  constructor(session, { role = "", place = "" } = {}) {
    super();
    this.#session = session;
    this.#as = api.query({ as: role });
    this.#place = place;
    const address = `/api/v1/sessions/${session}/stream/${api.query({ as: role, place })}`;
    this.#source = new EventSource(address);
    this.#source.addEventListener("message", ({ data }) => this.#hear(data));
    this.#source.addEventListener("closed", ({ data }) => this.#end(JSON.parse(data).code));
    // The live line comes back by itself, with its own waits.
    this.#source.addEventListener("error", () => this.#end(1006));
  }

  send(text) {
    const { type, ...content } = JSON.parse(text);
    if (type === "ping") this.#pong();
    else if (type === "resume") this.#resume(content);
    // One after the other: requests overtake each other, frames of a socket do not.
    else if (type === "utterance") this.#said = this.#said.then(() => this.#say(content));
  }

  close() {
    this.readyState = WebSocket.CLOSED;
    this.#source.close();
  }

  #hear(data) {
    this.readyState = WebSocket.OPEN;
    this.#heard = Date.now();
    this.#tell("message", { data });
  }

  #end(code) {
    if (this.readyState === WebSocket.CLOSED) return;
    this.close();
    this.#tell("close", { code });
  }

  #pong() {
    if (Date.now() - this.#heard < SILENT_MS) this.#frame({ type: "pong" });
  }

  /** A stream goes on after the place it was opened with, and after no other. */
  #resume({ epoch, last_seq }) {
    if (`${epoch}.${last_seq}` !== this.#place) this.#frame({ type: "resync" });
  }

  async #say(content) {
    if (this.readyState === WebSocket.CLOSED) return;
    try {
      const { outcome } = await api.postOnce(`/sessions/${this.#session}/utterances/${this.#as}`, content);
      if (outcome) this.#frame(outcome);
    } catch (error) {
      if (REFUSED.includes(error.status)) this.#end(4403);
      else this.#frame(refusal(error, content));
    }
  }

  #frame(frame) {
    this.#tell("message", { data: JSON.stringify(frame) });
  }

  #tell(type, content) {
    this.dispatchEvent(Object.assign(new Event(type), content));
  }
}

/** What a socket would have said of words that were not taken. */
function refusal({ status, message }, { client_msg_id }) {
  if (status === 0 || status === 429 || status >= 500) return { type: "overloaded", client_msg_id };
  return { type: "error", code: "refused", detail: message, client_msg_id };
}
