/** Requests to the console's own server. */
import type { FoundRecord, RecordPage } from "../../contract/index.js";
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
  const value: unknown = isJson ? await response.json() : await response.text();
  if (!response.ok) {
    const { code, title, expected, hint } = (isJson ? value : {}) as Partial<Record<"code" | "title" | "expected" | "hint", string>>;
    throw new Refused(response.status, code ?? String(response.status), title ?? "refused", expected ?? null, hint ?? null);
  }
  const took = response.headers.get("x-remit-took-ms");
  return { value: value as T, etag: response.headers.get("etag"), took_ms: took === null ? null : Number(took) };
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
const RESTS_MS = 250;

/**
 * Reads a path of the service, and again when it changes or is asked to; null reads nothing. Asked while it reads, it reads once more
 * afterwards: however often it is asked, what was begun comes to its end.
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
    const read = async (): Promise<void> => {
      reading.isWanted = true;
      if (reading.isUnderWay) return;
      reading.isUnderWay = true;
      while (reading.isWanted) {
        reading.isWanted = false;
        try {
          const { value, etag } = await get<T>(path, abort.signal);
          setState({ data: value, etag, error: null, of: path });
        } catch (cause) {
          if (abort.signal.aborted) return;
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

export interface Pages<T> {
  /** Items of the pages that were read, in order; null before the first. */
  items: readonly T[] | null;
  /** True if there are more behind the last. */
  hasMore: boolean;
  error: Refused | null;
  /** Reads the next page. */
  readOn: () => void;
  /** Reads the last page again, which may have grown. */
  reload: () => void;
}

/** Items of the first page, which is to be there at once, and of each that somebody asks for. */
const [FIRST, MORE] = [50, 500];

/**
 * Reads records page by page: the first, and others when they are asked for. Of each item what is shown is kept, since there may
 * be many.
 * @param path with its filter; null reads nothing
 * @param toItem returns null for what isn't shown
 */
export function usePages<T>(path: string | null, toItem: (one: FoundRecord) => T | null): Pages<T> {
  const nothing = { items: null, hasMore: false, error: null };
  const [state, setState] = useState<Pick<Pages<T>, "items" | "hasMore" | "error"> & { of: string | null }>({ ...nothing, of: null });
  const asks = useRef<(what: "next" | "last") => void>(() => undefined);
  useLayoutEffect(() => {
    if (path === null) return undefined;
    const abort = new AbortController();
    const wanted = new Set<"next" | "last">();
    let pages: { cursor: string | null; items: T[] }[] = [];
    let next: string | null = null;
    let isUnderWay = false;
    const readOne = async (what: "next" | "last"): Promise<void> => {
      const at = what === "next" ? pages.length : Math.max(0, pages.length - 1);
      const cursor = what === "next" ? next : (pages[at]?.cursor ?? null);
      const asked = new URLSearchParams({ limit: String(at === 0 ? FIRST : MORE), ...(cursor !== null && { cursor }) });
      const { value } = await get<RecordPage>(`${path}${path.includes("?") ? "&" : "?"}${asked.toString()}`, abort.signal);
      pages = [...pages.slice(0, at), { cursor, items: value.items.map(toItem).filter((one) => one !== null) }];
      next = value.next;
      // A page may be empty though the search isn't over.
      if (value.items.length === 0 && next !== null) wanted.add("next");
      setState({ items: pages.flatMap(({ items }) => items), hasMore: next !== null, error: null, of: path });
    };
    const read = async (what: "next" | "last"): Promise<void> => {
      wanted.add(what);
      if (isUnderWay) return;
      isUnderWay = true;
      for (const one of wanted) {
        wanted.delete(one);
        if (one === "next" && pages.length > 0 && next === null) continue;
        try {
          await readOne(one);
        } catch (cause) {
          if (abort.signal.aborted) return;
          setState((before) => ({ ...(before.of === path ? before : nothing), error: asRefused(cause), of: path }));
        }
        await new Promise((resolve) => setTimeout(resolve, RESTS_MS));
      }
      isUnderWay = false;
    };
    asks.current = (what) => void read(what);
    void read("next");
    return () => {
      abort.abort();
      asks.current = () => undefined;
    };
  }, [path]);
  const readOn = useCallback(() => {
    asks.current("next");
  }, []);
  const reload = useCallback(() => {
    asks.current("last");
  }, []);
  const { of, ...shown } = state;
  return { ...(of === path ? shown : nothing), readOn, reload };
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
