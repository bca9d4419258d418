// A participant's session: own words go out, nudges come in.

import { announce, fieldNames, keepFocus, known, list, readable, say, slotsOf, spoken, stamp, whole } from "./dom.js";
import { LiveLine } from "./live.js";
import { NudgeCard } from "./nudge.js";
import { ReportPanel } from "./report.js";
import { Listener, offered } from "./speech.js";
import { Wishes } from "./wishes.js";

const MOST = 4000;
const NEARLY = 3600;

const { session, member } = document.body.dataset;
const stream = document.getElementById("stream");
const words = document.getElementById("words");
const line = new LiveLine(session);
const wishes = new Wishes(session);
const report = new ReportPanel(document.getElementById("report"), session, { show: showTurn, live: true });
const room = {
  mode: "auto", status: "open", killed: false, paused: false, allowed: [], reflected: false,
};

// --- what was said -------------------------------------------------------------

/** Own turns by the id they were sent with, and every turn by its utterance id. */
const sent = new Map();
const turns = new Map();

function own(text, id = null) {
  const turn = stamp("own");
  turn.slots.text.replaceChildren(...readable(text));
  stream.append(turn.root);
  if (id) sent.set(id, turn);
  return turn;
}

function acked({ client_msg_id, utterance }) {
  const turn = sent.get(client_msg_id);
  if (!turn) return;
  sent.delete(client_msg_id);
  // The utterance itself may have come first, as a turn of its own.
  turns.get(utterance)?.root.remove();
  turns.set(utterance, turn);
  turn.slots.state.hidden = true;
}

function said({ utterance, speaker, text }) {
  if (turns.has(utterance)) return;
  const words_ = text ?? say("own.withheld");
  const mine = speaker.member === member;
  const turn = mine ? own(words_) : stamp("other");
  if (!mine) {
    turn.slots.who.textContent = speaker.name ?? "";
    turn.slots.text.replaceChildren(...readable(words_));
    stream.append(turn.root);
  }
  turns.set(utterance, turn);
}

/** Bring something said into view and point at it. */
function showTurn(utterance) {
  const { root } = turns.get(utterance) ?? {};
  if (!root) return;
  root.tabIndex = -1;
  root.focus({ preventScroll: true });
  root.scrollIntoView({ block: "center" });
}

function refused({ client_msg_id, code, detail }) {
  const turn = sent.get(client_msg_id);
  if (!turn) return;
  sent.delete(client_msg_id);
  turn.root.dataset.state = "refused";
  turn.slots.state.textContent = say("own.refused", {
    detail: known(`refusal.${code}`) ? say(`refusal.${code}`) : detail,
  });
  turn.slots.state.hidden = false;
}

function showWaiting() {
  const waiting = line.waiting;
  for (const { client_msg_id, text } of waiting) {
    const turn = sent.get(client_msg_id) ?? own(text, client_msg_id);
    turn.slots.state.textContent = say(line.state === "live" ? "own.sending" : "own.waiting");
    turn.slots.state.hidden = false;
  }
  showLine(waiting.length);
}

function showLine(count = line.waiting.length) {
  const shown = document.getElementById("line");
  const state = say(`line.${line.state}`);
  const text = count && line.state !== "live" ? say("line.waiting", { state, count: whole(count) }) : state;
  if (slotsOf(shown).text.textContent !== text) slotsOf(shown).text.textContent = text;
  shown.dataset.state = line.state;
}

// --- nudges ----------------------------------------------------------------------

const nudges = new Map();

function nudge(frame) {
  const shown = nudges.get(frame.nudge);
  if (shown) return shown;
  const card = new NudgeCard(frame);
  nudges.set(frame.nudge, card);
  for (const earlier of stream.querySelectorAll(".is-newest")) earlier.classList.remove("is-newest");
  card.root.classList.add("is-newest");
  stream.append(card.root);
  return card;
}

function finished(frame, past) {
  const card = nudge(frame);
  card.finish(frame);
  showHelp(frame);
  if (past) return card.root.classList.add("is-past");
  if (wishes.quiet) {
    card.fold();
    announce(say("announce.folded"));
  } else {
    announce(say("announce.nudge", { badge: card.badge, text: spoken(frame.text) }));
  }
}

/** An utterance ended without the nudge that was on its way. */
function withdrawn({ utterance }) {
  for (const card of nudges.values()) {
    if (card.utterance !== utterance || card.root.dataset.state !== "streaming") continue;
    card.root.remove();
    nudges.delete(card.id);
  }
}

