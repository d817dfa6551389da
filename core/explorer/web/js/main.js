// The start of the page: signs in, chooses the tenant, draws the frame and the page of the address.

import { html, render, useCallback, useEffect, useState } from "./dom.js";
import { AppContext } from "./app.js";
import { call } from "./api.js";
import { Frame } from "./frame.js";
import { SignIn } from "./signin.js";
import { Problem } from "./parts.js";
import { followLinks, href, navigate, useRoute } from "./router.js";

/** How often to look for a new generation. Milliseconds. */
const LOOK = 10000;

function App() {
  const route = useRoute();
  const [session, setSession] = useState(/** @type {any} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  const [isSignedOut, setSignedOut] = useState(false);
  const [shown, setShown] = useState(/** @type {Record<string, string | null>} */ ({}));

  const load = useCallback(() => {
    call("/api/v1/session").then(
      (answer) => {
        setSession(answer);
        setError(null);
        setSignedOut(false);
      },
      (problem) => (problem.status === 401 ? setSignedOut(true) : setError(problem)),
    );
  }, []);
  useEffect(load, []);
  useEffect(() => {
    const out = () => setSignedOut(true);
    addEventListener("signedout", out);
    const timer = setInterval(() => document.visibilityState === "visible" && load(), LOOK);
    return () => {
      removeEventListener("signedout", out);
      clearInterval(timer);
    };
  }, []);

  const first = session?.tenants[0]?.name ?? "";
  useEffect(() => {
    if (!route.tenant && first) navigate(href(first, "overview"), { replace: true });
  }, [route.tenant, first]);

  if (isSignedOut) return html`<${SignIn} onDone=${load} />`;
  if (!session) {
    return error ? html`<main class="page"><h1>Nexthink Graph</h1><${Problem} error=${error} /></main>`
      : html`<p class="loading">Loading…</p>`;
  }
  if (!route.tenant) return html`<p class="loading">${first ? "Loading…" : "The store has no tenant yet."}</p>`;
  const published = session.tenants.find((/** @type {any} */ tenant) => tenant.name === route.tenant)?.generation ?? null;
  const generation = route.tenant in shown ? shown[route.tenant] : published;
  // The generation that was first shown stays until the user asks for the new one.
  if (!(route.tenant in shown)) setShown({ ...shown, [route.tenant]: published });
  const app = { session, tenant: route.tenant, generation };
  return html`<${AppContext.Provider} value=${app}>
    <${Frame} route=${route} isOffline=${error?.code === "offline"}
      published=${published !== generation ? published : null}
      onShow=${() => setShown({ ...shown, [route.tenant]: published })} />
  <//>`;
}

followLinks();
const root = /** @type {HTMLElement} */ (document.getElementById("app"));
root.textContent = "";
render(html`<${App} />`, root);
