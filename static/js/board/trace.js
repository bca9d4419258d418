// How a nudge was made: its stages on one bar, the passages found, the fields used.

import { chip, decimal, element, fieldNames, ms, name, say } from "../dom.js";
import { shade, stacked } from "./charts.js";

const SLIVER_MS = 0.05;

/** Fill the trace of a nudge card. Stages: [{ name, ms }]; passages: [{ title, rank, score }]. */
export function showTrace(slots, { trace, total_ms }) {
  const { route, stages, passages = [], fields_used = [], withheld = [] } = trace;
  slots.route.textContent = route ? say("trace.route", { route }) : say("trace.no-route");
  const timed = stages.filter((stage) => stage.ms > SLIVER_MS);
  const spoken = timed.map((stage) => `${title(stage)} ${ms(stage.ms)}`).join(", ");
  slots.bar.replaceChildren(stacked(timed, say("trace.bar", { stages: spoken })));
  const rows = timed.map((stage, nth) => term(title(stage), precise(stage.ms), shade(stage, nth)));
  if (total_ms != null) rows.push(term(say("trace.total"), precise(total_ms)));
  slots.stages.replaceChildren(...rows);
  slots.rows.replaceChildren(...passages.map(passage));
  slots.passages.hidden = passages.length === 0;
  slots.fields.replaceChildren(
    ...fieldNames(fields_used).map((field) => chip(field, "on")),
    ...fieldNames(withheld).map((field) => chip(say("trace.withheld", { field }))),
  );
  slots.trace.hidden = false;
}

const title = (stage) => name("stage", stage.name);
const precise = (value) => (value < 10 ? say("ms", { ms: decimal(value, 1) }) : ms(value));

function term(what, value, shown) {
  const swatch = shown ? [element("span", { class: `swatch ${shown}` })] : [];
  return element(
    "div",
    {},
    element("dt", {}, ...swatch, what),
    element("dd", { text: value }),
  );
}

function passage({ title: called, rank, score }) {
  return element(
    "tr",
    {},
    element("td", { text: rank ?? "" }),
    element("td", { text: called }),
    element("td", { text: decimal(score, 3) }),
  );
}