function note(key) {
  const { root, slots } = stamp("note");
  slots.text.textContent = say(key);
  stream.append(root);
}

function showCrisis({ card }, past) {
  const { root, slots } = stamp("crisis");
  slots.title.textContent = card.title;
  slots.body.textContent = card.body;
  slots.contacts.append(...card.contacts.map(contact));
  stream.append(root);
  if (past) return;
  announce(`${card.title}. ${card.body}`, { urgent: true });
  root.scrollIntoView({ block: "center" });
}

/** People to turn to, for who may mean more than was said: at hand, and nobody is called. */
function showHelp({ help }) {
  if (!help) return;
  stream.querySelector(".turn--help")?.remove();
  const { root, slots } = stamp("help");
  slots.contacts.append(...help.contacts.map(contact));
  stream.append(root);
}

function contact({ name: who, phone, text, url }) {
  const { root, slots } = stamp("contact");
  slots.name.textContent = who;
  if (phone) link(slots.phone, `tel:${phone.replace(/[^\d+]/g, "")}`, slots.number, phone);
  if (phone) slots.phone.setAttribute("aria-label", say("call", { number: `${who} ${phone}` }));
  // A text service is told in words ("HOME to 741741"); only a bare number can be a link.
  if (text) link(slots.text, /^[+\d\s]+$/.test(text) ? `sms:${text.replace(/\s/g, "")}` : "", slots.message, text);
  if (/^https:\/\//.test(url ?? "")) link(slots.url, url, slots.url, new URL(url).host);
  return root;
}

function link(anchor, href, label = null, text = "") {
  if (href) anchor.href = href;
  if (label) label.textContent = text;
  anchor.hidden = false;
}

/** Where the focus goes when what had it is gone. */
function refuge() {
  return room.status === "ended" ? document.getElementById("main") : words;
}

// --- the room ----------------------------------------------------------------------

function showRoom() {
  const key = [
    [room.status === "ended", "mode.ended"],
    [room.mode === "paused", "mode.paused"],
    [room.paused, "mode.self"],
    [room.mode === "facilitator_only", "mode.facilitator_only"],
    [room.killed, "mode.killed"],
    [room.mode === "review", "mode.review"],
  ].find(([applies]) => applies)?.[1];
  const banner = document.getElementById("banner");
  banner.hidden = !key;
  if (key && banner.textContent !== say(key)) banner.textContent = say(key);
  const ended = room.status === "ended";
  document.body.dataset.status = room.status;
  keepFocus(() => (document.getElementById("composer").hidden = ended), refuge);
  if (ended) report.update({ ended, allowed: room.reflected });
  else document.getElementById("report").hidden = true;
}

function showSharing(consent, asksAgain = false) {
  room.allowed = consent?.coaching ?? [];
  room.reflected = !asksAgain && (consent?.reflection ?? []).includes("utterance");
  const sharing = document.getElementById("sharing");
  const fields = list(fieldNames(room.allowed));
  const given = room.allowed.includes("utterance");
  const key = asksAgain ? "sharing.again" : given ? "sharing.some" : "sharing.none";
  const words = say(key, { fields });
  slotsOf(sharing).text.textContent = words;
  if (asksAgain) announce(words, { urgent: true });
  sharing.hidden = false;
}

// --- frames --------------------------------------------------------------------------

const handlers = {
  welcome({ mode, status, killed, paused, consent, asks_again: asksAgain }) {
    Object.assign(room, { mode, status, killed, paused });
    showSharing(consent, asksAgain);
    showRoom();
  },
  ack: acked,
  utterance: said,
  "nudge.start": nudge,
  "nudge.delta": ({ nudge: id, offset, text }) => nudges.get(id)?.write(offset, text),
  "nudge.done": finished,
  "nudge.feedback": ({ nudge: id, verdict, text }) => nudges.get(id)?.judged(verdict, text),
  escalated(frame, past) {
    withdrawn(frame);
    showCrisis(frame, past);
  },
  blocked(frame) {
    withdrawn(frame);
    note("blocked");
  },
  no_nudge(frame) {
    withdrawn(frame);
    showHelp(frame);
  },
  cancelled: withdrawn,
  error(frame) {
    withdrawn(frame);
    refused(frame);
  },
  overloaded: () => announce(say("overloaded")),
  "consent.changed"({ consent, asks_again: asksAgain }) {
    showSharing(consent, asksAgain);
    showRoom();
  },
  "wishes.changed": (frame) => wishes.update(frame),
  "report.progress": (frame) => report.told(frame),
  "report.done": (frame) => report.told(frame),
  "control.changed"({ mode, status, killed, paused }) {
    Object.assign(room, { mode, status, killed, paused: paused.includes(member) });
    showRoom();
  },
};

line.addEventListener("frame", ({ detail: { frame, past } }) => {
  handlers[frame.type]?.(frame, past);
  document.getElementById("welcome").hidden = stream.childElementCount > 0;
  if (following) follow();
  else if (frame.type === "nudge.done" && !past) newest.hidden = false;
});
line.addEventListener("reset", () => {
  keepFocus(() => stream.replaceChildren(), refuge);
  for (const shown of [sent, turns, nudges]) shown.clear();
  showWaiting();
});
line.addEventListener("state", () => {
  showWaiting();
  if (line.state === "closed") announce(say("gone"), { urgent: true });
});
line.addEventListener("outbox", showWaiting);

// --- following along -------------------------------------------------------------------

const newest = document.getElementById("newest");
const page = document.scrollingElement;

function atEnd() {
  return page.scrollHeight - page.scrollTop - page.clientHeight < 120;
}

let following = true;
let due = 0;

function toEnd() {
  page.scrollTop = page.scrollHeight;
  newest.hidden = true;
  following = true;
}

/** To the end, once for all that came since the last picture. */
function follow() {
  due ||= requestAnimationFrame(() => {
    due = 0;
    toEnd();
  });
}

newest.addEventListener("click", () => {
  toEnd();
  stream.querySelector(".is-newest article")?.focus({ preventScroll: true });
});
addEventListener(
  "scroll",
  () => {
    following = atEnd();
    newest.hidden ||= following;
  },
  { passive: true },
);

// --- saying something ----------------------------------------------------------------------

function utter(text) {
  if (!text) return;
  const { client_msg_id } = line.say(text);
  stream.append(sent.get(client_msg_id).root);
  document.getElementById("welcome").hidden = true;
  toEnd();
}

function send() {
  const text = words.value.trim();
  if ([...text].length > MOST) return;
  utter(text);
  words.value = "";
  measure();
  words.focus();
}

function measure() {
  const length = [...words.value].length;
  const count = document.getElementById("count");
  count.hidden = length < NEARLY;
  count.textContent = say("too-long", { count: whole(length), most: whole(MOST) });
  words.setAttribute("aria-invalid", String(length > MOST));
}

document.getElementById("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
words.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  send();
});
words.addEventListener("input", () => {
  measure();
  draft(words.value);
});

