// The facilitator's sessions, and opening a new one.

import { get, post } from "./api.js";
import { element, moment, name, say, stamp } from "./dom.js";

const board = document.getElementById("main").dataset.board;
const form = document.getElementById("new");
const fault = document.getElementById("fault");

const boardOf = (id) => board.replace(/[0-9a-f-]{36}/, id);

function row({ id, title, join_code, status, mode, killed, created_at }) {
  const { root, slots } = stamp("session");
  slots.link.textContent = title;
  slots.link.href = boardOf(id);
  slots.at.dateTime = created_at;
  slots.at.textContent = moment(created_at);
  slots.code.textContent = status === "open" ? join_code : "";
  slots.status.textContent = name("status", status);
  slots.status.classList.toggle("chip--on", status === "open");
  const held = killed ? "killed" : mode === "paused" ? "paused" : "";
  slots.held.hidden = !held || status !== "open";
  slots.held.textContent = held && say(`held.${held}`);
  for (const page of ["summary", "replay"]) {
    slots[page].hidden = status === "open";
    slots[page].href = `${boardOf(id)}${page}/`;
  }
  return root;
}

async function showSessions() {
  const sessions = await get("/sessions/");
  document.getElementById("sessions").replaceChildren(...sessions.map(row));
  document.getElementById("none").hidden = sessions.length > 0;
}

async function showPlaybooks() {
  const playbooks = (await get("/playbooks/")).filter(({ version }) => version !== null);
  const choices = playbooks.map((playbook) =>
    element("option", { value: playbook.id, text: say("playbook", playbook) }),
  );
  const none = element("option", { value: "", text: say("no-playbook") });
  form.elements.playbook.replaceChildren(...(choices.length ? choices : [none]));
}

function show(error) {
  fault.textContent = error.message;
  fault.hidden = false;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  fault.hidden = true;
  const { title, playbook, mode } = form.elements;
  try {
    const wanted = { title: title.value.trim(), playbook: playbook.value || null, mode: mode.value };
    location.assign(boardOf((await post("/sessions/", wanted)).id));
  } catch (error) {
    show(error);
  }
});

await Promise.all([showSessions(), showPlaybooks()]).catch(show);
