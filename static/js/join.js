// Joining: a name, and a choice for every purpose and field. Nothing is chosen beforehand.

import { ApiError, get, post, query } from "./api.js";
import { announce, element, say, slotsOf, stamp } from "./dom.js";

const form = document.getElementById("join");
const name = form.elements.display_name;
const code = form.dataset.code;
let noticeId;
let joining = false;

async function open() {
  try {
    show(await get(`/consent/notice${query({ code })}`));
  } catch (error) {
    const unknown = document.getElementById("unknown");
    unknown.hidden = false;
    slotsOf(unknown).text.textContent =
      error.status === 404 ? say("join.unknown", { code }) : error.message;
  }
}

function show({ session, notice, purposes }) {
  noticeId = notice.id;
  document.getElementById("title").textContent = session.title;
  document.getElementById("notice-title").textContent = notice.title;
  document.getElementById("notice").replaceChildren(
    ...notice.text.split(/\n{2,}/).map((text) => element("p", { text })),
  );
  document.getElementById("version").textContent = say("join.notice", notice);
  document.getElementById("purposes").replaceChildren(...purposes.map(purpose));
  form.hidden = false;
  tally();
}

function purpose({ key, title, why, fields }) {
  const { root, slots } = stamp("purpose");
  slots.title.textContent = title;
  slots.why.textContent = why;
  slots.fields.append(...fields.map((field) => choice(key, field)));
  offerAll(slots, fields);
  return root;
}

/** One tap for a whole purpose, back and forth. What is sensitive is only ever chosen by itself. */
function offerAll(slots, fields) {
  const ordinary = fields.filter((field) => !field.special).map((field) => field.key);
  slots.all.hidden = ordinary.length < 2;
  const ticks = [...slots.fields.querySelectorAll("input")];
  const some = ticks.filter((box) => ordinary.includes(box.value));
  const all = () => some.every((box) => box.checked);
  const offer = ordinary.length < fields.length ? "join.all-but" : "join.all";
  const label = () => (slots.all.textContent = say(all() ? "join.no" : offer));
  slots.all.addEventListener("click", () => {
    const taking = all();
    for (const box of taking ? ticks : some) box.checked = !taking;
    label();
    tally();
  });
  slots.fields.addEventListener("change", label);
  label();
}

function choice(purposeKey, { key, title, why, special }) {
  const { root, slots } = stamp("choice");
  slots.title.textContent = title;
  slots.why.textContent = why;
  slots.special.hidden = !special;
  slots.box.name = purposeKey;
  slots.box.value = key;
  return root;
}

const boxes = () => [...form.querySelectorAll("#purposes input")];

function tally() {
  const given = boxes().filter((box) => box.checked).length;
  const counts = { given, all: boxes().length };
  document.getElementById("tally").textContent = say(given ? "join.tally" : "join.none", counts);
}

/** The ticked boxes as the interface takes them: [{ purpose, fields }]. */
function choices() {
  const given = Map.groupBy(
    boxes().filter((box) => box.checked),
    (box) => box.name,
  );
  return Array.from(given, ([purposeKey, ticked]) => ({
    purpose: purposeKey,
    fields: ticked.map((box) => box.value),
  }));
}

async function join(consent) {
  if (joining || !named()) return;
  wait(true);
  try {
    const { session } = await post("/sessions/join", {
      code,
      display_name: name.value.trim(),
      goal: form.elements.goal.value.trim(),
      profile_note: form.elements.profile_note.value.trim(),
      consent,
      notice: noticeId,
    });
    location.assign(form.dataset.room.replace(/[0-9a-f-]{36}/, session.id ?? session));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    // A newer notice came meanwhile: it is shown, with nothing chosen.
    if (error.status === 409) await open();
    const fault = document.getElementById("fault");
    fault.textContent = error.message;
    fault.hidden = false;
    wait(false);
  }
}

/** Not `disabled`, which would take the focus away from what was pressed. */
function wait(on) {
  joining = on;
  for (const button of form.querySelectorAll(".decide button")) button.ariaDisabled = on ? "true" : null;
}

function named() {
  const missing = !name.value.trim();
  name.setAttribute("aria-invalid", String(missing));
  document.getElementById("name-fault").hidden = !missing;
  if (missing) name.focus();
  return !missing;
}

form.addEventListener("change", tally);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  join(choices());
});
document.getElementById("decline").addEventListener("click", () => join([]));
name.addEventListener("input", () => name.value.trim() && named());
open().catch(() => announce(say("failed"), { urgent: true }));
