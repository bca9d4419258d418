// A session over again: its frames in order, as fast as one likes, to and fro.

import { ApiError, get, query } from "./api.js";
import { keepFocus, say, slotsOf, span } from "./dom.js";
import { Lanes } from "./board/lanes.js";
import { Names } from "./board/names.js";
import { bind } from "./board/shortcuts.js";
import { Timeline } from "./board/timeline.js";

const { session } = document.body.dataset;
const $ = (id) => document.getElementById(id);
const names = new Names();
const timeline = new Timeline($("timeline"), names);
const lanes = new Lanes($("lanes"), names);

/** What happened, oldest first: { at, frame } with `at` in ms from the beginning. */
let moments = [];
let length = 0;
let now = 0;
let shown = 0;
let playing = false;

const show = {
  utterance: (frame) => timeline.said(frame, true),
  "nudge.done": (frame) => timeline.nudged(frame),
  "nudge.held": (frame) => timeline.nudged(frame, "held"),
  "nudge.dropped": (frame) => timeline.nudged(frame, "dropped"),
  "nudge.feedback": (frame) => timeline.judged(frame),
  erased: () => timeline.erased(),
  escalated: (frame) => timeline.ended(frame),
  blocked: (frame) => timeline.ended(frame),
  no_nudge: (frame) => timeline.ended(frame),
  cancelled: (frame) => timeline.ended(frame),
  error: (frame) => timeline.ended(frame),
};

// --- what happened ---------------------------------------------------------------

/** Every frame of the facilitators' stream. */
async function frames() {
  const path = `/sessions/${session}/events/`;
  const all = [];
  for (;;) {
    const after = all.at(-1)?.seq ?? 0;
    const page = await get(path + query({ after, as: "facilitator" }));
    all.push(...page.events);
    if (!page.events.length || all.at(-1).seq >= page.seq) return all;
  }
}

/** Frames with their time. What was erased has none left: it takes that of what came before. */
function timed(all) {
  const began = Date.parse(all.find(({ at }) => at)?.at);
  let last = began;
  return all.map((frame) => {
    last = frame.at ? Date.parse(frame.at) : last;
    return { at: last - began, frame };
  });
}

async function read() {
  const seen = await get(`/sessions/${session}/${query({ as: "facilitator" })}`);
  for (const member of seen.members ?? []) names.update(member);
  const all = await frames();
  for (const frame of all) if (frame.type === "member.changed") names.update(frame);
  moments = timed(all).filter(({ frame }) => show[frame.type] || frame.type === "alert");
  $("nothing").hidden = moments.length > 0;
  if (!moments.length) return;
  const first = all.find(({ at }) => at).at;
  length = Math.max(moments.at(-1).at, 1000);
  $("when").textContent = span(first, Date.parse(first) + length);
  // A slider stops at whole steps; the last one must not lie before the end.
  $("scrub").max = Math.ceil(length / 1000) * 1000;
  $("player").hidden = false;
  lanes.draw(moments, length);
  go(0);
}

// --- to and fro --------------------------------------------------------------------

/** Be at this moment: on from where we are, or from the beginning where it lies behind us. */
function go(at) {
  const wanted = Math.min(Math.max(at, 0), length);
  if (wanted < now) {
    keepFocus(() => timeline.reset(), () => $("scroll"));
    shown = 0;
  }
  now = wanted;
  while (shown < moments.length && moments[shown].at <= now) {
    const { frame } = moments[shown];
    show[frame.type]?.(frame);
    shown += 1;
  }
  // Between two of its steps a slider would stop short of the end.
  $("scrub").value = now < length ? now : $("scrub").max;
  const place = { now: clock(now), all: clock(length) };
  $("scrub").setAttribute("aria-valuetext", say("clock", place));
  $("clock").textContent = say("clock", place);
  lanes.point(now / length);
}

function clock(value) {
  const seconds = Math.floor(value / 1000);
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const [, ...short] = parts;
  return (parts[0] ? parts : short).map((part) => String(part).padStart(2, "0")).join(":");
}

function play(on) {
  if (on && now >= length) go(0);
  playing = on;
  const { on: pause, off } = slotsOf($("play"));
  pause.hidden = !on;
  off.hidden = on;
  $("play").setAttribute("aria-pressed", String(on));
  $("play").setAttribute("aria-label", say(on ? "pause" : "play"));
  if (on) requestAnimationFrame((at) => step(at, at));
}

function step(at, before) {
  if (!playing) return;
  go(now + (at - before) * Number($("speed").value));
  if (now >= length) play(false);
  else requestAnimationFrame((next) => step(next, at));
}

$("play").addEventListener("click", () => play(!playing));
$("scrub").addEventListener("input", () => go(Number($("scrub").value)));
$("next").addEventListener("click", () => go(moments.find(({ at }) => at > now)?.at ?? length));
$("back").addEventListener("click", () => go(moments.findLast(({ at }) => at < now)?.at ?? 0));

bind();
try {
  await read();
} catch (error) {
  if (!(error instanceof ApiError)) throw error;
  $("fault").textContent = error.message;
  $("fault").hidden = false;
}
