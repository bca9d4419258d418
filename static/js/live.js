// The live line: one socket that comes back by itself and never loses, doubles or reorders.
//
// Events: "frame" { frame, past } in order, `past` when it happened before this page opened;
// "reset" when everything shown must be forgotten, because a snapshot follows;
// "state" when `state` changed; "outbox" when own words were queued, acknowledged or refused.

import * as api from "./api.js";
import { EventLine } from "./eventline.js";
import { Outbox } from "./outbox.js";
import { Sequence } from "./sequence.js";

const HEARTBEAT_MS = 20_000;
const GREETING_MS = 5_000;
const ANSWER_MS = 10_000;
const GAP_MS = 3_000;
const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 15_000;
const OVERLOADED_MS = 2_000;
const LONGEST_REFUSED_MS = 15_000;
const DRAFT_EVERY_MS = 700;
// So many sockets in a row that were closed before they were greeted, or a single one that stayed
// silent: a proxy in between does not let them through.
const SOCKETS_TRIED = 3;
const FORBIDDEN = [4401, 4403, 4404];
// Not refused for what was said, only not now: the same id is sent again.
const PASSING = ["rate_limited", "unavailable", "busy"];

export class LiveLine extends EventTarget {
  state = "connecting";
  welcome = null;
  #session;
  #role;
  #outbox;
  #sequence = new Sequence();
  #socket = null;
  #attempt = 0;
  #ungreeted = 0;
  #opened = 0;
  #reloading = null;
  #held = [];
  #timers = new Map();
  #drafted = 0;
  // Words that were refused for now, and how often in a row the oldest of them was.
  #refused = new Set();
  #refusals = 0;

  /** `role`: who to be, for somebody who both takes part and facilitates. */
  constructor(session, { role = "" } = {}) {
    super();
    this.#session = session;
    this.#role = role;
    this.#outbox = new Outbox(session);
  }

  /** Own words not yet acknowledged, oldest first. */
  get waiting() {
    return this.#outbox.waiting;
  }

  /** Connect, and stay connected until `close`. */
  open() {
    addEventListener("online", () => this.#retry(0));
    addEventListener("offline", () => this.#drop("offline"));
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.#check();
    });
    this.#connect();
  }

  close() {
    this.#become("closed");
    this.#hangUp();
  }

  /** Say something: now, or as soon as the line is there. Returns the message. */
  say(text) {
    const message = this.#outbox.add(text);
    if (this.state === "live") this.#utter(message);
    this.#emit("outbox");
    return message;
  }

  /** Let the server warm up for words that are not finished; they are never stored. */
  draft(text) {
    const now = Date.now();
    if (this.state !== "live" || now - this.#drafted < DRAFT_EVERY_MS) return;
    this.#drafted = now;
    this.#send({ type: "draft", text });
  }

  // --- connecting ------------------------------------------------------------

  #connect() {
    if (this.state === "closed" || this.#socket) return;
    const socket = this.#ungreeted < SOCKETS_TRIED ? this.#webSocket() : this.#eventLine();
    this.#socket = socket;
    this.welcome = null;
    this.#after("answer", GREETING_MS, () => this.#giveUp());
    socket.addEventListener("message", ({ data }) => {
      if (socket === this.#socket) this.#receive(data);
    });
    socket.addEventListener("close", ({ code }) => {
      if (socket === this.#socket) this.#closed(code);
    });
  }

  #webSocket() {
    const address = new URL(`/ws/sessions/${this.#session}/`, location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    if (this.#role) address.searchParams.set("as", this.#role);
    return new WebSocket(address);
  }

  #eventLine() {
    const { epoch, last } = this.#sequence;
    const place = epoch === null ? "" : `${epoch}.${last}`;
    return new EventLine(this.#session, { role: this.#role, place });
  }

  #closed(code) {
    const greeted = this.welcome !== null;
    this.#hangUp();
    if (FORBIDDEN.includes(code)) return this.#refuse();
    this.#become(navigator.onLine ? "lost" : "offline");
    this.#retry();
    // A refused handshake has no code of its own: ask where an answer can be read.
    if (!greeted && navigator.onLine) this.#ask();
  }

  async #ask() {
    try {
      await api.get(`/sessions/${this.#session}/`);
    } catch (error) {
      if ([401, 403, 404].includes(error.status)) this.#refuse();
    }
  }

  #refuse() {
    this.#become("closed");
    this.#hangUp();
  }

  /** Nothing came, not even a refusal. Whoever swallowed this socket would swallow two more. */
  #giveUp() {
    if (this.#socket instanceof WebSocket) this.#ungreeted = SOCKETS_TRIED - 1;
    this.#drop("lost");
  }

  #drop(state) {
    if (this.state === "closed") return;
    this.#hangUp();
    this.#become(state);
    this.#retry();
  }

