// How many nudges somebody wants, and how they come. The server keeps the first, this browser the last.

import { ApiError, post } from "./api.js";
import { announce, hour, keepFocus, say, slotsOf } from "./dom.js";

const QUIET = "sidecoach.quiet";

export class Wishes {
  #session;
  #dialog = document.getElementById("wishes");
  #slots = slotsOf(this.#dialog);
  #button = document.getElementById("wish");
  #folded = document.getElementById("quiet");
  #wishes = { verbosity: "normal", snoozed_until: null };

  constructor(session) {
    this.#session = session;
    this.#folded.checked = localStorage.getItem(QUIET) === "yes";
    this.#button.addEventListener("click", () => this.#dialog.showModal());
    this.#dialog.addEventListener("change", ({ target }) => this.#changed(target));
    this.#dialog.addEventListener("click", ({ target }) => this.#clicked(target));
    this.#show();
  }

  /** True while nudges are to wait folded. */
  get quiet() {
    return this.#folded.checked;
  }

  /** What the server keeps, as it is now. */
  update(wishes) {
    Object.assign(this.#wishes, wishes);
    this.#show();
  }

  #changed({ name, value }) {
    if (name === "verbosity") return this.#wish({ verbosity: value });
    localStorage.setItem(QUIET, this.quiet ? "yes" : "no");
    this.#show();
  }

  #clicked(target) {
    if (target === this.#dialog) this.#dialog.close();
    const { minutes } = target.dataset;
    if (minutes) this.#wish({ snooze_minutes: Number(minutes) });
  }

  async #wish(wish) {
    this.#slots.fault.hidden = true;
    try {
      this.update(await post(`/sessions/${this.#session}/wishes/`, wish));
      announce(say("wishes.kept"));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#slots.fault.textContent = error.message;
      this.#slots.fault.hidden = false;
      this.#show();
    }
  }

  #show() {
    const { verbosity, snoozed_until: until } = this.#wishes;
    const rests = until !== null && Date.parse(until) > Date.now();
    for (const choice of this.#dialog.querySelectorAll("[name=verbosity]")) {
      choice.checked = choice.value === verbosity;
    }
    keepFocus(
      () => (this.#slots.resting.hidden = this.#slots.goon.hidden = !rests),
      () => this.#dialog.querySelector("[data-minutes]"),
    );
    if (rests) this.#slots.resting.textContent = say("resting", { when: hour(until) });
    const { on, off } = slotsOf(this.#button);
    on.hidden = !(this.quiet || rests || verbosity === "quiet");
    off.hidden = !on.hidden;
  }
}
