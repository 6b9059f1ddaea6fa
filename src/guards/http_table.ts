/**
 * Maps a request to an action by a table: method and path to verb and resource. A path is taken in one reading or refused, and
 * what no row names is refused too.
 */
import { unprovenClaims } from "../client/claims.js";
import { Denied, type Action } from "../client/index.js";
import { isCanonicalPath, type Answer } from "../contract/index.js";
import { Refused } from "./http_refusals.js";

export interface Matched<R> {
  request: R;
  /** By name, decoded. */
  params: Readonly<Record<string, string>>;
  query: URLSearchParams;
}

type Found<R, T> = (matched: Matched<R>) => T | Promise<T>;

export interface GuardedRoute<R> {
  /** `GET /tickets/:ticket`: a method, and a path whose segments are literal or a parameter. `GET` is `HEAD` too. */
  on: string;
  verb: string;
  /** The resource's type. */
  type: string;
  /** The parameter that is its id; left out where the verb names no single resource. */
  id?: string;
  /** What the host knows of the resource. */
  attributes?: Found<R, Record<string, unknown>>;
  related?: Found<R, NonNullable<Action["related"]>>;
  /** What whoever asks wants, as the vocabulary names it. */
  arguments?: Found<R, Record<string, unknown>>;
  /** Sets an argument in the request, where an answer says so; without it such an answer is refused. */
  modify?: (request: R, argument: string, value: string | number | boolean) => R | Promise<R>;
}

/** Who acts, for what. */
export type Who = Pick<Action, "agent" | "agent_token" | "purpose" | "task" | "task_token" | "context">;

export interface HttpTableOptions<R> {
  routes: readonly GuardedRoute<R>[];
  /** Null: nobody that could be asked for. */
  who: (source: HttpSource, request: R) => Who | null | Promise<Who | null>;
}

/** Of a request, what every kind of server has. */
export interface HttpSource {
  method: string;
  /** Path and query, as sent. */
  target: string;
  header: (name: string) => string | undefined;
}

interface Row<R> {
  method: string;
  segments: Segment[];
  route: GuardedRoute<R>;
}
type Segment = { literal: string } | { param: string };

const ON = /^([A-Z]+) (\/.*)$/;
const LITERAL = /^[A-Za-z0-9._~-]+$/;
const PARAM = /^:([A-Za-z_][A-Za-z0-9_]*)$/;

export class HttpTable<R> {
  readonly #rows: Row<R>[];
  readonly #who: HttpTableOptions<R>["who"];

  /** @throws TypeError naming the row, for one that can't be read, or that another's requests match too */
  constructor({ routes, who }: HttpTableOptions<R>) {
    this.#rows = routes.map((route) => rowOf(route));
    this.#who = who;
    for (const [i, row] of this.#rows.entries()) {
      const other = this.#rows.slice(0, i).find((earlier) => overlap(earlier, row));
      if (other !== undefined) throw new TypeError(`${row.route.on}: a request may match ${other.route.on} too`);
    }
  }

  /** @throws Refused, and what the table's own functions throw */
  async actionOf(request: R, source: HttpSource): Promise<{ action: Action; route: GuardedRoute<R> }> {
    const [path, query] = split(source.target);
    const method = source.method === "HEAD" ? "GET" : source.method;
    const parts = path.slice(1).split("/");
    if (!path.startsWith("/")) throw new Refused("path_not_canonical");
    const row = this.#rows.find((one) => one.method === method && matches(one.segments, parts));
    if (row === undefined) throw new Refused("route_unmapped");
    const matched: Matched<R> = { request, params: paramsOf(row.segments, parts), query: new URLSearchParams(query) };
    const who = await this.#who(source, request);
    if (who === null) throw new Refused("token_missing");
    const { route } = row;
    const { verb, type, id, attributes, related, arguments: given } = route;
    const action: Action = {
      ...who,
      verb,
      resource: {
        type,
        id: id === undefined ? null : (matched.params[id] ?? null),
        ...(attributes !== undefined && { attributes: await attributes(matched) }),
      },
      ...(related !== undefined && { related: await related(matched) }),
      ...(given !== undefined && { arguments: await given(matched) }),
    };
    return { action, route };
  }

