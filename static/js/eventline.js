// A socket's stand-in where proxies break sockets: server-sent events in, plain requests out.

import * as api from "./api.js";

const REFUSED = [404, 401, 403];

/** As much of a WebSocket as the live line needs. */
export class EventLine extends EventTarget {
  readyState = WebSocket.CONNECTING;
  #session;
  #role;
  #source;

  constructor(session, { role = "", place = "" } = {}) {
    super();
    this.#session = session;
    this.#role = role;
    const address = `/api/v1/sessions/${session}/stream/${api.query({ as: role, place })}`;
    this.#source = new EventSource(address);
    this.#source.addEventListener("message", ({ data }) => {
      this.readyState = WebSocket.OPEN;
      this.#tell("message", { data });
    });
    this.#source.addEventListener("closed", ({ data }) => this.#end(JSON.parse(data).code));
    // The live line comes back by itself, with its own waits.
    this.#source.addEventListener("error", () => this.#end(1006));
  }

  send(text) {
    const frame = JSON.parse(text);
    if (frame.type === "ping") this.#tell("message", { data: '{"type":"pong"}' });
    else this.#post(frame);
  }

  close() {
    this.readyState = WebSocket.CLOSED;
    this.#source.close();
  }

  #end(code) {
    if (this.readyState === WebSocket.CLOSED) return;
    this.close();
    this.#tell("close", { code });
  }

  async #post(frame) {
    const { type, ...content } = frame;
    const path = this.#path(type, content);
    if (!path) return;
    try {
      const { outcome } = await api.post(path + api.query({ as: this.#role }), content);
      if (outcome) this.#tell("message", { data: JSON.stringify(outcome) });
    } catch (error) {
      if (REFUSED.includes(error.status)) return this.#end(4403);
      this.#tell("message", { data: JSON.stringify(this.#refusal(error, content)) });
    }
  }

  #path(type, { nudge }) {
    const session = `/sessions/${this.#session}`;
    return {
      utterance: `${session}/utterances/`,
      prefer: `${session}/wishes/`,
      control: `${session}/control/`,
      feedback: `/nudges/${nudge}/feedback/`,
    }[type];
  }

  /** What a socket would have said of it. */
  #refusal({ status, message }, { client_msg_id }) {
    if (status === 0 || status === 429 || status >= 500) return { type: "overloaded", client_msg_id };
    return { type: "error", code: "refused", detail: message, client_msg_id };
  }

  #tell(type, content) {
    this.dispatchEvent(Object.assign(new Event(type), content));
  }
}
