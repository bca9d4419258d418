// A lane for each member, with a mark for whatever happened to them, and a line where we are.

import { say, stamp, whole } from "../dom.js";
import { draw, picture } from "./charts.js";

const WIDTH = 1000;
const HEIGHT = 20;
const MARKS = {
  utterance: { kind: "said", y: 12, height: 8, width: 3 },
  "nudge.done": { kind: "nudge", y: 0, height: 14, width: 3 },
  escalated: { kind: "urgent", y: 0, height: HEIGHT, width: 5 },
  alert: { kind: "urgent", y: 0, height: HEIGHT, width: 5 },
};
const SILENT = { kind: "silent", y: 4, height: 6, width: 2 };

/** The style of what a frame is on a lane; none for what leaves no mark. */
function mark({ type }) {
  if (type === "no_nudge" || type === "blocked" || type === "cancelled") return SILENT;
  return MARKS[type];
}

export class Lanes {
  #target;
  #names;
  #heads = [];

  constructor(target, names) {
    this.#target = target;
    this.#names = names;
  }

  /** Draw moments, [{ at, frame }] with `at` in ms, over a `span` in ms. */
  draw(moments, span) {
    const rows = this.#names.participants.map(({ member }) =>
      this.#row(member, moments.filter(({ frame }) => whose(frame) === member), span),
    );
    this.#target.replaceChildren(...rows);
  }

  /** Move the line to a share of the whole, 0 to 1. */
  point(share) {
    for (const head of this.#heads) {
      head.setAttribute("x1", share * WIDTH);
      head.setAttribute("x2", share * WIDTH);
    }
  }

  #row(member, moments, span) {
    const { root, slots } = stamp("lane");
    const name = this.#names.name(member);
    slots.name.textContent = name;
    const marks = moments.filter(({ frame }) => mark(frame)).map(({ at, frame }) => {
      const { kind, ...box } = mark(frame);
      const x = (at / span) * (WIDTH - box.width);
      return draw("rect", { x, ...box, class: `lanes__mark is-${kind}` });
    });
    const head = draw("line", { x1: 0, x2: 0, y1: 0, y2: HEIGHT, class: "lanes__head" });
    this.#heads.push(head);
    const count = (type) => whole(moments.filter(({ frame }) => frame.type === type).length);
    const counts = { said: count("utterance"), nudges: count("nudge.done"), urgent: count("alert") };
    slots.track.append(picture(WIDTH, HEIGHT, say("lane", { name, ...counts }), ...marks, head));
    return root;
  }
}

function whose({ member, speaker }) {
  return speaker?.member ?? member;
}
