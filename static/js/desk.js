/** Follows long work of the administration until its state is another one, then shows that. */

const EVERY_MS = 700;

const card = document.querySelector("[data-progress]");
if (card) follow(card);

async function follow(card) {
  const bar = card.querySelector("progress");
  const said = card.querySelector("[data-said]");
  for (;;) {
    await new Promise((done) => setTimeout(done, EVERY_MS));
    let now;
    try {
      const answer = await fetch(card.dataset.progress, { headers: { Accept: "application/json" } });
      if (!answer.ok) continue;
      now = await answer.json();
    } catch {
      continue;
    }
    if (now.lost || now.state !== card.dataset.now) {
      location.reload();
      return;
    }
    bar.max = now.total || 1;
    bar.value = now.done;
    const words = `${now.stage} ${now.done} / ${now.total}`;
    if (said.textContent !== words) said.textContent = words;
  }
}
