/** Requests to the console's own server. */
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

export interface Me {
  person: string;
  scopes: string[];
  csrf: string;
  service: string;
  local: boolean;
  fresh: boolean;
}

/** A refusal, of the console or of the service. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    title: string,
    readonly expected: string | null,
    readonly hint: string | null,
  ) {
    super(title);
  }
}

let csrf = "";

export async function signedIn(): Promise<Me | null> {
  // As the page's head has asked for it already.
  const response = await fetch("/api/me");
  if (response.status === 401) return null;
  const me = (await read<Me>(response)).value;
  csrf = me.csrf;
  return me;
}

export interface Answer<T> {
  value: T;
  /** Body, as it was sent. */
  text: string;
  etag: string | null;
  /** Milliseconds from the console's server to the service and back. */
  took_ms: number | null;
}

/** Reads from the service. @throws Refused */
export async function get<T>(path: string, signal?: AbortSignal): Promise<Answer<T>> {
  return read<T>(await fetch(`/api/service${path}`, signal === undefined ? {} : { signal }));
}

/** Reads bytes from the service. @throws Refused */
export async function getBytes(path: string): Promise<ArrayBuffer> {
  const response = await fetch(`/api/service${path}`);
  if (!response.ok) await read(response);
  return await response.arrayBuffer();
}

/** Changes something. @throws Refused */
export async function send<T>(method: "POST" | "PATCH", path: string, body: object, etag?: string | null): Promise<Answer<T>> {
  const headers: Record<string, string> = { "content-type": "application/json", "x-remit-csrf": csrf };
  if (etag !== undefined && etag !== null) headers["if-match"] = etag;
  return read<T>(await fetch(`/api/service${path}`, { method, headers, body: JSON.stringify(body) }));
}

/** Publishes a bundle, or stages it beside the one that runs. @throws Refused */
export async function sendBundle<T>(file: Blob, given: { reason: string; stage?: "shadow" | "back" }): Promise<Answer<T>> {
  const headers = { "content-type": "application/gzip", "x-remit-csrf": csrf };
  const query = new URLSearchParams(given);
  return read<T>(await fetch(`/api/service/bundles?${query.toString()}`, { method: "POST", headers, body: file }));
}

export async function signOut(): Promise<void> {
  await fetch("/api/logout", { method: "POST", headers: { "content-type": "application/json", "x-remit-csrf": csrf }, body: "{}" });
}

async function read<T>(response: Response): Promise<Answer<T>> {
  const isJson = response.headers.get("content-type")?.includes("json") === true;
  const text = await response.text();
  const value: unknown = isJson ? JSON.parse(text) : text;
  if (!response.ok) {
    const { code, title, expected, hint } = (isJson ? value : {}) as Partial<Record<"code" | "title" | "expected" | "hint", string>>;
    throw new Refused(response.status, code ?? String(response.status), title ?? "refused", expected ?? null, hint ?? null);
  }
  const took = response.headers.get("x-remit-took-ms");
  return { value: value as T, text, etag: response.headers.get("etag"), took_ms: took === null ? null : Number(took) };
}

export interface Resource<T> {
  data: T | null;
  etag: string | null;
  error: Refused | null;
  reload: () => void;
}

/** Returns a refusal as it is, and any other failure of a request as one of the console. */
export const asRefused = (cause: unknown): Refused =>
  cause instanceof Refused
    ? cause
    : new Refused(0, "unreachable", "the console's server doesn't answer", null, "is `remit console` running?");

/** A read is followed by the next after so long: on a busy service ten events a second ask for one. */
export const RESTS_MS = 250;

/**
 * Reads a path of the service, and again when it changes or is asked to; null reads nothing. Asked while it reads, it reads once more
 * afterwards: however often it is asked, what was begun comes to its end. Nothing is drawn again where the same comes back.
 */
export function useResource<T>(path: string | null): Resource<T> {
  const [state, setState] = useState<Omit<Resource<T>, "reload"> & { of: string | null }>({
    data: null,
    etag: null,
    error: null,
    of: null,
  });
  const again = useRef<() => void>(() => undefined);
  const reload = useCallback(() => {
    again.current();
  }, []);
  // Before the page is painted: what it shows is on its way meanwhile.
  useLayoutEffect(() => {
    if (path === null) return undefined;
    const abort = new AbortController();
    const reading = { isUnderWay: false, isWanted: false };
    let shown: string | null = null;
    const read = async (): Promise<void> => {
      reading.isWanted = true;
      if (reading.isUnderWay) return;
      reading.isUnderWay = true;
      while (reading.isWanted) {
        reading.isWanted = false;
        try {
          const { value, text, etag } = await get<T>(path, abort.signal);
          if (shown !== `${etag ?? ""} ${text}`) setState({ data: value, etag, error: null, of: path });
          shown = `${etag ?? ""} ${text}`;
        } catch (cause) {
          if (abort.signal.aborted) return;
          shown = null;
          setState((before) => ({ ...(before.of === path ? before : { data: null, etag: null }), error: asRefused(cause), of: path }));
        }
        await new Promise((resolve) => setTimeout(resolve, RESTS_MS));
      }
      reading.isUnderWay = false;
    };
    again.current = () => void read();
    void read();
    return () => {
      abort.abort();
      again.current = () => undefined;
    };
  }, [path]);
  const { data, etag, error, of } = state;
  return of === path ? { data, etag, error, reload } : { data: null, etag: null, error: null, reload };
}

/** Calls a function every so often, while the page can be seen; null: never. */
export function useEvery(ms: number | null, call: () => void): void {
  const latest = useRef(call);
  latest.current = call;
  useEffect(() => {
    if (ms === null) return undefined;
    const timer = setInterval(() => {
      if (!document.hidden) latest.current();
    }, ms);
    return () => {
      clearInterval(timer);
    };
  }, [ms]);
}
