// One nudge card: words stream in, then it can be used, changed, put off or waved away.

import { post } from "./api.js";
import { icon, keepFocus, name, readable, say, stamp } from "./dom.js";
import { why } from "./why.js";

const ICONS = {
  model: "spark", cache: "spark", facilitator: "person", playbook: "book", outside: "arrow",
};
let cards = 0;

export class NudgeCard {
  id;
  utterance;
  text = "";
  #slots;

  constructor({ nudge, utterance, source }) {
    const { root, slots } = stamp("nudge");
    this.root = root;
    this.id = nudge;
    this.utterance = utterance;
    this.#slots = slots;
    this.#source(source ?? "playbook");
    const editor = `edited-${(cards += 1)}`;
    slots.edited.id = editor;
    slots.editlabel.htmlFor = editor;
    root.dataset.state = "streaming";
    this.#listen();
  }

  get badge() {
    return this.#slots.badge.textContent;
  }

  /** More words, at their place in code points: a repeated piece changes nothing. */
  write(offset, piece) {
    this.text = [...this.text].slice(0, offset).join("") + piece;
    this.#show(this.text);
  }

  /** The whole nudge. What streamed before gives way to it. */
  finish({ text, citations = [], source }) {
    this.text = text;
    this.#source(source);
    this.#show(text);
    const title = citations[0]?.title;
    this.#slots.source.textContent = title ? say("cite", { title }) : "";
    this.#slots.acts.hidden = this.#slots.foot.hidden = false;
    this.root.dataset.state = "done";
  }

  /** Keep the words back until they are asked for. */
  fold() {
    this.#slots.folded.hidden = false;
    this.#slots.body.hidden = true;
  }

  unfold() {
    this.#slots.folded.hidden = true;
    this.#slots.body.hidden = false;
  }

  /** Show what was made of it, here or on another device. */
  judged(verdict, text = "") {
    const slots = this.#slots;
    keepFocus(() => (slots.acts.hidden = slots.edit.hidden = true), () => this.root.firstElementChild);
    slots.verdict.textContent = name("verdict", verdict);
    slots.verdict.hidden = false;
    if (text) this.#show(text);
    this.root.dataset.verdict = verdict;
  }

  #show(text) {
    this.#slots.text.replaceChildren(...readable(text));
  }

  #source(source) {
    this.#slots.badge.textContent = say(`badge.${source}`);
    this.#slots.icon.replaceChildren(icon(ICONS[source] ?? "book"));
  }

  async #judge(verdict, text) {
    this.#slots.fault.hidden = true;
    this.judged(verdict, text);
    try {
      await post(`/nudges/${this.id}/feedback/`, text ? { verdict, text } : { verdict });
    } catch (error) {
      this.#slots.verdict.hidden = true;
      this.#slots.acts.hidden = false;
      this.#show(this.text);
      delete this.root.dataset.verdict;
      this.#slots.fault.textContent = error.message;
      this.#slots.fault.hidden = false;
    }
  }

  #listen() {
    const slots = this.#slots;
    for (const button of this.root.querySelectorAll("[data-verdict]")) {
      button.addEventListener("click", () => this.#judge(button.dataset.verdict));
    }
    slots.why.addEventListener("click", () => why(this.id));
    slots.unfold.addEventListener("click", () => {
      this.unfold();
      this.root.firstElementChild.focus();
    });
    slots.more.addEventListener("click", () => {
      slots.rest.hidden = !slots.rest.hidden;
      slots.more.setAttribute("aria-expanded", String(!slots.rest.hidden));
      if (!slots.rest.hidden) slots.rest.scrollIntoView({ block: "nearest" });
    });
    slots.change.addEventListener("click", () => this.#edit(true));
    slots.keep.addEventListener("click", () => this.#edit(false));
    slots.edit.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = slots.edited.value.trim();
      if (text) this.#judge(text === this.text ? "accepted" : "edited", text);
    });
  }

  #edit(open) {
    this.#slots.edit.hidden = !open;
    this.#slots.acts.hidden = open;
    if (open) {
      this.#slots.edited.value = this.text;
      this.#slots.edited.focus();
    } else {
      this.#slots.change.focus();
    }
  }
}
