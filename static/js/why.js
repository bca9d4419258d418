// The why-this panel: what a nudge rests on, and what it used and left alone.

import { get } from "./api.js";
import { chip, element, fieldNames, known, ms, name, say, slotsOf, stamp } from "./dom.js";

const sheet = document.getElementById("why");
const content = document.getElementById("why-content");
const fault = document.getElementById("why-fault");
const slots = slotsOf(content);

/** Open the panel for a nudge. */
export async function why(nudge) {
  content.hidden = true;
  fault.hidden = true;
  sheet.showModal();
  try {
    show(await get(`/nudges/${nudge}/why/`));
    content.hidden = false;
  } catch (error) {
    fault.textContent = error.message;
    fault.hidden = false;
  }
}

function show({ source, reason, citations, signals, fields_used, withheld, route, stages }) {
  slots.made.textContent = made(source, reason);
  slots.passages.replaceChildren(...citations.map(passage));
  slots.rests.hidden = citations.length === 0;
  const used = fieldNames(fields_used).map((field) => chip(field, "on"));
  slots.used.replaceChildren(...(used.length ? used : [say("used.nothing")]));
  slots.withheld.replaceChildren(...fieldNames(withheld).map((field) => chip(field)));
  slots.left.hidden = withheld.length === 0;
  const noticed = signs(signals);
  slots.signals.replaceChildren(...noticed.map((text) => chip(text)));
  slots.noticed.hidden = noticed.length === 0;
  slots.stages.replaceChildren(...how(route, stages ?? []));
  slots.how.hidden = slots.stages.childElementCount === 0;
}

function made(source, reason) {
  if (source !== "playbook" || !reason) return say(`made.${source}`);
  const key = `reason.${reason.startsWith("gate_") ? "gate" : reason}`;
  const words = say(known(key) ? key : "reason.other");
  return say("made.stand-in", { reason: words });
}

function passage({ title, version, text, quote }) {
  const { root, slots: parts } = stamp("passage");
  parts.title.textContent = title;
  parts.version.textContent = /^\d+$/.test(version) ? say("version", { version }) : "";
  parts.text.replaceChildren(...marked(text ?? quote, quote));
  return root;
}

/** The text as nodes, with the quoted words marked where they occur. */
export function marked(text, quote) {
  const start = quote && quote !== text ? text.indexOf(quote) : -1;
  if (start < 0) return [text];
  const end = start + quote.length;
  return [text.slice(0, start), element("mark", { text: quote }), text.slice(end)];
}

function signs(signals) {
  const act = signals?.act ? [name("act", signals.act)] : [];
  return [...act, ...labels(signals?.emotions).map((emotion) => name("emotion", emotion))];
}

/** Labels, whether they come as a list or with their scores. */
function labels(emotions) {
  return Array.isArray(emotions) ? emotions : Object.keys(emotions ?? {});
}

function how(route, stages) {
  const rows = stages.map((stage) => [name("stage", stage.name), ms(stage.ms)]);
  if (route) rows.unshift([say("stage.route"), route]);
  return rows.map(([term, value]) =>
    element("div", {}, element("dt", { text: term }), element("dd", { text: value })),
  );
}

// A tap beside the panel closes it, as Escape does.
sheet.addEventListener("click", (event) => {
  if (event.target === sheet) sheet.close();
});
