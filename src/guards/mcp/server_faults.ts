/** Rules for variables and headers of the guarded server that its configuration's schema can't express. */
import { HEADER_NAME, HEADER_VALUE, SENDER_HEADERS } from "../../system/headers_file.js";

/** Code of a configuration that gives a token of the guard's own away. */
export const OWN_TOKEN_CODE = "own_token_refused";

/** Part of the configuration of a server. */
interface ServerValues {
  command?: readonly string[];
  url?: string;
  token_file?: string;
  env?: Readonly<Record<string, string>>;
  env_from?: Readonly<Record<string, { file?: string; env?: string }>>;
  headers?: Readonly<Record<string, string | { file: string }>>;
}

export interface ServerFault {
  /** Below `server`. */
  path: string[];
  problem: string;
  /** Left out: that of any invalid configuration. */
  code?: typeof OWN_TOKEN_CODE;
}

/** Variables that hold what the guard itself is trusted by. */
const OWN_VARIABLES: ReadonlySet<string> = new Set(["REMIT_TOKEN"]);
export const OWN_TOKEN = "that is a token of the guard's own: with it the server could act past the guard";
/** Headers of a proxy's connection, and those by which MCP and the guard say what they can read. */
const RESERVED: ReadonlySet<string> = new Set([
  ...SENDER_HEADERS,
  ...["proxy-authenticate", "proxy-authorization", "proxy-connection"],
  ...["accept", "accept-encoding", "last-event-id"],
]);
const MCP_PREFIX = "mcp-";

/**
 * Returns the first token, variable or header that a server can't have; null if all are acceptable. It says nothing of values.
 * @param isOwn whether a file holds a token of the guard's own
 */
export function valueFault(server: ServerValues, isOwn: (file: string) => boolean): ServerFault | null {
  if (server.token_file !== undefined && isOwn(server.token_file)) return faultAt(["token_file"], OWN_TOKEN);
  for (const name of Object.keys(server.env_from ?? {})) {
    const problem = variableFault(server, name, isOwn);
    if (problem !== null) return faultAt(["env_from", name], problem);
  }
  const names = Object.keys(server.headers ?? {});
  for (const [i, name] of names.entries()) {
    const problem = headerFault(server, name, names.slice(0, i), isOwn);
    if (problem !== null) return faultAt(["headers", name], problem);
  }
  return null;
}

function faultAt(path: string[], problem: string): ServerFault {
  return { path, problem, ...(problem === OWN_TOKEN && { code: OWN_TOKEN_CODE }) };
}

function variableFault({ command, env = {}, env_from = {} }: ServerValues, name: string, isOwn: (file: string) => boolean): string | null {
  const { file, env: variable } = env_from[name] ?? {};
  if (command === undefined) return "only a server that `command` starts has variables";
  if (Object.hasOwn(env, name)) return "stands in `env` too";
  if ((file === undefined) === (variable === undefined)) return "either `file` or `env` says where the value is";
  const own = file === undefined ? OWN_VARIABLES.has(variable ?? "") : isOwn(file);
  return own ? OWN_TOKEN : null;
}

function headerFault(
  { url, token_file, headers = {} }: ServerValues,
  name: string,
  before: readonly string[],
  isOwn: (file: string) => boolean,
): string | null {
  const lower = name.toLowerCase();
  const source = headers[name];
  if (url === undefined) return "only a server that `url` names has headers";
  if (!HEADER_NAME.test(name)) return "no name of a header";
  if (RESERVED.has(lower) || lower.startsWith(MCP_PREFIX)) return "is set by MCP or the connection";
  if (lower === "authorization" && token_file !== undefined) return "`token_file` sets it";
  if (before.some((other) => other.toLowerCase() === lower)) return "stands there twice: case makes no difference";
  if (typeof source === "string") return HEADER_VALUE.test(source) ? null : "expected a value of visible ASCII, with blanks only inside";
  return source !== undefined && isOwn(source.file) ? OWN_TOKEN : null;
}
