/**
 * Values of the guarded server that don't stand in `guard.yaml`, being secret or different on each machine: variables of its process and headers of
 * requests to it, read from files and from the guard's own environment. No error says anything of a value.
 */
import { isUtf8 } from "node:buffer";
import { HEADER_VALUE } from "../../system/headers_file.js";
import { readBytes, TOKEN_PATTERN } from "../../system/read_file.js";
import type { GuardConfig } from "./config.js";

type ServerConfig = GuardConfig["server"];
type VariableSource = NonNullable<ServerConfig["env_from"]>[string];
type HeaderSource = NonNullable<ServerConfig["headers"]>[string];

/** Bytes of one value: Linux takes no variable of more than 128 KiB. */
const BYTES_MAX = 64 * 1024;
/** Control characters, but line breaks and tabs, which keys in PEM have. */
const CONTROL = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/;

/** A value that the configuration names isn't available. */
export class ServerValueError extends Error {
  override readonly name = "ServerValueError";
  readonly code = "server_value_unreadable";

  constructor(
    /** Place in the configuration. */
    readonly field: string,
    problem: string,
    options?: ErrorOptions,
  ) {
    super(`${field}: ${problem}`, options);
  }
}

/**
 * Reads everything that a connection to the server will need: what is missing is known before the first client comes.
 * @throws ServerValueError
 */
export function checkServerValues(server: ServerConfig): void {
  variablesOf(server);
  headersOf(server);
}

/**
 * Returns the variables of the server's process, each as its source has it now.
 * @throws ServerValueError
 */
export function variablesOf({ env = {}, env_from = {} }: ServerConfig, own: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const read = Object.entries(env_from).map(([name, source]) => [name, variableIn(source, `server.env_from.${name}`, own)] as const);
  return { ...env, ...Object.fromEntries(read) };
}

/**
 * Returns the headers of requests to the server by their names in lower case, each as its file has it now.
 * @throws ServerValueError
 */
export function headersOf({ headers = {}, token_file }: ServerConfig): Record<string, string> {
  const read = Object.entries(headers).map(([name, source]) => [name.toLowerCase(), headerIn(source, `server.headers.${name}`)] as const);
  return { ...Object.fromEntries(read), ...(token_file !== undefined && { authorization: `Bearer ${tokenIn(token_file)}` }) };
}

function tokenIn(file: string): string {
  const token = secretIn(file, "server.token_file");
  if (!TOKEN_PATTERN.test(token))
    throw new ServerValueError("server.token_file", `\`${file}\` holds no token; expected visible ASCII without blanks`);
  return token;
}

function headerIn(source: HeaderSource, field: string): string {
  if (typeof source === "string") return source;
  const value = secretIn(source.file, field);
  if (!HEADER_VALUE.test(value))
    throw new ServerValueError(field, `\`${source.file}\` holds no header's value; expected one line of visible ASCII`);
  return value;
}

function variableIn({ file, env = "" }: VariableSource, field: string, own: NodeJS.ProcessEnv): string {
  if (file !== undefined) return secretIn(file, field);
  const value = Object.hasOwn(own, env) ? own[env] : undefined;
  if (value === undefined || value === "") throw new ServerValueError(field, `the guard's environment has no \`${env}\`, or an empty one`);
  return value;
}

/** Reads a file's text without the blanks around it. */
function secretIn(file: string, field: string): string {
  const text = textIn(file, field).trim();
  if (text === "") throw new ServerValueError(field, `\`${file}\` is empty`);
  if (CONTROL.test(text)) throw new ServerValueError(field, `\`${file}\` has control characters; expected text`);
  return text;
}

function textIn(file: string, field: string): string {
  let bytes: Buffer;
  try {
    bytes = readBytes(file, BYTES_MAX);
  } catch (cause) {
    const { code = "unknown" } = cause as NodeJS.ErrnoException;
    throw new ServerValueError(field, `\`${file}\` can't be read (${code}); expected a file of at most ${BYTES_MAX} bytes`, { cause });
  }
  if (!isUtf8(bytes)) throw new ServerValueError(field, `\`${file}\` isn't UTF-8`);
  return bytes.toString("utf8");
}
