// A look back at a session: asked for, watched being written, read, written again or deleted.
//
// The page says what it is called: report.ask, report.lead, report.early and report.denied.

import { ApiError, get, query, remove, post } from "./api.js";
import { announce, keepFocus, known, readable, say, slotsOf, stamp, whole } from "./dom.js";

const EVERY_MS = 800;
// Where the live line tells how far it is, this only makes up for what that may lose.
const TOLD_EVERY_MS = 5_000;

export class ReportPanel {
  #target;
  #slots;
  #path;
  #as;
  #show;
  #every;
  #over = "";
  #report = null;
  #timer = 0;
  #facts = { ended: false, allowed: true };

  /**
   * `role`: who asks, for somebody who is both. `show`: bring an utterance into view, if the page
   * can. `live`: the page has a live line, and calls `told` with what it says of reports.
   */
  constructor(target, session, { role = "", show = null, live = false } = {}) {
    this.#target = target;
    target.tabIndex = -1;
    this.#slots = slotsOf(target);
    this.#path = `/sessions/${session}/reports/`;
    this.#as = query({ as: role });
    this.#show = show;
    this.#every = live ? TOLD_EVERY_MS : EVERY_MS;
    this.#slots.write.addEventListener("click", () => this.#write());
    this.#slots.stop.addEventListener("click", () => this.#end());
    this.#slots.remove.addEventListener("click", () => this.#end());
  }

  /** What else is known: has the session `ended`, is it `allowed`? Reads anew when that changed. */
  async update(facts) {
    const before = JSON.stringify(this.#facts);
    Object.assign(this.#facts, facts);
    if (JSON.stringify(this.#facts) === before && this.#report) return;
    this.#target.hidden = false;
    await this.refresh();
  }

  /** Read it anew, as another page or a withdrawal may have changed it. */
  async refresh() {
    await this.#guarded(async () => {
      [this.#report = null] = await get(this.#path + this.#as);
    });
    this.#draw();
  }

  /** What the live line says of a report: how far it is, or that it has ended. */
  told({ type, report, percent }) {
    // Its end may be told before the page has read that it began.
    if (type === "report.done") this.#over = report;
    if (this.#report?.report !== report || this.#report.state !== "running") return;
    if (this.#over !== report) this.#report.percent = percent;
    this.#draw();
  }

  async #write() {
    await this.#guarded(async () => {
      await post(this.#path + this.#as);
      await this.refresh();
    });
  }

  async #end() {
    const { report } = this.#report;
    await this.#guarded(() => remove(`${this.#path}${report}/${this.#as}`));
    await this.refresh();
    this.#slots.write.focus();
  }

  async #watch() {
    const { report } = this.#report;
    await this.#guarded(async () => {
      this.#report = await get(`${this.#path}${report}/${this.#as}`);
    });
    this.#draw();
    if (this.#report.state === "done") announce(say("report.done"));
  }

  async #guarded(act) {
    this.#slots.fault.hidden = true;
    try {
      await act();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#fault(error.message);
    }
  }

  #fault(words) {
    this.#slots.fault.textContent = words;
    this.#slots.fault.hidden = false;
  }

  #draw() {
    const { running, stop } = this.#slots;
    keepFocus(() => this.#fill(), () => (running.hidden ? this.#target : stop));
  }

  #fill() {
    clearTimeout(this.#timer);
    const slots = this.#slots;
    const { report, state = "none", percent = 0, points = [], source, reason } = this.#report ?? {};
    const { ended, allowed } = this.#facts;
    const running = state === "running";
    const denied = ended && !running && state !== "done" && (!allowed || reason === "no_consent");
    slots.lead.textContent = say(ended ? "report.lead" : "report.early");
    slots.lead.hidden = state === "done";
    slots.denied.hidden = !denied;
    slots.deniedtext.textContent = say("report.denied");
    slots.allow.hidden = !slots.allow.getAttribute("href");
    slots.running.hidden = !running;
    slots.bar.value = percent;
    slots.points.replaceChildren(...points.map((point) => this.#point(point)));
    slots.made.hidden = state !== "done";
    slots.made.textContent = known(`report.by.${source}`) ? say(`report.by.${source}`) : "";
    slots.write.hidden = !ended || running || denied;
    slots.write.textContent = say(ASKS[state] ?? "report.ask");
    slots.write.classList.toggle("button--outline", state === "done");
    slots.remove.hidden = state !== "done";
    if (!denied && (state === "failed" || state === "cancelled")) this.#fault(ending(state, reason));
    const wait = report === this.#over ? 0 : this.#every;
    if (running) this.#timer = setTimeout(() => this.#watch(), wait);
  }

  #point({ heading, text, turns = [] }) {
    const { root, slots } = stamp("point");
    slots.heading.textContent = heading;
    slots.text.replaceChildren(...readable(text));
    slots.cited.hidden = turns.length === 0;
    if (this.#show) {
      slots.show.textContent = say("report.show");
      slots.show.addEventListener("click", () => this.#show(turns[0].utterance));
    } else {
      slots.cited.className = "tiny soft";
      slots.cited.replaceChildren(say("report.rests", { count: whole(turns.length) }));
    }
    return root;
  }
}

const ASKS = { done: "report.again", failed: "report.retry", cancelled: "report.retry" };

function ending(state, reason) {
  if (state === "cancelled") return say(reason === "consent_changed" ? "report.changed" : "report.cancelled");
  return say(reason === "interrupted" ? "report.interrupted" : "report.failed");
}
