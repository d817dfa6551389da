// The view library: Preact, its hooks, and templates. Every other module takes them from here.

import { h, render, createContext, Fragment } from "../vendor/preact.js";
import htm from "../vendor/htm.js";

export { render, createContext, Fragment, h };
export {
  useCallback, useContext, useEffect, useErrorBoundary, useId, useLayoutEffect, useMemo, useRef, useState,
} from "../vendor/hooks.js";

/** Templates: html`<b>${text}</b>`. Texts become text nodes, never markup. */
export const html = htm.bind(h);
