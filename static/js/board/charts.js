// Small charts as SVG. Each says in words what it shows; colours come from the style sheet.

const SVG = "http://www.w3.org/2000/svg";

/** An SVG element. */
export function draw(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** A drawing that says in words what it shows, stretched to its place. */
export function picture(width, height, label, ...children) {
  const box = `0 0 ${width} ${height}`;
  const attributes = { viewBox: box, role: "img", "aria-label": label, preserveAspectRatio: "none" };
  return draw("svg", attributes, ...children);
}

/** The style of a stage: waiting for the model stands out from what is ours. */
export function shade({ name }, nth) {
  return name === "draft" ? "shade-model" : `shade-${nth % 8}`;
}

/** One bar whose parts are as long as each { ms } takes. */
export function stacked(parts, label) {
  const total = parts.reduce((sum, part) => sum + part.ms, 0) || 1;
  let x = 0;
  const pieces = parts.map((part, nth) => {
    const width = (part.ms / total) * 100;
    const piece = draw("rect", { x, y: 0, width, height: 6, class: shade(part, nth) });
    x += width;
    return piece;
  });
  return picture(100, 6, label, ...pieces);
}

/** A bar filled to `share` of 1. */
export function bar(share, label) {
  return picture(
    100,
    6,
    label,
    draw("rect", { x: 0, y: 0, width: 100, height: 6, class: "bar__rest" }),
    draw("rect", { x: 0, y: 0, width: share * 100, height: 6, class: "bar__part" }),
  );
}

/** Values in ms as columns, oldest first, with a line at `limit`; later than that stands out. */
export function columns(values, { limit, label }) {
  const top = Math.max(limit * 1.25, ...values);
  const width = 100 / Math.max(values.length, 24);
  const marks = values.map((value, nth) => {
    const height = Math.max(1, (value / top) * 40);
    const kind = value > limit ? "latest is-late" : "latest";
    return draw("rect", {
      x: nth * width,
      y: 40 - height,
      width: width * 0.7,
      height,
      class: kind,
    });
  });
  const y = 40 - (limit / top) * 40;
  const line = draw("line", { x1: 0, x2: 100, y1: y, y2: y, class: "limit" });
  return picture(100, 40, label, ...marks, line);
}
