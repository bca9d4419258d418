// Words and structure come from the page's <template> elements; scripts fill them with text.

const words = document.getElementById("strings")?.content;

/** True when the page has words for this key. */
export function known(key) {
  return Boolean(words?.querySelector(`[data-key="${CSS.escape(key)}"]`));
}

/** The page's words for a key (the page's own before the shared), with each {name} filled in; the key itself when there are none. */
export function say(key, values = {}) {
  const found = words?.querySelector(`[data-key="${CSS.escape(key)}"]`);
  return (found?.textContent ?? key).replace(/\{(\w+)\}/g, (_, name) => apart(values[name] ?? ""));
}

// Marks that turn the direction of what follows; in a name or a title they have no business.
const TURNING = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const foreign = document.documentElement.dir === "rtl" ? /\p{Letter}|\d/u : /[\p{Script=Arabic}\p{Script=Hebrew}]/u;

/** Text that may run the other way, isolated: it must not turn the words around it. */
function apart(text) {
  const plain = String(text).replace(TURNING, "");
  return foreign.test(plain) ? `\u2068${plain}\u2069` : plain;
}

/** Words for one of a family ("field", "goal"), or the plain name of one that is not known. */
export function name(family, key) {
  return known(`${family}.${key}`) ? say(`${family}.${key}`) : String(key).replaceAll("_", " ");
}

const FIELDS = ["utterance", "recent_turns", "display_name", "role", "goal", "profile_note", "emotion"];

/** What these fields are called, in the order people think of them. */
export function fieldNames(fields) {
  return [...fields]
    .sort((one, other) => FIELDS.indexOf(one) - FIELDS.indexOf(other))
    .map((field) => name("field", field));
}

/** A copy of `<template id>`: its root element, and its [data-slot] elements by name. */
export function stamp(id) {
  const root = document.getElementById(id).content.firstElementChild.cloneNode(true);
  return { root, slots: slotsOf(root) };
}

/** The [data-slot] elements at and under `root`, by name. */
export function slotsOf(root) {
  const marked = [root, ...root.querySelectorAll("[data-slot]")];
  return Object.fromEntries(
    marked.filter((item) => item.dataset.slot).map((item) => [item.dataset.slot, item]),
  );
}

/** An element with text; never with markup. */
export function element(tag, { text, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

// What stands for masked words, such as `[NAME-k7f3q]`.
const MASK = /\[([A-Z]{2,12}(?:_[A-Z]{2,12})?)-[a-z2-7]{5}\]/;

const masked = (kind) => say(known(`masked.${kind}`) ? `masked.${kind}` : "masked.other");

/** Words as they are read out: what is masked in them is called what it is, "a name". */
export function spoken(text) {
  return pieces(text, masked).join("");
}

/** Words as nodes, with a mark for what is masked in them. */
export function readable(text) {
  return pieces(text, (kind) => element("span", { class: "mask", text: masked(kind) }));
}

/** The text around placeholders, and what `mark` makes of each one's kind. */
function pieces(text, mark) {
  return text.split(MASK).map((piece, nth) => (nth % 2 ? mark(piece) : piece));
}

/** A chip with text. */
export function chip(text, kind = "") {
  return element("span", { class: kind ? `chip chip--${kind}` : "chip", text });
}

/** One of the page's icons. */
export function icon(id) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  const sprite = document.documentElement.querySelector(".icon use");
  use.setAttribute("href", `${sprite?.getAttribute("href").split("#")[0] ?? ""}#${id}`);
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

/** Do something that may take away what has the focus, which then goes to what `refuge` gives. */
export function keepFocus(act, refuge) {
  const focused = document.activeElement;
  act();
  if (!focused || focused === document.body) return;
  if (focused.isConnected && focused.checkVisibility() && !focused.matches(":disabled")) return;
  refuge()?.focus({ preventScroll: true });
}

/** Read a text out once: politely, or at once when it cannot wait. */
export function announce(text, { urgent = false } = {}) {
  const region = document.getElementById(urgent ? "urgent" : "polite");
  // The same words twice are two announcements: a region that does not change stays silent.
  region.textContent = "";
  setTimeout(() => (region.textContent = text), 60);
}

// The page's language, as it is written where this browser is.
const pageLanguage = document.documentElement.lang || "en";
const language =
  navigator.languages.find((tag) => tag.split("-")[0] === pageLanguage) ?? pageLanguage;
const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
const days = new Intl.DateTimeFormat(language, { dateStyle: "medium" });
const wholes = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
const shares = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 });
const lists = new Intl.ListFormat(language, { type: "conjunction" });

export const hour = (at) => clock.format(new Date(at));
export const day = (at) => days.format(new Date(at));
export const moment = (at) => calendar.format(new Date(at));
export const span = (from, to) => calendar.formatRange(new Date(from), new Date(to));
export const whole = (value) => wholes.format(value);
export const decimal = (value, digits) =>
  new Intl.NumberFormat(language, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(value);
export const share = (value) => shares.format(value);
export const list = (items) => lists.format(items);
export const ms = (value) => say("ms", { ms: wholes.format(value) });

/** A <time> element's moment, shown as the hour. */
export function setTime(target, at) {
  target.dateTime = new Date(at).toISOString();
  target.textContent = hour(at);
}
