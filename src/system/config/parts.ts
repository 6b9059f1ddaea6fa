/** Parts that the sections of the configuration are made of. */
import { NAME_PATTERN } from "../../contract/index.js";
import { Type, type TProperties } from "../../contract/type.js";
import { isLoopback } from "./urls.js";

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

type Unit =
  | "units"
  | "ms"
  | "s"
  | "days"
  | "bytes"
  | "percent"
  | "keys"
  | "records"
  | "bundles"
  | "actions"
  | "decisions"
  | "lines"
  | "levels"
  | "members"
  | "connections"
  | "requests"
  | "tokens"
  | "tasks"
  | "agents"
  | "grants"
  | "changes"
  | "events"
  | "subscribers"
  | "findings"
  | "revocations"
  | "streams"
  | "subjects"
  | "pages";

interface Bounds {
  default: number;
  minimum: number;
  maximum: number;
}

export const amount = (unit: Unit, bounds: Bounds, description: string) => Type.Integer({ ...bounds, unit, description });
/** No path of a file system has U+0000 in it. */
const PATH = { minLength: 1, pattern: "^[^\\u0000]*$" };
/** Path of a file, relative to the configuration's own folder. */
export const path = (description: string) => Type.String({ ...PATH, format: "path", description });
/** Path of a folder, like `path`. */
export const folder = (description: string) => Type.String({ ...PATH, format: "folder", description });
export const name = (description: string) => Type.String({ minLength: 1, maxLength: 256, description });
export const section = <P extends TProperties>(properties: P, description: string) =>
  Type.Object(properties, { additionalProperties: false, description });
/** A section that may be left out, since every key in it has a default. */
export const defaulted = <P extends TProperties>(properties: P, description: string) =>
  Type.Object(properties, { additionalProperties: false, description, default: {} });

/** A key that is somebody's own word, in one line. By its pattern alone: a record holds its keys to nothing else. */
export const ownKey = (max: number) => Type.String({ pattern: `^[^\\u0000-\\u001f\\u007f]{1,${max}}$` });

export const word = (description: string) => Type.String({ pattern: NAME_PATTERN, description });

/** Number of attempts at something, and the pauses between them. */
export const retries = {
  retry_ms: amount("ms", { default: 1000, minimum: 10, maximum: HOUR_MS }, "Wait after the first failure; it doubles with each"),
  retry_max_ms: amount(
    "ms",
    { default: 300_000, minimum: 10, maximum: DAY_MS },
    "Longest wait, unless the other side asks for a longer one, of an hour at most",
  ),
};

export type ErrorAt = (path: readonly (string | number)[], message: string) => Error;

/** Checks an address that gRPC is served at: without TLS it has to be a loopback one. */
export function checkGrpc({ host, tls }: { host: string; tls?: unknown }, at: readonly string[], errorAt: ErrorAt): void {
  if (tls === undefined && !isLoopback(host)) throw errorAt([...at, "host"], "anything but a loopback address needs `tls`");
}

/** Settings of a place where something is served over gRPC. */
export const grpcListening = (port: number, calls: number, clients: string) => ({
  host: Type.String({
    default: "127.0.0.1",
    minLength: 1,
    description: "Address to listen on. Anything but a loopback address needs `tls`",
  }),
  port: Type.Integer({ default: port, minimum: 0, maximum: 65535, description: "Port; 0 takes a free one" }),
  tls: Type.Optional(
    section(
      {
        cert: path("PEM file of the certificate chain"),
        key: path("PEM file of its private key"),
        client_ca: Type.Optional(
          path(`PEM file of the authorities of which ${clients} must have a certificate. They give their token all the same`),
        ),
      },
      "Serves TLS",
    ),
  ),
  connections_max: amount("connections", { default: 64, minimum: 1, maximum: 65_535 }, "Connections at once; more are closed"),
  calls_max: amount("requests", { default: calls, minimum: 1, maximum: 65_535 }, "Calls of one connection under way"),
  idle_ms: amount("ms", { default: 600_000, minimum: 1000, maximum: DAY_MS }, "Time a connection may be without a call"),
});