  /** The request with arguments set as the answer says. @throws Denied `obligation_unmet` where the route can't set any */
  async modified({ modify }: GuardedRoute<R>, request: R, answer: Answer): Promise<R> {
    let changed = request;
    for (const one of answer.obligations) {
      if (one.type !== "modify") continue;
      if (modify === undefined) throw new Denied("obligation_unmet", answer);
      changed = await modify(changed, one.argument, one.value);
    }
    return changed;
  }
}

function rowOf<R>(route: GuardedRoute<R>): Row<R> {
  const [, method, path] = ON.exec(route.on) ?? [];
  if (method === undefined || path === undefined || method === "HEAD") throw new TypeError(`${route.on}: expected a method and a path, such as \`GET /tickets/:ticket\``); // prettier-ignore
  const names = new Set<string>();
  const segments = path === "/" ? [] : path.slice(1).split("/").map((text): Segment => {
    const param = PARAM.exec(text)?.[1];
    if (param !== undefined) {
      if (names.has(param)) throw new TypeError(`${route.on}: \`:${param}\` stands there twice`);
      names.add(param);
      return { param };
    }
    if (!LITERAL.test(text) || text === "." || text === "..") throw new TypeError(`${route.on}: \`${text}\` is neither a plain segment nor a parameter`);
    return { literal: text };
  }); // prettier-ignore
  if (route.id !== undefined && !names.has(route.id)) throw new TypeError(`${route.on}: there is no parameter \`:${route.id}\``); // prettier-ignore
  return { method, segments: segments.length === 0 ? [{ literal: "" }] : segments, route };
}

/** Whether a request could match both, and so be taken for one here and for the other by who answers it. */
function overlap<R>(a: Row<R>, b: Row<R>): boolean {
  return (
    a.method === b.method &&
    a.segments.length === b.segments.length &&
    a.segments.every((one, i) => {
      const other = b.segments[i];
      // As routers do that don't tell cases apart.
      return other === undefined || "param" in one || "param" in other || one.literal.toLowerCase() === other.literal.toLowerCase(); // prettier-ignore
    })
  );
}

function split(target: string): [path: string, query: string] {
  const at = target.indexOf("?");
  return at < 0 ? [target, ""] : [target.slice(0, at), target.slice(at + 1)];
}

function matches(segments: readonly Segment[], parts: readonly string[]): boolean {
  return (
    segments.length === parts.length &&
    segments.every((segment, i) => ("literal" in segment ? segment.literal === parts[i] : true))
  );
}

/** @throws Refused `path_not_canonical` for what two readers could take for two names */
function paramsOf(segments: readonly Segment[], parts: readonly string[]): Record<string, string> {
  const params: Record<string, string> = {};
  for (const [i, segment] of segments.entries()) {
    if (!("param" in segment)) continue;
    let value: string;
    try {
      value = decodeURIComponent(parts[i] ?? "");
    } catch (cause) {
      throw new Refused("path_not_canonical", { cause });
    }
    if (value.includes("/") || !isCanonicalPath(value)) throw new Refused("path_not_canonical");
    params[segment.param] = value;
  }
  return params;
}

export interface BearerOptions {
  /** What the agents of this server act for. */
  purpose: string;
  /** The header that names the task, by its id or its token; `remit-task` if unsaid. */
  task_header?: string;
}

/**
 * The agent is whose token the request carries. Nothing of the token is believed here: the service verifies it, and that it is the
 * agent's that is named.
 */
export function byBearer({ purpose, task_header = "remit-task" }: BearerOptions): (source: HttpSource) => Who | null {
  return ({ header }) => {
    const token = /^Bearer ([\x21-\x7e]+)$/i.exec(header("authorization") ?? "")?.[1];
    const agent = token === undefined ? null : actorOf(token);
    if (token === undefined || agent === null) return null;
    const task = header(task_header);
    return {
      agent,
      agent_token: token,
      purpose,
      ...(task !== undefined && (task.split(".").length === 3 && task.startsWith("ey") ? { task_token: task } : { task })),
    };
  };
} // prettier-ignore

/** Who acts, by the token (RFC 8693, section 4.1); null where it says nothing. */
function actorOf(token: string): string | null {
  const { sub, act } = (unprovenClaims(token) ?? {}) as { sub?: unknown; act?: { sub?: unknown } | null };
  const actor = act?.sub ?? sub;
  return typeof actor === "string" ? actor : null;
}
