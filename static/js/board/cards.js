// Sending a card by hand: from a quick search of the playbook, or one's own words.

import { get, query } from "../api.js";
import { announce, element, keepFocus, say, stamp } from "../dom.js";

const PAUSE_MS = 250;
const LIMIT = 4;
const $ = (id) => document.getElementById(id);

export class Cards {
  #members;
  #decide;
  #playbook = null;
  #asked = 0;

  constructor({ members, decide }) {
    this.#members = members;
    this.#decide = decide;
    let timer;
    $("search").addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.#find($("search").value.trim()), PAUSE_MS);
    });
    $("to").addEventListener("pointerdown", () => this.#offer());
    $("to").addEventListener("focus", () => this.#offer());
    $("own").addEventListener("submit", (event) => this.#sendOwn(event));
  }

  /** Search this playbook from now on. */
  search(playbook) {
    this.#playbook = playbook;
    $("search").disabled = !playbook;
    $("found-none").hidden = Boolean(playbook);
    $("found-none").textContent = say("found.no-playbook");
  }

  /** Everyone, and each who takes part. */
  #offer() {
    const chosen = $("to").value;
    const people = this.#members.participants.map(({ member, name }) =>
      element("option", { value: member, text: say("to.one", { name }) }),
    );
    $("to").replaceChildren(element("option", { value: "", text: say("to.everyone") }), ...people);
    $("to").value = chosen;
  }

  async #find(words) {
    const asked = (this.#asked += 1);
    const path = `/playbooks/${this.#playbook.id}/search/`;
    const { results } = words
      ? await get(path + query({ q: words, mode: "hybrid", limit: LIMIT })).catch(() => ({
          results: [],
        }))
      : { results: [] };
    // A slower answer to an older question must not replace a newer one.
    if (asked !== this.#asked) return;
    const cards = results.map((found) => this.#found(found));
    keepFocus(() => $("found").replaceChildren(...cards), () => $("search"));
    $("found-none").textContent = say("found.none");
    $("found-none").hidden = !words || results.length > 0;
  }

  #found({ passage, title, text }) {
    const { root, slots } = stamp("found-card");
    slots.title.textContent = title;
    slots.text.textContent = text;
    slots.send.addEventListener("click", async () => {
      if (await this.#send({ passage })) slots.send.textContent = say("sent");
    });
    return root;
  }

  async #sendOwn(event) {
    event.preventDefault();
    const text = $("own-text").value.trim();
    if (text && (await this.#send({ text }))) $("own-text").value = "";
  }

  async #send(card) {
    const member = $("to").value;
    const done = await this.#decide("send", member ? { ...card, member } : card);
    if (done) announce(say("sent"));
    return done;
  }
}
