// The live board: what people let the facilitator see, and the means to step in.

import { ApiError, get, post } from "./api.js";
import { announce, keepFocus, name, say, slotsOf } from "./dom.js";
import { Cards } from "./board/cards.js";
import { Health } from "./board/health.js";
import { Lane } from "./board/lane.js";
import { Members } from "./board/members.js";
import { Numbers } from "./board/numbers.js";
import { Review } from "./board/review.js";
import { bind } from "./board/shortcuts.js";
import { Summary } from "./board/summary.js";
import { Timeline } from "./board/timeline.js";
import { LiveLine } from "./live.js";

const { session } = document.body.dataset;
const $ = (id) => document.getElementById(id);
const room = { mode: "auto", status: "open", killed: false };

const members = new Members($("members"), { decide: control });
const timeline = new Timeline($("timeline"), members);
const numbers = new Numbers(members);
const lane = new Lane($("lane"), { members, timeline });
const review = new Review($("review"), { members, timeline, decide: control });
const health = new Health($("health"));
const cards = new Cards({ members, decide: control });
const summary = new Summary($("summary"), session);
const line = new LiveLine(session, { role: "facilitator" });

/** Ask the server to act; what changed comes back as a frame. True when it was done. */
async function control(action, values = {}) {
  $("fault").hidden = true;
  try {
    await post(`/sessions/${session}/control/?as=facilitator`, { action, ...values });
    return true;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    $("fault").textContent = error.message;
    $("fault").hidden = false;
    showRoom();
    return false;
  }
}

// --- the room ----------------------------------------------------------------

function showRoom() {
  for (const choice of $("modes").elements) choice.checked = choice.value === room.mode;
  const ended = room.status === "ended";
  keepFocus(() => ($("modes").disabled = $("send").hidden = ended), () => $("scroll"));
  $("killed").hidden = !room.killed;
  slotsOf($("kill")).text.textContent = say(room.killed ? "kill.off" : "kill.on");
  $("kill").classList.toggle("button--danger", !room.killed);
  $("kill").classList.toggle("button--outline", room.killed);
  $("end").textContent = say(ended ? "reopen" : "end");
  document.body.dataset.status = room.status;
  summary.show(ended);
  showLine();
}

function showLine() {
  const text = line.state === "live" && room.status === "ended" ? "status.ended" : `line.${line.state}`;
  slotsOf($("line")).text.textContent = say(text);
  $("line").dataset.state = line.state;
}

$("modes").addEventListener("change", ({ target }) => control("mode", { mode: target.value }));
$("kill").addEventListener("click", () => {
  if (room.killed) control("unkill");
  else $("kill-sure").showModal();
});
$("end").addEventListener("click", () => {
  if (room.status === "ended") control("start");
  else $("end-sure").showModal();
});
onYes($("kill-sure"), () => control("kill"));
onYes($("end-sure"), () => control("end"));
$("invite").addEventListener("click", () => $("invite-sheet").showModal());
$("copy").addEventListener("click", async ({ target }) => {
  await navigator.clipboard?.writeText(target.dataset.link);
  target.textContent = say("copied");
});

function onYes(dialog, act) {
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "yes") act();
    dialog.returnValue = "";
  });
}

async function look() {
  const seen = await get(`/sessions/${session}/?as=facilitator`);
  Object.assign(room, { mode: seen.mode, status: seen.status, killed: seen.killed });
  for (const member of seen.members ?? []) members.update(member);
  $("nobody").hidden = !members.empty;
  numbers.show();
  cards.search(seen.playbook);
  showRoom();
}

// --- frames ----------------------------------------------------------------------

const ended = (frame) => {
  timeline.ended(frame);
  numbers.show();
};

const handlers = {
  welcome: () => look().catch(() => {}),
  "member.changed"(frame) {
    members.update(frame);
    timeline.rename(frame.member);
    numbers.show();
  },
  "control.changed"({ mode, status, killed, paused }) {
    Object.assign(room, { mode, status, killed });
    members.paused(paused ?? []);
    showRoom();
  },
  utterance(frame, past) {
    timeline.said(frame, past);
    review.said(frame);
    lane.said(frame);
    numbers.said(frame);
  },
  "nudge.done"(frame) {
    timeline.nudged(frame);
    review.settled(frame);
    numbers.nudged(frame);
    health.nudged(frame);
  },
  "nudge.held"(frame, past) {
    timeline.nudged(frame, "held");
    review.add(frame, past);
  },
  "nudge.dropped"(frame) {
    timeline.nudged(frame, "dropped");
    review.settled(frame);
  },
  "nudge.feedback"(frame) {
    timeline.judged(frame);
    numbers.judged(frame);
  },
  budget({ period, percent }) {
    const key = percent < 100 ? "budget.warning" : "budget.spent";
    $("budget").textContent = say(key, { percent, period: name("period", period) });
    $("budget").hidden = false;
  },
  timing: (frame) => timeline.timed(frame),
  alert: (frame, past) => lane.add(frame, past),
  "alert.acknowledged": (frame, past) => lane.settled(frame, past),
  overloaded: () => health.overloaded(),
  escalated: ended,
  blocked: ended,
  no_nudge: ended,
  cancelled: ended,
  error: ended,
};

line.addEventListener("frame", ({ detail: { frame, past } }) => {
  handlers[frame.type]?.(frame, past);
  $("silence").hidden = !timeline.empty;
  $("nobody").hidden = !members.empty;
});
line.addEventListener("reset", () => {
  const parts = [members, timeline, numbers, lane, review, health];
  keepFocus(() => parts.forEach((part) => part.reset()), () => $("scroll"));
  look().catch(() => {});
});
line.addEventListener("state", () => {
  showLine();
  if (line.state === "closed") announce(say("gone"), { urgent: true });
});

bind({ r: () => review.releaseFirst(), h: () => review.holdFirst() });
showRoom();
// Names first: what is replayed then has them.
await look().catch(() => {});
line.open();
