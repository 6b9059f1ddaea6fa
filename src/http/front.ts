/**
 * Routes that a plain handler answers in front of Express, since a router costs more than a decision. They decide, and are shed
 * where too much is decided already.
 */
import type { IncomingMessage } from "node:http";
import type { Problem } from "../contract/index.js";
import type { Content } from "./reply.js";
import type { Route } from "./route.js";

export interface FrontRoute extends Route {
  /**
   * Takes its path and everything below it, with or without a query; it then reads both from the request's `url` by itself. Left
   * out: the path to the letter, and no query.
   */
  below?: true;
  /** Takes every method. Left out: the operation's own. */
  anyMethod?: true;
  /**
   * Takes every Host: that of a request that somebody else was sent. Only where callers prove themselves by a header that no page in
   * a browser can have. Left out: those that the service answers for.
   */
  anyHost?: true;
  /**
   * Form in which its protocol says that nothing was decided. It must never be taken for a permission. Left out: a problem (RFC 9457).
   * @param id stands in the operational log beside what went wrong, for `internal`
   */
  refusal?: (problem: Problem, request: IncomingMessage, id?: string) => Content;
}

/** Routes of a path in front of the router, by method; `*` for one that accepts all. */
export type FrontPath = ReadonlyMap<string, FrontRoute>;

export interface Front {
  /** Undefined: Express may know it. */
  at: (url: string) => FrontPath | undefined;
}

export function frontOf(routes: readonly FrontRoute[]): Front {
  const exact = new Map<string, Map<string, FrontRoute>>();
  const below = new Map<string, Map<string, FrontRoute>>();
  for (const route of routes) {
    const paths = route.below === true ? below : exact;
    const { path, method } = route.operation;
    const methods = paths.get(path) ?? new Map<string, FrontRoute>();
    paths.set(path, methods.set(route.anyMethod === true ? "*" : method.toUpperCase(), route));
  }
  // What has a longer name of its own before what lies around it.
  const prefixes = [...below].sort(([a], [b]) => b.length - a.length);
  return { at: (url) => exact.get(url) ?? prefixes.find(([prefix]) => isBelow(url, prefix))?.[1] };
}

function isBelow(url: string, prefix: string): boolean {
  if (!url.startsWith(prefix)) return false;
  const next = url[prefix.length];
  // What begins with two slashes is below no root: it is no path of ours.
  return next === undefined || next === "?" || (next === "/" && prefix !== "/");
}

export function routeFor(path: FrontPath, method: string): FrontRoute | undefined {
  return path.get(method) ?? path.get("*");
}

/** The one that speaks for a path where none takes the method. */
export function spokesman(path: FrontPath): FrontRoute | undefined {
  const [first] = path.values();
  return first;
}
