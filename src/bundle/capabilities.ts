/**
 * Which builtins a policy may use: deterministic ones that the engine or the host has and that answer as OPA's own evaluator
 * does, in a time that the size of their operands bounds, or that fuel does. `rego/capabilities.json` is generated from this list.
 */

/** Native in the engine, and yet refused: name → why, and what to write instead. */
export const FORBIDDEN_BUILTINS: Readonly<Record<string, string>> = {
  "base64.decode": "the engine decodes malformed text that OPA refuses; have the host decode it",
  "base64.is_valid": "the engine accepts malformed text that OPA refuses; have the host check it",
  "base64url.decode": "the engine decodes malformed text that OPA refuses; have the host decode it",
  "bits.lsh": "its result has no bound; multiply by a constant",
  ceil: "the engine and OPA differ between -1 and 0; use `round`, or integers",
  format_int: "the engine fails from 2^31 on; leave texts to the message template",
  "glob.match": "the engine's `*` does not match a line break, OPA's does; use `startswith`, `endswith` or `regex.match`",
  indexof: "the engine and OPA differ on an empty needle; use `contains` or `startswith`",
  "json.is_valid": "the engine accepts malformed text; have the host parse it",
  "json.marshal": "the engine orders sets and escapes characters otherwise than OPA; compare the values themselves",
  "json.unmarshal": "the engine reads malformed text as JSON; have the host parse it",
  "net.cidr_contains": "the engine and OPA differ on IPv4-mapped addresses; use `net.cidr_contains_matches`, which answers as OPA does",
  "net.cidr_intersects": "the engine and OPA differ on IPv4-mapped addresses; use `net.cidr_contains_matches`",
  "numbers.range": "its size is not bounded by the size of the input; iterate over a list of the input, or use `numbers.range_step`",
  print: "it says nothing in a compiled policy; use `remit decide --explain`",
  "regex.is_valid": "patterns are constants here, and the builder has checked them",
  replace: "the engine never returns for an empty pattern; use `strings.replace_n`",
  to_number: "the engine fails on `1e400` and reads `.5` otherwise than OPA; type the field as a number",
};

/** Refused because neither the engine nor the host has them: what their family is replaced by. */
const MISSING_BUILTINS: readonly [prefix: string, instead: string][] = [
  ["time.format", "leave texts to the message template"],
  ["time.parse_ns", "write moments in RFC 3339, for `time.parse_rfc3339_ns`"],
  ["time.", "policies have no clock: use `hours` in the purpose, or `input.facts.time.ms`"],
  ["http.", "a policy reaches nothing outside: have the host put the fact into an attribute"],
  ["net.", "a policy reaches nothing outside: have the host put the fact into an attribute"],
  ["opa.runtime", "a policy sees nothing of the host"],
  ["rand.", "a policy must decide the same every time"],
  ["uuid.", "a policy must decide the same every time"],
  ["io.jwt.", "the service has verified the tokens; use `input.facts`"],
  ["crypto.", "have the host compute it and put it into an attribute"],
  ["sprintf", 'leave texts to the message template, or use a template string such as $"{x}"'],
  ["yaml.", "have the host parse it"],
  ["regex.split", "use `split`"],
];

/** Why OPA knows this builtin and a policy here may not use it. */
export function whyRefused(builtin: string): string {
  return (
    FORBIDDEN_BUILTINS[builtin] ??
    MISSING_BUILTINS.find(([prefix]) => builtin.startsWith(prefix))?.[1] ??
    "neither the engine nor the host has it"
  );
}

interface BuiltinDecl {
  name: string;
  decl: { args?: unknown[]; result?: unknown; type: string };
  nondeterministic?: boolean;
  deprecated?: boolean;
  [more: string]: unknown;
}

/** OPA's `capabilities --current`. */
export interface Capabilities {
  builtins: BuiltinDecl[];
  [more: string]: unknown;
}

/** Builtins that the compiler itself writes: assignment, and the test names that a compiled policy never holds. */
const COMPILER_BUILTINS = new Set(["eq", "assign", "internal.test_case"]);

/**
 * The part of OPA's capabilities that a policy may use.
 * @param has whether the engine or the host has this builtin
 */
export function allowedCapabilities(all: Capabilities, has: (name: string) => boolean): Capabilities {
  const allowed = all.builtins.filter(
    ({ name, nondeterministic }) =>
      COMPILER_BUILTINS.has(name) || (nondeterministic !== true && has(name) && FORBIDDEN_BUILTINS[name] === undefined),
  );
  // No builtin may reach another machine, whatever a later version adds.
  return { ...all, builtins: allowed.map(concatOfLists), allow_net: [] };
}

/** The engine joins a set in another order than OPA, so only lists are joined. */
function concatOfLists(builtin: BuiltinDecl): BuiltinDecl {
  if (builtin.name !== "concat") return builtin;
  const texts = { dynamic: { type: "string" }, type: "array" };
  return { ...builtin, decl: { ...builtin.decl, args: [{ type: "string" }, texts] } };
}
