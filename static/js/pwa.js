// Registers the service worker, and offers a new version instead of forcing it on anyone.

const toast = document.getElementById("update");

async function register() {
  const registration = await navigator.serviceWorker.register("/sw.js", { scope: "/" });
  if (registration.waiting) offer(registration.waiting);
  registration.addEventListener("updatefound", () => {
    const worker = registration.installing;
    worker?.addEventListener("statechange", () => {
      // Without a controller this is the first visit, not an update.
      if (worker.state === "installed" && navigator.serviceWorker.controller) offer(worker);
    });
  });
}

function offer(worker) {
  toast.hidden = false;
  toast.querySelector("button").addEventListener(
    "click",
    () => {
      navigator.serviceWorker.addEventListener("controllerchange", () => location.reload());
      worker.postMessage("take-over");
    },
    { once: true },
  );
}

if ("serviceWorker" in navigator && toast) register().catch(() => {});
