/** A request's path and parameters as OPA reads them (its `v1/server`): a parameter that it doesn't know it passes over. */
import { Problem, clip } from "../../contract/index.js";

export interface DataTarget {
  /** Below the route, percent-decoded, without empty segments: `remit/decide`. */
  path: string;
  parameters: Parameters;
}

export interface Parameters {
  pretty: boolean;
  metrics: boolean;
  provenance: boolean;
  /** JSON text; null: not given. */
  input: string | null;
}

const NONE: Parameters = { pretty: false, metrics: false, provenance: false, input: null };

/** Explanations are a trace of OPA's own evaluator. A bundle has no notes, so asking for those is answered with none. */
const EXPLAINED = new Set(["off", "notes"]);

/**
 * @param url below `route`
 * @throws Problem `http_invalid`, `parameter_invalid`
 */
export function targetOf(url: string, route: string): DataTarget {
  const query = url.indexOf("?");
  const raw = query === -1 ? url.slice(route.length) : url.slice(route.length, query);
  return { path: pathOf(raw), parameters: query === -1 ? NONE : parametersOf(url.slice(query + 1)) };
}

function pathOf(raw: string): string {
  if (!raw.includes("%") && !raw.includes("//") && !raw.endsWith("/")) return raw.slice(1);
  try {
    return decodeURIComponent(raw)
      .split("/")
      .filter((segment) => segment !== "")
      .join("/");
  } catch (cause) {
    throw new Problem("http_invalid", { expected: "a path that can be decoded" }, { cause });
  }
}

function parametersOf(query: string): Parameters {
  const given = readParameters(query);
  const explain = once(given, "explain") ?? "off";
  if (!EXPLAINED.has(explain)) {
    throw new Problem("parameter_invalid", {
      field: "explain",
      expected: "`off` or `notes`: a compiled policy has no trace",
      hint: "the reasons of an answer say why; `remit replay` decides its record again",
    });
  }
  return {
    pretty: isSet(given, "pretty"),
    metrics: isSet(given, "metrics") || isSet(given, "instrument"),
    provenance: isSet(given, "provenance"),
    input: once(given, "input") ?? null,
  };
}

export type GivenParameters = ReadonlyMap<string, readonly string[]>;

/** @throws Problem `parameter_invalid` for what isn't UTF-8 in percent-encoding */
export function readParameters(query: string): GivenParameters {
  const given = new Map<string, string[]>();
  for (const part of query.split("&")) {
    const equals = part.indexOf("=");
    const name = decoded(equals === -1 ? part : part.slice(0, equals));
    const value = equals === -1 ? "" : decoded(part.slice(equals + 1));
    const values = given.get(name);
    if (values === undefined) given.set(name, [value]);
    else values.push(value);
  }
  return given;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch (cause) {
    throw new Problem("parameter_invalid", { field: clip(text, 128), expected: "UTF-8, percent-encoded" }, { cause });
  }
}

/** Undefined where it isn't given. Of two, whoever stands before this service may have read the other. */
function once(given: GivenParameters, name: string): string | undefined {
  const values = given.get(name) ?? [];
  if (values.length > 1) throw new Problem("parameter_invalid", { field: name, expected: "it once" });
  return values[0];
}

/** Returns true if the parameter is given by its bare name or as `true`, whatever other values it has: as OPA reads it. */
export function isSet(given: GivenParameters, name: string): boolean {
  return (given.get(name) ?? []).some((value) => value === "" || value.toLowerCase() === "true");
}
