/** Requests of commands to a running service. */
import type { Command } from "commander";
import { NotCertificates, readAuthorities } from "../system/authorities.js";
import { readGiven } from "../system/read_file.js";
import { exchange } from "./exchange.js";
import { CliError, type Exit } from "./exit.js";

export const URL_VARIABLE = "REMIT_URL";
const TOKEN_VARIABLE = "REMIT_TOKEN";
const TOKEN_FILE_VARIABLE = "REMIT_TOKEN_FILE";
const CACERT_VARIABLE = "REMIT_CACERT";
const DEFAULT_URL = "http://127.0.0.1:8181";
const ANSWER_MS_MAX = 30_000;
const PAGE_MAX = 1000;
const ANSWERS_HINT = "--url has to name the service itself, and not its console or a proxy's page";

export interface ServiceFlags {
  url?: string;
  token?: string;
  tokenFile?: string;
  cacert?: string;
  json?: true;
}

/** Adds what every command needs that asks a service. */
export function asking(command: Command, examples: string): Command {
  return command
    .option("--url <url>", `the service (default: ${URL_VARIABLE}, or ${DEFAULT_URL})`)
    .option("--token <token>", `a caller's token (default: ${TOKEN_VARIABLE}, which others on this machine can't see)`)
    .option("--token-file <file>", `a file that holds it (default: ${TOKEN_FILE_VARIABLE})`)
    .option("--cacert <file>", `certificates to trust instead of the system's (default: ${CACERT_VARIABLE})`)
    .option("--json", "print JSON")
    .addHelpText("after", `\nExamples:\n${examples}`);
}

export type QueryMembers = Record<string, string | number | boolean | undefined>;

interface ClientRequest {
  query?: QueryMembers;
  body?: unknown;
  /** Sent as it is, of this type. */
  bytes?: { type: string; content: Uint8Array };
  if_match?: number | undefined;
  /** Id of the event that a stream goes on after. */
  last_event_id?: string | undefined;
  /** Time to wait for the answer. */
  ms?: number;
  /** Ends an answer that goes on, such as a stream. */
  signal?: AbortSignal;
}

export interface Listed<T> {
  items: T[];
  /** True if there are more items than were requested. */
  more: boolean;
  /** Nodes of a cluster that haven't answered. Left out: the list is not made of several nodes' lists. */
  missing?: string[];
}

export class Client {
  readonly #url: URL;
  readonly #token: string;
  readonly #ca: Buffer | null;

  /** @throws CliError where the options leave it open whom to ask, or by which token */
  constructor(options: ServiceFlags) {
    this.#url = serviceUrl(options.url ?? process.env[URL_VARIABLE] ?? DEFAULT_URL);
    this.#token = tokenOf(options);
    this.#ca = authoritiesOf(options);
  }

  /** @throws CliError saying what the service refused, or that it didn't answer */
  async ask<T>(method: "GET" | "POST" | "PATCH", path: string, asked: ClientRequest = {}): Promise<T> {
    const text = await (await this.open(method, path, asked)).text();
    try {
      return JSON.parse(text) as T;
    } catch (cause) {
      throw new CliError("unavailable", `${this.#url.origin} isn't a Remit service: it answers with something else`, ANSWERS_HINT, {
        cause,
      });
    }
  }

  /** Sends a request like `ask`, and leaves the answer's body to be read. */
  async open(method: "GET" | "POST" | "PATCH", path: string, asked: ClientRequest = {}): Promise<Response> {
    const { query = {}, body, bytes, if_match, last_event_id, ms = ANSWER_MS_MAX, signal = AbortSignal.timeout(ms) } = asked;
    const url = new URL(path, this.#url);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const type = bytes?.type ?? (body === undefined ? undefined : "application/json");
    const response = await exchange(url, {
      method,
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(type !== undefined && { "content-type": type }),
        ...(if_match !== undefined && { "if-match": `"${if_match}"` }),
        ...(last_event_id !== undefined && { "last-event-id": last_event_id }),
      },
      body: bytes?.content ?? (body === undefined ? null : JSON.stringify(body)),
      signal,
      ca: this.#ca,
    });
    if (!response.ok) throw await refusal(response);
    return response;
  }

