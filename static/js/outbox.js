// Own words on their way. They stay in this tab alone, until the server has acknowledged them.

/** A random UUID; unlike crypto.randomUUID it also works on plain http in a local network. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

export class Outbox {
  #key;
  #waiting;

  /** What this tab still has to send in this session, also after a reload. */
  constructor(session) {
    this.#key = `sidecoach.outbox.${session}`;
    this.#waiting = this.#read();
  }

  /** Everything unacknowledged, oldest first: { client_msg_id, text, at }. */
  get waiting() {
    return [...this.#waiting];
  }

  add(text) {
    const message = { client_msg_id: newId(), text, at: Date.now() };
    this.#keep([...this.#waiting, message]);
    return message;
  }

  /** Forget a message that was acknowledged, refused or taken back. */
  settle(id) {
    this.#keep(this.#waiting.filter((message) => message.client_msg_id !== id));
  }

  #keep(waiting) {
    this.#waiting = waiting;
    try {
      if (waiting.length) sessionStorage.setItem(this.#key, JSON.stringify(waiting));
      else sessionStorage.removeItem(this.#key);
    } catch {
      // Storage may be full or forbidden; then the words last as long as the page.
    }
  }

  #read() {
    try {
      return JSON.parse(sessionStorage.getItem(this.#key)) ?? [];
    } catch {
      return [];
    }
  }
}
