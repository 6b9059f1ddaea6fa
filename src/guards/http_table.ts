/**
 * Maps a request to an action by a table: method and path to verb and resource. A path is taken in one reading or refused, and
 * what no row names is refused too.
 */
import { unprovenClaims } from "../client/claims.js";
import { Denied, type Action } from "../client/index.js";
import { checkNames } from "../client/options.js";
import type { Answer } from "../contract/index.js";
import { matchesTemplate, paramsOf, pathTarget, pathTemplate, templatesOverlap, type PathTemplate } from "../contract/paths.js";
import { Refused } from "./http_refusals.js";

export interface Matched<R> {
  request: R;
  /** Decoded path parameters, by name. */
  params: Readonly<Record<string, string>>;
  query: URLSearchParams;
}

type MatchHandler<R, T> = (matched: Matched<R>) => T | Promise<T>;

export interface GuardedRoute<R> {
  /** `GET /tickets/:ticket`: a method, and a path whose segments are literal or a parameter. `GET` is `HEAD` too. */
  on: string;
  verb: string;
  /** The resource's type. */
  type: string;
  /** The parameter that is its id; left out where the verb names no single resource. */
  id?: string;
  /**
   * Parameters that may be in the query, each once: those that the functions here read, and those that no policy has to see. A request with
   * another is refused. @default none
   */
  query?: readonly string[];
  /** Attributes of the resource that the host knows. */
  attributes?: MatchHandler<R, Record<string, unknown>>;
  related?: MatchHandler<R, NonNullable<Action["related"]>>;
  /** Arguments of the action, as the vocabulary names them. */
  arguments?: MatchHandler<R, Record<string, unknown>>;
  /** Sets an argument in the request, where an answer says so; without it such an answer is refused. */
  modify?: (request: R, argument: string, value: string | number | boolean) => R | Promise<R>;
}

const ROUTE: Record<keyof GuardedRoute<unknown>, true> = {
  ...{ on: true, verb: true, type: true, id: true, query: true, attributes: true, related: true, arguments: true, modify: true },
};

/** Members of an action that say who acts, and for what. */
export type ActorMembers = Pick<Action, "agent" | "agent_token" | "purpose" | "task" | "task_token" | "context">;

export interface HttpTableOptions<R> {
  routes: readonly GuardedRoute<R>[];
  /** Null: nobody that could be asked for. */
  who: (source: HttpSource, request: R) => ActorMembers | null | Promise<ActorMembers | null>;
}

/** Parts of a request that every kind of server has. */
export interface HttpSource {
  method: string;
  /** Path and query, as sent. */
  target: string;
  header: (name: string) => string | undefined;
}

interface Row<R> {
  template: PathTemplate;
  route: GuardedRoute<R>;
}

export class HttpTable<R> {
  readonly #rows: Row<R>[];
  readonly #who: HttpTableOptions<R>["who"];

  /** @throws TypeError naming the row, for one that can't be read, or that another's requests match too */
  constructor({ routes, who }: HttpTableOptions<R>) {
    this.#rows = routes.map((route, i) => rowOf(route, `routes.${i}.`));
    this.#who = who;
    for (const [i, row] of this.#rows.entries()) {
      const other = this.#rows.slice(0, i).find((earlier) => templatesOverlap(earlier.template, row.template));
      if (other !== undefined) throw new TypeError(`${row.route.on}: a request may match ${other.route.on} too`);
    }
  }

  /** @throws Refused, and what the table's own functions throw */
  async actionOf(request: R, source: HttpSource): Promise<{ action: Action; route: GuardedRoute<R> }> {
    const target = pathTarget(source.method, source.target);
    if (target === null) throw new Refused("path_not_canonical");
    const row = this.#rows.find(({ template }) => matchesTemplate(template, target));
    if (row === undefined) throw new Refused("route_unmapped");
    const params = paramsOf(row.template, target);
    if (params === null) throw new Refused("path_not_canonical");
    const query = new URLSearchParams(target.query);
    if (!isNamed([...query.keys()], row.route)) throw new Refused("route_unmapped");
    const matched: Matched<R> = { request, params, query };
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

/** Returns whether a route names all parameters of a query, and each is there once: readers differ in which of two they take. */
function isNamed(parameters: readonly string[], { query = [] }: Pick<GuardedRoute<never>, "query">): boolean {
  return parameters.every((name, i) => query.includes(name) && parameters.indexOf(name) === i);
}

function rowOf<R>(route: GuardedRoute<R>, above: string): Row<R> {
  checkNames(route, ROUTE, above);
  const template = pathTemplate(route.on);
  if (route.id !== undefined && !template.params.has(route.id)) throw new TypeError(`${route.on}: there is no parameter \`:${route.id}\``);
  return { template, route };
}

export interface BearerOptions {
  /** Purpose of this server's agents. */
  purpose: string;
  /** Header that names the task, by its id or its token. @default `remit-task` */
  task_header?: string;
}

const BEARER: Record<keyof BearerOptions, true> = { purpose: true, task_header: true };

/**
 * Returns a function that names the agent by the bearer token of a request (RFC 6750, section 2.1), and its task by a header. Nothing of the
 * token is believed here: the service verifies it, and that it is the named agent's.
 * @throws OptionError `option_unknown`
 * @example
 * import { byBearer } from "@remit-pdp/client/guards/http";
 *
 * const who = byBearer({ purpose: "customer_support", task_header: "x-task" });
 */
export function byBearer(options: BearerOptions): (source: HttpSource) => ActorMembers | null {
  checkNames(options, BEARER);
  const { purpose, task_header = "remit-task" } = options;
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
}

/** Returns who acts by the token's own claims (RFC 8693, section 4.1); null if they don't say. */
function actorOf(token: string): string | null {
  const { sub, act } = (unprovenClaims(token) ?? {}) as { sub?: unknown; act?: { sub?: unknown } | null };
  const actor = act?.sub ?? sub;
  return typeof actor === "string" ? actor : null;
}
