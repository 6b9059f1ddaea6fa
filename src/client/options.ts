import { nearestWord } from "../contract/nearest.js";
import type { BreakerLimits } from "./breaker.js";
import type { Handlers } from "./obligations.js";
import { OptionError } from "./option_error.js";
import type { QuestionLimits } from "./questions.js";
import type { TransportOptions } from "./transport.js";

export interface ClientOptions extends Handlers {
  /** The service, such as `http://127.0.0.1:8181`. Several, of a cluster's nodes: the first is preferred, and after one that can't be reached the next is asked. */
  url: string | readonly string[];
  /** With scope `remit:decide`; a function is asked for each request, so that a token can be renewed. */
  token: string | (() => string | Promise<string>);
  /** Milliseconds from asking to the last byte of an answer. @default 2,000 */
  deadline_ms?: number;
  /** Further attempts after a connection failed before an answer began. @default 2 */
  retries_max?: number;
  /** Requests under way at once; what is asked beyond goes together in batches. @default 8 */
  requests_max?: number;
  /** Calls that wait for a request. @default 10,000 */
  queue_max?: number;
  /** Actions of a batch, as the service takes them. @default 100 */
  batch_actions_max?: number;
  /** Outcomes that wait to be reported. @default 1,024 */
  outcomes_max?: number;
  /** Failures in a row after which the service is given a rest. @default 5 */
  breaker_failures_max?: number;
  /** Milliseconds of that rest. @default 1,000 */
  breaker_open_ms?: number;
  /**
   * Follows changes. If false, no answer can be kept, and a running action is asked about again whenever its last answer is no longer
   * valid.
   * @default true
   */
  follow?: boolean;
}

export interface Limits extends QuestionLimits {
  deadline_ms: number;
  outcomes_max: number;
  follow: boolean;
}

/** No timer takes more. */
const MS_MAX = 2 ** 31 - 1;

/** Options of a client whose decisions are made in the same process. */
export type LocalOptions = Omit<ClientOptions, "url" | "token" | "retries_max" | "breaker_failures_max" | "breaker_open_ms">;

/** Options by their names; of one that has options of its own, theirs. */
export interface OptionNames {
  readonly [name: string]: true | OptionNames;
}

/** Addresses of one service. */
const ADDRESSES_MAX = 16;

const LOCAL: Record<keyof LocalOptions, true> = {
  ...{ deadline_ms: true, requests_max: true, queue_max: true, batch_actions_max: true, outcomes_max: true },
  ...{ follow: true, confirm: true, notify: true, redact: true },
};
const CLIENT: Record<keyof ClientOptions, true> = {
  ...{ url: true, token: true, retries_max: true, breaker_failures_max: true, breaker_open_ms: true },
  ...LOCAL,
};

/**
 * Refuses an option that there isn't: a bound that is misspelt would be none.
 * @param above the options that these are a part of, and a dot
 * @throws TypeError naming it, and what may have been meant
 */
