// My data: each switch is one request, and shows what the server then says.

import { get, post, query } from "./api.js";
import { announce, chip, day, element, fieldNames, keepFocus, moment, name, say, stamp } from "./dom.js";
import { ReportPanel } from "./report.js";

const PAGE = 6;
const { session, status } = document.body.dataset;
const about = query({ session });
const titles = new Map();
const $ = (id) => document.getElementById(id);
const report = new ReportPanel($("report"), session, { role: "participant" });

async function guarded(act) {
  $("fault").hidden = true;
  try {
    return await act();
  } catch (error) {
    $("fault").textContent = error.status ? error.message : say("unreachable");
    $("fault").hidden = false;
    $("fault").scrollIntoView({ block: "center" });
    return null;
  }
}

// --- what you allow ------------------------------------------------------------

let noticeId;

async function showRecords() {
  const { purposes, notice, asks_again: asksAgain } = await get(`/consent/records/${about}`);
  noticeId = notice.id;
  $("again").hidden = !asksAgain;
  if (asksAgain) {
    $("notice-title").textContent = notice.title;
    $("notice").replaceChildren(
      ...notice.text.split(/\n{2,}/).map((text) => element("p", { text })),
    );
  }
  const focused = document.activeElement?.dataset?.of;
  $("purposes").replaceChildren(...purposes.map(purpose));
  const nothing = !purposes.some(({ fields }) => fields.some(({ granted }) => granted));
  keepFocus(
    () => ($("withdraw-all").disabled = nothing),
    () => $("purposes").querySelector("[data-of]"),
  );
  report.update({ ended: status === "ended", allowed: reflects(purposes) && !asksAgain });
  if (focused) $("purposes").querySelector(`[data-of="${CSS.escape(focused)}"]`)?.focus();
}

/** A reflection is written from somebody's words, or not at all. */
function reflects(purposes) {
  const { fields = [] } = purposes.find(({ key }) => key === "reflection") ?? {};
  return fields.some(({ key, granted }) => key === "utterance" && granted);
}

function purpose({ key, title, fields }) {
  titles.set(key, title);
  const { root, slots } = stamp("purpose");
  root.id = `purpose-${key}`;
  slots.title.textContent = title;
  slots.fields.append(...fields.map((field) => choice(key, title, field)));
  return root;
}

function choice(purposeKey, purposeTitle, { key, title, special, granted, since, until }) {
  const { root, slots } = stamp("choice");
  slots.title.textContent = title;
  slots.special.hidden = !special;
  slots.since.textContent = granted
    ? say("since", { when: day(since), until: day(until) })
    : say("not-allowed");
  const button = slots.switch;
  button.dataset.of = `${purposeKey}/${key}`;
  button.setAttribute("aria-checked", String(granted));
  button.setAttribute("aria-label", `${purposeTitle}: ${title}`);
  button.addEventListener("click", () =>
    decide(button, granted ? "withdraw" : "grant", { purpose: purposeKey, fields: [key] }, title),
  );
  return root;
}

async function decide(button, action, choices, field) {
  button.setAttribute("aria-busy", "true");
  await guarded(async () => {
    await post(`/consent/${action}/${about}`, { ...choices, notice: noticeId });
    announce(say(action === "grant" ? "granted" : "withdrawn", { field }));
    await Promise.all([showRecords(), showReceipts()]);
    await report.refresh();
  });
  button.removeAttribute("aria-busy");
}

$("withdraw-all").addEventListener("click", () =>
  guarded(async () => {
    for (const key of titles.keys()) await post(`/consent/withdraw/${about}`, { purpose: key });
    announce(say("all-withdrawn"));
    await Promise.all([showRecords(), showReceipts()]);
    await report.refresh();
  }),
);

// --- what was used ---------------------------------------------------------------

let uses = [];

async function showUses() {
  uses = (await get(`/consent/disclosures/${about}`)).results;
  $("uses").replaceChildren();
  $("no-uses").hidden = uses.length > 0;
  moreUses();
}

function moreUses() {
  const shown = $("uses").childElementCount;
  $("uses").append(...uses.slice(shown, shown + PAGE).map(use));
  const all = $("uses").childElementCount >= uses.length;
  keepFocus(() => ($("more-uses").hidden = all), () => $("uses").children[shown]);
}

function use({ at, purpose: key, fields, withheld, recipient, kept_until: kept }) {
  const { root, slots } = stamp("use");
  slots.purpose.textContent = titles.get(key) ?? name("purpose", key);
  slots.at.dateTime = at;
  slots.at.textContent = moment(at);
  slots.fields.append(
    ...fieldNames(fields).map((field) => chip(field, "on")),
    ...fieldNames(withheld).map((field) => chip(say("withheld", { field }))),
  );
  slots.recipient.textContent = say("recipient", { recipient, until: day(kept) });
  root.tabIndex = -1;
  return root;
}

$("more-uses").addEventListener("click", moreUses);

// --- receipts, export, erasure -------------------------------------------------------

async function showReceipts() {
  const { results } = await get(`/consent/receipts/${about}`);
  $("receipts").replaceChildren(...results.map(receipt));
}

function receipt(content) {
  const { kind, issued_at: issued } = content.receipt_metadata;
  const { version } = content.pii_processing.privacy_notice;
  const { root, slots } = stamp("receipt");
  slots.title.textContent = say("receipt", { kind: name("kind", kind), version });
  slots.at.dateTime = issued;
  slots.at.textContent = moment(issued);
  slots.save.addEventListener("click", () => save(content, "sidecoach-receipt"));
  return root;
}

/** Hand the browser a file of this JSON. */
function save(content, title) {
  const blob = new Blob([JSON.stringify(content, null, 2)], { type: "application/json" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${title}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

$("export").addEventListener("click", () =>
  guarded(async () => save(await get(`/consent/export/${about}`), "sidecoach-my-data")),
);
$("correct").addEventListener("submit", (event) => {
  event.preventDefault();
  const values = Object.fromEntries(
    [...new FormData($("correct"))].filter(([key, value]) => value.trim() || key !== "display_name"),
  );
  guarded(async () => {
    await post(`/consent/correct/${about}`, values);
    announce(say("corrected"));
    await showReceipts();
  });
});

async function showOwnWords() {
  const { about_you: words } = await get(`/consent/own-words/${about}`);
  for (const [key, value] of Object.entries(words)) {
    const field = $("correct").elements.namedItem(key);
    if (field) field.value = value;
  }
}

$("erase").addEventListener("click", () => $("sure").showModal());
$("sure").addEventListener("close", () => {
  if ($("sure").returnValue !== "yes") return;
  guarded(async () => {
    await post(`/consent/erase/${about}`, { confirm: true });
    location.assign("/?erased");
  });
});

// The titles of purposes come with the records; the rest may follow.
await guarded(showRecords);
// What an address points at is there only now.
if (location.hash) $(location.hash.slice(1))?.scrollIntoView();
await guarded(() => Promise.all([showUses(), showReceipts(), showOwnWords()]));