/** Half a sentence travels only for those who allow their words to be used. */
function draft(text) {
  if (text.trim() && room.allowed.includes("utterance")) line.draft(text.slice(0, MOST));
}

// --- speaking ------------------------------------------------------------------------------

const mic = document.getElementById("mic");
const fault = document.getElementById("fault");
const listener = new Listener();
const speechDialog = document.getElementById("speech");
let told = false;

function listen() {
  fault.hidden = true;
  listener.start();
  showListening();
}

function showListening() {
  mic.setAttribute("aria-pressed", String(listener.listening));
  mic.setAttribute("aria-label", say(listener.listening ? "speech.stop" : "speech.start"));
  words.placeholder = listener.listening ? say("speech.listening") : words.dataset.placeholder;
}

mic.addEventListener("click", () => {
  if (listener.listening) {
    listener.stop();
    showListening();
  } else if (told) {
    listen();
  } else {
    speechDialog.showModal();
  }
});
speechDialog.addEventListener("close", () => {
  if (speechDialog.returnValue !== "yes") return;
  told = true;
  listen();
});
listener.addEventListener("interim", ({ detail: { text } }) => {
  words.value = text;
  draft(text);
});
listener.addEventListener("sentence", ({ detail: { text } }) => {
  words.value = "";
  utter(text);
});
listener.addEventListener("stop", ({ detail: { error } }) => {
  showListening();
  if (!error) return;
  fault.textContent = say(error === "not-allowed" ? "speech.not-allowed" : "speech.failed");
  fault.hidden = false;
});

words.dataset.placeholder = words.placeholder;
mic.hidden = !offered;
line.open();
showWaiting();
