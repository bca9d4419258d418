// What a session came to, for its facilitator: the summary in words, and the numbers.

import { Summary } from "./board/summary.js";
import { ReportPanel } from "./report.js";

const { session, status } = document.body.dataset;
const report = new ReportPanel(document.getElementById("report"), session, { role: "facilitator" });
const summary = new Summary(document.getElementById("summary"), session);

document.getElementById("print").addEventListener("click", () => print());
await Promise.all([report.update({ ended: status === "ended" }), summary.show(true)]);
