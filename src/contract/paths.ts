/**
 * A table of requests by method and path. Whoever answers them may have a router of its own, so a path is taken in one reading
 * or not at all, and no request may be two rows'.
 */
import { isCanonicalPath } from "./identifier.js";

/** `GET /tickets/:ticket`: a method, and a path whose segments are literal or a parameter. `GET` is `HEAD` too. */
export interface PathTemplate {
  readonly on: string;
  readonly method: string;
  readonly segments: readonly PathSegment[];
  readonly params: ReadonlySet<string>;
}
export type PathSegment = { literal: string } | { param: string };

/** Path of a request, not decoded. */
export interface PathTarget {
  readonly method: string;
  readonly parts: readonly string[];
  readonly query: string;
}

const ON = /^([A-Z]+) (\/.*)$/;
const LITERAL = /^[A-Za-z0-9._~-]+$/;
const PARAM = /^:([A-Za-z_][A-Za-z0-9_]*)$/;

/** @throws TypeError naming the row, for one that can't be read */
export function pathTemplate(on: string): PathTemplate {
  const [, method, path] = ON.exec(on) ?? [];
  if (method === undefined || path === undefined || method === "HEAD")
    throw new TypeError(`${on}: expected a method and a path, such as \`GET /tickets/:ticket\``);
  const params = new Set<string>();
  const segments =
    path === "/"
      ? []
      : path
          .slice(1)
          .split("/")
          .map((text): PathSegment => {
            const param = PARAM.exec(text)?.[1];
            if (param !== undefined) {
              if (params.has(param)) throw new TypeError(`${on}: \`:${param}\` stands there twice`);
              params.add(param);
              return { param };
            }
            if (!LITERAL.test(text) || text === "." || text === "..")
              throw new TypeError(`${on}: \`${text}\` is neither a plain segment nor a parameter`);
            return { literal: text };
          });
  return { on, method, segments: segments.length === 0 ? [{ literal: "" }] : segments, params };
}

/** Returns true if a request could match both templates: the guard might see one, and the server behind it the other. */
export function templatesOverlap(a: PathTemplate, b: PathTemplate): boolean {
  return (
    a.method === b.method &&
    a.segments.length === b.segments.length &&
    a.segments.every((one, i) => {
      const other = b.segments[i];
      // As routers do that don't tell cases apart.
      return other === undefined || "param" in one || "param" in other || one.literal.toLowerCase() === other.literal.toLowerCase();
    })
  );
}

/**
 * @param target path and query, as sent
 * @returns null where it has no path
 */
export function pathTarget(method: string, target: string): PathTarget | null {
  if (!target.startsWith("/")) return null;
  const at = target.indexOf("?");
  const [path, query] = at < 0 ? [target, ""] : [target.slice(0, at), target.slice(at + 1)];
  return { method: method === "HEAD" ? "GET" : method, parts: path.slice(1).split("/"), query };
}

export function matchesTemplate({ method, segments }: PathTemplate, target: PathTarget): boolean {
  return (
    method === target.method &&
    segments.length === target.parts.length &&
    segments.every((segment, i) => ("literal" in segment ? segment.literal === target.parts[i] : true))
  );
}

/**
 * The parameters of a target that matches, decoded.
 * @returns null for what two readers could take for two names
 */
export function paramsOf({ segments }: PathTemplate, { parts }: PathTarget): Record<string, string> | null {
  const params: Record<string, string> = {};
  for (const [i, segment] of segments.entries()) {
    if (!("param" in segment)) continue;
    let value: string;
    try {
      value = decodeURIComponent(parts[i] ?? "");
    } catch {
      return null;
    }
    // Behind a `;` some servers read parameters of the segment (RFC 3986, section 3.3), and others the name.
    if (value.includes("/") || value.includes(";") || !isCanonicalPath(value)) return null;
    params[segment.param] = value;
  }
  return params;
}
