// Single keys. An element names its key in data-shortcut; others are given with what they do.
// They can be switched off, and never act while somebody writes or a dialog is open.

import { element, stamp } from "../dom.js";

const OFF = "sidecoach.shortcuts-off";

/** Listen for the page's shortcuts and for `more`: { key: act }. */
export function bind(more = {}) {
  const marked = [...document.querySelectorAll("[data-shortcut]")];
  const acts = new Map(marked.map((target) => [target.dataset.shortcut, () => press(target)]));
  for (const [key, act] of Object.entries(more)) acts.set(key, act);
  document.addEventListener("keydown", (event) => {
    const act = acts.get(event.key);
    if (!act || busy(event)) return;
    event.preventDefault();
    act();
  });
  help(marked, more);
}

function press(target) {
  if (target.matches("input[type=search], [role=region]")) target.focus();
  else target.click();
}

function busy(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return true;
  if (localStorage.getItem(OFF) === "yes" && event.key !== "?") return true;
  const { target } = event;
  const writing = target.matches("textarea, select, input:not([type=radio], [type=checkbox], [type=range])");
  return writing || document.querySelector("dialog[open]") !== null;
}

function help(marked, more) {
  const sheet = document.getElementById("keys");
  const on = document.getElementById("keys-on");
  const entries = [
    ...marked.map((target) => [target.dataset.shortcut, nameOf(target)]),
    ...Object.keys(more).map((key) => [key, sheet.querySelector(`[data-of="${key}"]`)?.textContent]),
  ];
  document.getElementById("key-list").replaceChildren(
    ...entries.map(([key, what]) => {
      const { root, slots } = stamp("key");
      slots.key.textContent = key;
      slots.what.append(element("span", { text: what ?? "" }));
      return root;
    }),
  );
  on.checked = localStorage.getItem(OFF) !== "yes";
  on.addEventListener("change", () => localStorage.setItem(OFF, on.checked ? "no" : "yes"));
  document.getElementById("help").addEventListener("click", () => sheet.showModal());
}

/** What an element is called: its own note, its label, or its words. */
function nameOf(target) {
  const { shortcutName } = target.dataset;
  return (shortcutName ?? target.ariaLabel ?? (target.labels?.[0] ?? target).textContent).trim();
}
