// The service worker shows this page at the address that could not be reached; go back to it.

const EVERY_MS = 3_000;

/** Reload once the server answers: that a network is there does not yet mean that it carries. */
async function comeBack() {
  try {
    await fetch("/healthz", { cache: "no-store" });
  } catch {
    return;
  }
  location.reload();
}

document.getElementById("again").addEventListener("click", (event) => {
  event.preventDefault();
  location.reload();
});
addEventListener("online", comeBack);
setInterval(comeBack, EVERY_MS);
