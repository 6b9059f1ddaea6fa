/** What a client needs of the machine it runs on, passed in so that tests can move it: all of it is in every runtime that has `fetch`. */
export interface Outside {
  fetch: (url: URL, init: RequestInit) => Promise<Response>;
  /** Milliseconds since an arbitrary start; never goes back. No wall clock is read: a skewed one changes nothing. */
  monotonic: () => number;
  /** Calls once after `ms` milliseconds; the returned function cancels it. */
  after: (ms: number, call: () => void) => () => void;
  /** Not to be guessed. */
  uuid: () => string;
  /** As `fetch`, for a request that has its whole body and a small answer. Left out: `fetch`. */
  exchange?: (url: URL, init: RequestInit) => Promise<Answered>;
  /** Of a text in UTF-8, in hexadecimal. Left out: Web Crypto's. */
  sha256?: (text: string) => string;
}

/** What is read of a `Response`. */
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
