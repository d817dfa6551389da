// Signing in with a token, where the one-time address was not used in this browser.

import { html, useState } from "./dom.js";
import { call } from "./api.js";
import { Problem } from "./parts.js";

/** @param {{ onDone: () => void }} props */
export function SignIn({ onDone }) {
  const [token, setToken] = useState("");
  const [error, setError] = useState(/** @type {any} */ (null));
  const send = (/** @type {Event} */ event) => {
    event.preventDefault();
    call("/session", { body: { token } }).then(onDone, setError);
  };
  return html`<main class="page signin"><div class="card">
    <h1>Nexthink Graph</h1>
    <p>Open the address that <code>nexthink-graph serve</code> has printed. It can be used once, in one browser.</p>
    <form class="stack" onSubmit=${send}>
      <label class="field">Or sign in with a token
        <input class="input" type="password" autocomplete="current-password" value=${token}
          onInput=${(/** @type {any} */ event) => setToken(event.target.value)} /></label>
      <div><button class="button primary" disabled=${!token}>Sign in</button></div>
    </form>
    ${error && html`<${Problem} error=${error} />`}
    <p class="muted">Whoever runs the server makes a token with <code>nexthink-graph serve token new</code>.</p>
  </div></main>`;
}