export function checkNames(given: unknown, known: OptionNames, above = ""): void {
  if (typeof given !== "object" || given === null)
    throw new OptionError(above === "" ? "options" : above.slice(0, -1), "option_invalid", "expected an object");
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const of = Object.hasOwn(known, name) ? known[name] : undefined;
    if (of === undefined) {
      const meant = nearestWord(name, Object.keys(known));
      throw new OptionError(`${above}${name}`, "option_unknown", `no such option${meant === null ? "" : `; did you mean \`${meant}\`?`}`);
    }
    if (of !== true) checkNames(value, of, `${above}${name}.`);
  }
}

/** @throws TypeError for an option that there isn't, or that is for a service only */
export function checkOptions(options: ClientOptions | LocalOptions, local: boolean): void {
  checkNames(options, local ? LOCAL : CLIENT);
}

/** @throws TypeError naming the option and what is expected of it */
export function readTransport(options: ClientOptions): TransportOptions {
  checkService(options);
  const { url, token } = options;
  const breaker: BreakerLimits = {
    failures_max: integer(options, "breaker_failures_max", 5, 1, 1_000_000),
    open_ms: integer(options, "breaker_open_ms", 1000, 1, MS_MAX),
  };
  const [first, ...others] = baseUrls(url);
  return {
    url: first,
    ...(others.length > 0 && { others }),
    token,
    retries_max: integer(options, "retries_max", 2, 0, 10),
    breaker,
  };
}

/**
 * @param above the options that these are a part of, and a dot
 * @throws TypeError naming the option and what is expected of it
 */
export function checkService({ url, token }: Pick<ClientOptions, "url" | "token">, above = ""): void {
  const urls: readonly unknown[] = Array.isArray(url) ? url : [url];
  if (urls.length === 0 || urls.length > ADDRESSES_MAX || !urls.every(isServiceUrl))
    throw new OptionError(
      `${above}url`,
      "option_invalid",
      "expected an http(s) URL, without user, query and fragment; or up to 16 of them",
    );
  if (typeof token !== "function" && (typeof token !== "string" || token === ""))
    throw new OptionError(`${above}token`, "option_invalid", "expected a token, or a function that gives one");
}

/** Rejects every other part of a URL: no request would carry it, or every request would fail because of it. */
function isServiceUrl(url: unknown): boolean {
  if (typeof url !== "string" || !/^https?:\/\//.test(url) || !URL.canParse(url)) return false;
  const { username, password, search, hash } = new URL(url);
  return [username, password, search, hash].every((part) => part === "");
}

/** Returns each address of a service as a base. @param url checked by `checkService` */
export function baseUrls(url: string | readonly string[]): [URL, ...URL[]] {
  return (typeof url === "string" ? [url] : url).map(baseUrl) as [URL, ...URL[]];
}

/** Returns the URL with a trailing slash, so that paths can be resolved against it. */
function baseUrl(url: string): URL {
  return new URL(url.endsWith("/") ? url : `${url}/`);
}

/** @throws TypeError naming the option and what is expected of it */
export function readLimits(options: ClientOptions | LocalOptions): { limits: Limits; handlers: Handlers } {
  const { follow = true, confirm, notify, redact } = options;
  if (typeof follow !== "boolean") throw new OptionError("follow", "option_invalid", "expected true or false");
  for (const [name, handler] of Object.entries({ confirm, notify, redact })) {
    if (handler !== undefined && typeof handler !== "function") throw new OptionError(name, "option_invalid", "expected a function");
  }
  return {
    limits: {
      deadline_ms: integer(options, "deadline_ms", 2000, 1, MS_MAX),
      requests_max: integer(options, "requests_max", 8, 1, 1024),
      queue_max: integer(options, "queue_max", 10_000, 1, 1_000_000),
      batch_actions_max: integer(options, "batch_actions_max", 100, 1, 1000),
      outcomes_max: integer(options, "outcomes_max", 1024, 0, 1_000_000),
      follow,
    },
    handlers: {
      ...(confirm !== undefined && { confirm }),
      ...(notify !== undefined && { notify }),
      ...(redact !== undefined && { redact }),
    },
  };
}

/**
 * @param above the options that these are a part of, and a dot
 * @throws TypeError naming the option and what is expected of it
 */
export function integer<O extends object>(
  options: O,
  name: keyof O & string,
  unsaid: number,
  min: number,
  max: number,
  above = "",
): number {
  const value: unknown = options[name] ?? unsaid;
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max)
    throw new OptionError(`${above}${name}`, "option_invalid", `expected a whole number from ${min} to ${max}`);
  return value as number;
}

export interface DecideOptions {
  /** Milliseconds from asking to the last byte of an answer. @default the client's */
  deadline_ms?: number;
  /** Signal of a caller that has lost interest. @default none */
  signal?: AbortSignal;
  /** Facts revision that the decision has to have seen. @default 0: any */
  at_least?: number;
}
