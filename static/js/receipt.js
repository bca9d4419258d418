// Checking a receipt: the file's content goes to the server, which knows its own signatures.

import { post } from "./api.js";
import { moment, say } from "./dom.js";

const $ = (id) => document.getElementById(id);

function show(id, text) {
  for (const each of ["fault", "valid"]) $(each).hidden = each !== id;
  $(id).textContent = text;
}

async function check() {
  const [file] = $("file").files;
  if (!file) return;
  let receipt;
  try {
    receipt = JSON.parse(await file.text());
  } catch {
    show("fault", say("not-json"));
    return;
  }
  try {
    const { valid, reason, issued_at: issued } = await post("/consent/verify/", receipt);
    if (valid) show("valid", say("valid", { when: moment(issued) }));
    else show("fault", say("invalid", { reason }));
  } catch (error) {
    show("fault", error.message);
  }
}

$("file").addEventListener("change", check);
$("check").addEventListener("submit", (event) => event.preventDefault());
