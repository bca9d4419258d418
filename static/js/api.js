// The REST interface, on this origin, with this browser's cookie.

import { known, say } from "./dom.js";

const ROOT = "/api/v1";
const TIMEOUT_MS = 15_000;
// How often a server that has too much to do is asked again, and for how long one waits at most.
const TRIES = 5;
const LONGEST_WAIT_MS = 8_000;

// The title of what was refused before anything of it was done, so that it may be asked again.
const OVERLOADED = "Overloaded";

/** What the server refused, or (status 0) a server that could not be reached. */
export class ApiError extends Error {
  constructor(status, problem = {}) {
    const [fault] = Object.values(problem.errors ?? {}).flat();
    const told = typeof fault === "string" ? fault : problem.detail || problem.title;
    super(refusal(problem) || told || say(status ? "failed" : "unreachable"));
    this.status = status;
    this.overloaded = status === 503 && problem.title === OVERLOADED;
  }
}

/** Our own words for a refusal whose code the page knows. */
function refusal({ errors = {}, title }) {
  if (title === OVERLOADED) return say("refusal.busy");
  const code = Object.keys(errors).find((each) => known(`refusal.${each}`));
  return code && say(`refusal.${code}`);
}

export const get = (path) => request("GET", path);
export const post = (path, body = {}) => request("POST", path, body);
/** `post` for whoever has a way of their own to ask again later. */
export const postOnce = (path, body) => requestOnce("POST", path, body);
export const remove = (path) => request("DELETE", path, {});

/** The part of an address after "?", without empty values. */
export function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

/** A room full of people asks at the same moment: whoever is told to wait does so, and asks again. */
async function request(method, path, body) {
  for (let tried = 1; ; tried += 1) {
    try {
      return await requestOnce(method, path, body);
    } catch (error) {
      if (!error.overloaded || tried === TRIES) throw error;
      const wait = Math.min(LONGEST_WAIT_MS, 1000 * 2 ** (tried - 1));
      await new Promise((done) => setTimeout(done, wait * (0.5 + Math.random())));
    }
  }
}

async function requestOnce(method, path, body) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    headers["X-CSRFToken"] = document.querySelector("meta[name=csrf-token]").content;
  }
  let response;
  try {
    response = await fetch(ROOT + path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      // A decision made in the last moment before leaving the page is still sent.
      keepalive: body !== undefined,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw new ApiError(0);
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new ApiError(response.status, answer);
  return answer;
}
