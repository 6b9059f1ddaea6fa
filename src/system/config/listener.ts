/** Settings of where the service answers, and bounds on requests. */
import { REQUEST_LIMITS } from "../../contract/request_limits.js";
import { Type, type Static } from "../../contract/type.js";
import { KIB, MIB, amount, defaulted, path, section, type ErrorAt } from "./parts.js";
import { isLoopback } from "./urls.js";

export const listen = defaulted(
  {
    host: Type.String({
      default: "127.0.0.1",
      minLength: 1,
      description: "Address to listen on. Anything but a loopback address needs `tls`",
    }),
    port: Type.Integer({ default: 8181, minimum: 0, maximum: 65535, description: "Port; 0 takes a free one" }),
  },
  "Where the service answers",
);

export const tls = section(
  { cert: path("PEM file of the certificate chain"), key: path("PEM file of its private key") },
  "Serves HTTPS (TLS 1.2 and later)",
);

export const hosts = Type.Array(Type.String({ pattern: "^[a-z0-9._:\\[\\]-]{1,255}$" }), {
  minItems: 1,
  maxItems: 64,
  description:
    "Host names that requests may give, lower case, without port. Left out on a loopback address: `localhost`, `127.0.0.1`, `[::1]`, and that address",
});

export const events = defaulted(
  {
    subscribers_max: amount(
      "subscribers",
      { default: 256, minimum: 0, maximum: 65_535 },
      "Who may follow `GET /events` at once, each on a connection of `limits.connections_max`; more are answered with 503 `subscribers_full`",
    ),
    heartbeat_ms: amount(
      "ms",
      { default: 10_000, minimum: 100, maximum: 60_000 },
      "How often a subscriber hears something; one that takes nothing for so long is cut",
    ),
    queue_events_max: amount(
      "events",
      { default: 4096, minimum: 16, maximum: 1_000_000 },
      "Events that wait for one subscriber; it is cut when more do, and goes on by `Last-Event-ID`",
    ),
    queue_bytes_max: amount("bytes", { default: MIB, minimum: 16 * KIB, maximum: 64 * MIB }, "Bytes that wait for one subscriber"),
  },
  "What is pushed to enforcement points",
);

export const limits = defaulted(
  {
    body_bytes_max: amount(
      "bytes",
      { default: REQUEST_LIMITS.body_bytes_max, minimum: KIB, maximum: MIB },
      "Body of one request, and one action of a batch",
    ),
    batch_bytes_max: amount("bytes", { default: MIB, minimum: KIB, maximum: 4 * MIB }, "Body of a batch"),
    import_bytes_max: amount("bytes", { default: 64 * MIB, minimum: KIB, maximum: 512 * MIB }, "Body of an import of facts"),
    batch_actions_max: amount("actions", { default: 100, minimum: 1, maximum: 1000 }, "Actions of a batch"),
    depth_max: amount("levels", { default: REQUEST_LIMITS.depth_max, minimum: 4, maximum: 128 }, "Nested objects and lists of a body"),
    members_max: amount(
      "members",
      { default: REQUEST_LIMITS.members_max, minimum: 16, maximum: 10_000 },
      "Keys of one object, elements of one list",
    ),
    header_bytes_max: amount("bytes", { default: 16 * KIB, minimum: 4 * KIB, maximum: 128 * KIB }, "All headers of a request"),
    connections_max: amount(
      "connections",
      { default: 1024, minimum: 1, maximum: 65_535 },
      "Connections at once, half of them for one caller at most; for more, the oldest that never showed a good token are closed, then those of the caller with most",
    ),
    decisions_max: amount(
      "requests",
      { default: 256, minimum: 1, maximum: 65_535 },
      "Requests to decide under way at once; more are answered with 503 `overloaded`",
    ),
    decisions_per_caller_max: amount(
      "requests",
      { default: 128, minimum: 1, maximum: 65_535 },
      "Of these, of one caller, by its token: however much it asks for, others find room. Of the decisions that they ask for, no more are begun at once either, but for those of the last request: the others wait",
    ),
    headers_ms: amount("ms", { default: 5000, minimum: 100, maximum: 60_000 }, "Time for a request's headers to arrive"),
    body_ms: amount("ms", { default: 5000, minimum: 100, maximum: 60_000 }, "Time for a request's body to arrive"),
    keep_alive_ms: amount(
      "ms",
      { default: 65_000, minimum: 0, maximum: 600_000 },
      "Time a connection may be idle; at most 5 s before its first request with a good token",
    ),
    shutdown_ms: amount("ms", { default: 10_000, minimum: 100, maximum: 300_000 }, "Time for requests in flight when the service stops"),
  },
  "Bounds of what a request may be",
);

interface Listening {
  listen: Static<typeof listen>;
  tls?: Static<typeof tls>;
  hosts?: Static<typeof hosts>;
}

export function checkListening(given: Listening, errorAt: ErrorAt): void {
  if (isLoopback(given.listen.host)) return;
  if (given.tls === undefined) throw errorAt(["listen", "host"], "anything but a loopback address needs `tls`");
  if (given.hosts === undefined) throw errorAt(["hosts"], "missing: needed on anything but a loopback address");
}

const LOOPBACK_HOSTS = ["localhost", "127.0.0.1", "[::1]"];

/** The Host names that requests may give. */
export function allowedHosts({ hosts: given, listen: { host } }: Pick<Listening, "hosts" | "listen">): readonly string[] {
  return given ?? [...new Set([...LOOPBACK_HOSTS, host.includes(":") ? `[${host}]` : host])];
}
