// Calls of the API, and a hook that reads one.

import { useEffect, useRef, useState } from "./dom.js";

/** An answer that is no answer: `code` is for programs, `message` for people. */
export class ApiError extends Error {
  /** @param {number} status @param {string} code @param {string} message */
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Stands for a body that is not JSON; null is an answer, such as a path that does not exist. */
const UNREADABLE = Symbol("unreadable");

/** Calls an address. With a body it is sent as JSON.
 * @param {string} path
 * @param {{ body?: unknown, signal?: AbortSignal }} [options]
 * @returns {Promise<any>} */
export async function call(path, { body, signal } = {}) {
  const init = body === undefined
    ? { signal }
    : { signal, method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  let response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "offline", "The server does not answer. Is `nexthink-graph serve` still running?");
  }
  const answer = await response.json().catch(() => UNREADABLE);
  if (response.ok && answer !== UNREADABLE) return answer;
  const problem = answer?.error ?? { code: "failed", message: `The server answered with status ${response.status}.` };
  if (response.status === 401) dispatchEvent(new Event("signedout"));
  throw new ApiError(response.status, problem.code, problem.message);
}

/** The address of a call about a tenant.
 * @param {string} tenant
 * @param {string} path
 * @param {Record<string, string | number | null | undefined>} [params] */
export function tenantPath(tenant, path, params = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== "") query.set(name, String(value));
  }
  const base = `/api/v1/tenants/${encodeURIComponent(tenant)}/${path}`;
  return query.size ? `${base}?${query}` : base;
}

/**
 * @typedef {object} Loaded
 * @property {any} data The answer, or the one before while a new one is loading; undefined until there is one.
 * @property {ApiError | null} error
 * @property {boolean} loading
 */

/** Reads an address, and again whenever it, the body or `version` changes. Nothing is read for null.
 * While an answer with the same `topic` is loading, the one before stays.
 * @param {string | null} path
 * @param {unknown} [body]
 * @param {unknown} [version]
 * @param {unknown} [topic]
 * @returns {Loaded} */
export function useCall(path, body, version, topic = body) {
  const [state, setState] = useState({ data: undefined, error: null, loading: path !== null, path });
  const sent = body === undefined ? undefined : JSON.stringify(body);
  const last = useRef(`${path?.split("?")[0]} ${JSON.stringify(topic)}`);
  useEffect(() => {
    if (path === null) return undefined;
    const controller = new AbortController();
    // An answer about something else is not shown while this one is loading.
    const about = `${path.split("?")[0]} ${JSON.stringify(topic)}`;
    const isSame = last.current === about;
    last.current = about;
    setState((old) => ({ data: isSame ? old.data : undefined, error: null, loading: true, path }));
    call(path, { body, signal: controller.signal }).then(
      (data) => setState({ data, error: null, loading: false, path }),
      (error) => {
        if (!controller.signal.aborted) setState({ data: undefined, error, loading: false, path });
      },
    );
    return () => controller.abort();
  }, [path, sent, version]);
  return path === null ? { data: undefined, error: null, loading: false } : state;
}
