// Registers the service worker, and offers a new version instead of forcing it on anyone.

const LANGUAGE = "sidecoach.language";
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

// A browser that could install this asks once; its question waits until somebody wants it.
addEventListener("beforeinstallprompt", (question) => {
  const install = document.getElementById("install");
  if (!install) return;
  question.preventDefault();
  install.hidden = false;
  install.addEventListener("click", () => question.prompt(), { once: true });
});
addEventListener("appinstalled", () => document.getElementById("install")?.setAttribute("hidden", ""));

/** The offline page is kept in the language that was spoken last. */
async function keepLanguage() {
  const { lang } = document.documentElement;
  if (localStorage.getItem(LANGUAGE) === lang) return;
  const { active } = await navigator.serviceWorker.ready;
  active.postMessage("renew");
  localStorage.setItem(LANGUAGE, lang);
}

if ("serviceWorker" in navigator && toast) register().then(keepLanguage).catch(() => {});
