// Speech recognition, where the browser offers it. The sound never reaches Sidecoach.

const Recognition = window.SpeechRecognition ?? window.webkitSpeechRecognition;

/** True when this browser can turn speech into text. */
export const offered = Boolean(Recognition);

/** Events: "interim" { text }, "sentence" { text }, "stop" { error } with the browser's reason. */
export class Listener extends EventTarget {
  #recognition = null;
  #error = "";

  get listening() {
    return this.#recognition !== null;
  }

  start() {
    const recognition = new Recognition();
    recognition.continuous = true;
    recognition.interimResults = true;
    recognition.lang = document.documentElement.lang;
    recognition.addEventListener("result", (event) => this.#heard(event));
    recognition.addEventListener("error", ({ error }) => (this.#error = error));
    recognition.addEventListener("end", () => this.#ended());
    this.#error = "";
    this.#recognition = recognition;
    recognition.start();
  }

  stop() {
    const recognition = this.#recognition;
    this.#recognition = null;
    recognition?.stop();
  }

  #heard({ results, resultIndex }) {
    let interim = "";
    for (const result of [...results].slice(resultIndex)) {
      const text = result[0].transcript.trim();
      if (result.isFinal && text) this.#tell("sentence", { text });
      else interim += ` ${text}`;
    }
    this.#tell("interim", { text: interim.trim() });
  }

  /** Browsers end by themselves after a silence; go on until somebody stops or it fails. */
  #ended() {
    const harmless = ["", "no-speech", "aborted"].includes(this.#error);
    if (this.#recognition && harmless) {
      this.#error = "";
      this.#recognition.start();
      return;
    }
    this.#recognition = null;
    this.#tell("stop", { error: harmless ? "" : this.#error });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
