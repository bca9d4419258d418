// Durable frames carry `seq`, numbered from 1 without gaps in one `epoch`.

const MAX_EARLY = 1024;

/** Puts durable frames in order: each once, none skipped. */
export class Sequence {
  epoch = null;
  last = 0;
  #early = new Map();

  /** Start over: the next frame expected is `last` + 1 of `epoch`. */
  restart(epoch, last = 0) {
    this.epoch = epoch;
    this.last = last;
    this.#early.clear();
  }

  /** True while frames wait for one that is missing. */
  get gap() {
    return this.#early.size > 0;
  }

  /** True when so many wait that replaying them one by one is no use any more. */
  get hopeless() {
    return this.#early.size > MAX_EARLY;
  }

  /** The frames that are now in order, oldest first; none for a frame seen before. */
  accept(frame) {
    if (frame.seq <= this.last) return [];
    this.#early.set(frame.seq, frame);
    const ready = [];
    for (let next; (next = this.#early.get(this.last + 1)); ) {
      this.#early.delete(next.seq);
      this.last = next.seq;
      ready.push(next);
    }
    return ready;
  }
}