  #hangUp() {
    const socket = this.#socket;
    this.#socket = null;
    for (const name of ["answer", "heartbeat", "gap", "overloaded"]) this.#cancel(name);
    if (socket && navigator.onLine) this.#reckon(socket);
    socket?.close();
  }

  /** Learn from a line that has ended which kind gets through from here. */
  #reckon(socket) {
    if (socket instanceof WebSocket) this.#ungreeted = this.welcome ? 0 : this.#ungreeted + 1;
    // A server that is away refuses events too, and a phone changes its network: try sockets again.
    else this.#ungreeted = this.welcome ? SOCKETS_TRIED - 1 : 0;
  }

  /** Try again after a random wait that grows; all clients of a restarted server spread out. */
  #retry(wait = this.#wait()) {
    if (this.state === "closed") return;
    this.#after("retry", wait, () => this.#connect());
  }

  #wait() {
    const most = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#attempt);
    this.#attempt += 1;
    return most / 2 + (Math.random() * most) / 2;
  }

  /** Is the line still there? Asked at every heartbeat and when the page is looked at again. */
  #check() {
    if (!this.#socket) return this.#retry(0);
    if (this.state !== "live") return;
    this.#send({ type: "ping" });
    this.#after("answer", ANSWER_MS, () => this.#drop("lost"));
    this.#after("heartbeat", HEARTBEAT_MS, () => this.#check());
  }

  // --- frames ----------------------------------------------------------------

  #receive(data) {
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      return;
    }
    this.#cancel("answer");
    if (frame.type === "welcome") this.#greet(frame);
    else if (frame.type === "resync") this.#reload();
    else if (frame.type === "overloaded" || this.#passing(frame)) this.#yield(frame);
    else if (this.#reloading) this.#held.push(frame);
    else this.#take(frame);
  }

  #passing({ type, code, client_msg_id }) {
    return type === "error" && client_msg_id && PASSING.includes(code);
  }

  #greet(frame) {
    this.welcome = frame;
    if (this.#sequence.epoch === null) {
      this.#sequence.restart(frame.epoch);
      this.#opened = frame.seq;
    }
    this.#resume();
    this.#become("live");
    this.#attempt = 0;
    this.#emit("frame", { frame, past: false });
    this.#after("heartbeat", HEARTBEAT_MS, () => this.#check());
    this.#refused.clear();
    this.#refusals = 0;
    for (const message of this.#outbox.waiting) this.#utter(message);
  }

  #take(frame) {
    if (frame.seq === undefined) return this.#deliver(frame);
    if (frame.epoch !== this.#sequence.epoch) return this.#reload();
    for (const next of this.#sequence.accept(frame)) this.#deliver(next);
    if (this.#sequence.hopeless) return this.#reload();
    if (!this.#sequence.gap) return this.#cancel("gap");
    if (this.#timers.has("gap")) return;
    this.#resume();
    this.#after("gap", GAP_MS, () => this.#reload());
  }

  #deliver(frame) {
    if (frame.type === "pong") return;
    const settled = frame.type === "ack" || (frame.type === "error" && frame.client_msg_id);
    if (settled) this.#settle(frame.client_msg_id);
    this.#emit("frame", { frame, past: frame.seq !== undefined && frame.seq <= this.#opened });
    if (settled) this.#emit("outbox");
  }

  #resume() {
    this.#send({ type: "resume", epoch: this.#sequence.epoch, last_seq: this.#sequence.last });
  }

  /** Forget, and read everything again: the history here and the server's have parted. */
  #reload() {
    this.#reloading ??= this.#snapshot()
      .catch(() => this.#drop("lost"))
      .finally(() => {
        this.#reloading = null;
        const held = this.#held;
        this.#held = [];
        for (const frame of held) this.#take(frame);
      });
  }

  async #snapshot() {
    this.#cancel("gap");
    let page = await this.#kept(0);
    this.#opened = page.seq;
    this.#emit("reset");
    for (;;) {
      for (const frame of page.events) this.#deliver(frame);
      const last = page.events.at(-1)?.seq ?? page.seq;
      this.#sequence.restart(page.epoch, last);
      if (last >= page.seq) return;
      page = await this.#kept(last);
      // The beginning was removed while this was read.
      if (page.resync) return this.#snapshot();
    }
  }

  /** What the server keeps after this number: { epoch, seq, first, resync, events }. */
  #kept(after) {
    return api.get(`/sessions/${this.#session}/events/${api.query({ after, as: this.#role })}`);
  }

  /**
   * The server is full: the same words later, whose id keeps them from being said twice. One at a
   * time, the oldest first and ever more slowly: a crowd that insists keeps a server busy with
   * refusing it. New words are sent at once all the same, for a cry for help is never refused.
   */
  #yield(frame) {
    this.#emit("frame", { frame: { ...frame, type: "overloaded" }, past: false });
    this.#refused.add(frame.client_msg_id);
    if (this.#timers.has("overloaded")) return;
    const wait = (frame.retry_after_ms ?? OVERLOADED_MS) * 2 ** this.#refusals;
    this.#refusals = Math.min(this.#refusals + 1, 6);
    this.#after("overloaded", Math.min(LONGEST_REFUSED_MS, wait), () => this.#insist());
  }

  #insist() {
    const refused = this.#outbox.waiting.find((words) => this.#refused.has(words.client_msg_id));
    if (refused) this.#utter(refused);
  }

  #settle(id) {
    this.#outbox.settle(id);
    if (!this.#refused.delete(id) || this.#timers.has("overloaded")) return;
    // One of them was taken: the next follows.
    this.#refusals = 0;
    this.#insist();
  }

  // --- small things ------------------------------------------------------------

  #utter({ client_msg_id, text }) {
    this.#send({ type: "utterance", client_msg_id, text });
  }

  #send(frame) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #become(state) {
    if (this.state === state || this.state === "closed") return;
    this.state = state;
    this.#emit("state");
  }

  #emit(type, detail = null) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #after(name, wait, act) {
    this.#cancel(name);
    this.#timers.set(
      name,
      setTimeout(() => {
        this.#timers.delete(name);
        act();
      }, wait),
    );
  }

  #cancel(name) {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }
}