  /** At most `max` items, over as many pages as they take. */
  async list<T>(path: string, query: QueryMembers, max: number): Promise<Listed<T>> {
    const items: T[] = [];
    let missing: string[] | undefined;
    let cursor: string | undefined;
    do {
      const limit = Math.min(PAGE_MAX, max - items.length);
      const page = await this.ask<{ items: T[]; next: string | null; nodes?: { missing: string[] } }>("GET", path, {
        query: { ...query, limit, cursor },
      });
      items.push(...page.items);
      if (page.nodes !== undefined) missing = [...new Set([...(missing ?? []), ...page.nodes.missing])];
      cursor = page.next ?? undefined;
    } while (cursor !== undefined && items.length < max);
    return { items, more: cursor !== undefined, ...(missing !== undefined && { missing }) };
  }
}

/** A path of names, each of which may hold anything. */
export function pathOf(...names: string[]): string {
  // In a URL these two are no names, but the way up from what is asked for.
  const away = names.find((name) => name === "." || name === "..");
  if (away !== undefined) throw new CliError("missing", `not_found: nothing can be called \`${away}\``);
  return names.map((name) => `/${encodeURIComponent(name)}`).join("");
}

function serviceUrl(text: string): URL {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) {
    throw new CliError("usage", `\`${text}\` is no http(s) URL`, `such as ${DEFAULT_URL}`);
  }
  return new URL(text);
}

function tokenOf({ token, tokenFile }: ServiceFlags): string {
  const said = token ?? (tokenFile === undefined ? process.env[TOKEN_VARIABLE] : undefined);
  const file = tokenFile ?? process.env[TOKEN_FILE_VARIABLE];
  const given = said ?? (file === undefined ? undefined : readGiven(file).toString());
  if (given === undefined)
    throw new CliError("usage", "there is no token", `set ${TOKEN_VARIABLE}, or give --token-file; make run prints one`);
  const trimmed = given.trim();
  if (!/^[\x21-\x7e]+$/.test(trimmed))
    throw new CliError(
      "usage",
      "the token is not one: it has spaces, or nothing in it",
      `look at ${TOKEN_VARIABLE}, --token or --token-file`,
    );
  return trimmed;
}

function authoritiesOf({ cacert = process.env[CACERT_VARIABLE] }: ServiceFlags): Buffer | null {
  if (cacert === undefined || cacert === "") return null;
  try {
    return readAuthorities(cacert);
  } catch (cause) {
    if (!(cause instanceof NotCertificates)) throw cause;
    throw new CliError("invalid", cause.message, `look at --cacert or ${CACERT_VARIABLE}`, { cause });
  }
}

interface ProblemBody {
  code?: string;
  title?: string;
  field?: string;
  expected?: string;
  hint?: string;
  line?: number;
  reason?: string;
}

async function refusal(response: Response): Promise<CliError> {
  const { status } = response;
  let problem: ProblemBody = {};
  try {
    problem = (await response.json()) as ProblemBody;
  } catch {
    // Not ours: something between us and the service has answered.
  }
  const { code, title, field, expected, hint, line, reason } = problem;
  // A schema's words are a sentence already: `must match pattern …`.
  const wanted = expected?.startsWith("must ") === true ? expected : expected && `expected ${expected}`;
  const details = [line && `line ${line}`, field && `at ${field}`, reason, wanted];
  const message = [`${code ?? status}: ${title ?? "refused"}`, ...details.filter(Boolean)].join(", ");
  return new CliError(exitOf(status), message, hint ?? null, { code: code ?? "refused" });
}

function exitOf(status: number): Exclude<Exit, "ok"> {
  if (status === 401 || status === 403) return "refused";
  if (status === 404) return "missing";
  if (status === 409 || status === 412) return "conflict";
  return status >= 500 || status === 408 ? "unavailable" : "invalid";
}
