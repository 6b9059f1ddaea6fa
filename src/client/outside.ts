/**
 * Capabilities that a client needs from its runtime, passed in so that tests can replace them: every runtime that has `fetch` has them all.
 */
export interface Outside {
  fetch: (url: URL, init: RequestInit) => Promise<Response>;
  /** Milliseconds since an arbitrary start; never goes back. No wall clock is read: a skewed one changes nothing. */
  monotonic: () => number;
  /** Calls once after `ms` milliseconds; the returned function cancels it. */
  after: (ms: number, call: () => void) => () => void;
  /** Not to be guessed. */
  uuid: () => string;
  /** Works like `fetch`, for a request with its whole body and a small answer. @default `fetch` */
  exchange?: (url: URL, init: RequestInit) => Promise<Answered>;
  /** Returns the SHA-256 of a text in UTF-8, in hexadecimal. @default Web Crypto's */
  sha256?: (text: string) => string;
}

/** Part of a `Response` that the client reads. */
export interface Answered {
  status: number;
  headers: Pick<Headers, "get">;
  body: { getReader: () => AnsweredReader; cancel: () => Promise<void> } | null;
}

export interface AnsweredReader {
  /** Without a value at the end. */
  read: () => Promise<{ value?: Uint8Array | undefined }>;
  cancel: () => Promise<void>;
}

export const outside: Outside = {
  fetch: (url, init) => fetch(url, init),
  monotonic: () => performance.now(),
  after: (ms, call) => {
    const timer = setTimeout(call, ms);
    return () => {
      clearTimeout(timer);
    };
  },
  uuid: () => crypto.randomUUID(),
};
