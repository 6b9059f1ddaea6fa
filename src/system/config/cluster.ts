/** Settings of a service that decides beside others on the same facts. */
import { Type } from "../../contract/type.js";
import { HOUR_MS, amount, path, section, word } from "./parts.js";

const SERVERS = { minLength: 1, maxLength: 256, pattern: "^(nats|tls)://[^/@\\s]+$" };

export const cluster = section(
  {
    name: word("Name of the cluster: nodes of one name have the same facts"),
    node: word("Name of this node, which no other has; its log is its own"),
    nats: section(
      {
        servers: Type.Array(Type.String(SERVERS), {
          minItems: 1,
          maxItems: 16,
          description:
            "NATS servers (2.12 or later, with JetStream and `sync_interval: always`), all of them: `nats://` or `tls://`, host and port",
        }),
        credentials: Type.Optional(
          path("Credentials file (`nsc`) of this node's user, which may publish and subscribe for the cluster alone"),
        ),
        ca: Type.Optional(path("PEM file of the authorities that the servers' certificates are checked against")),
        cert: Type.Optional(path("PEM file of this node's certificate")),
        key: Type.Optional(path("PEM file of the key of `cert`")),
        replicas: amount("units", { default: 3, minimum: 1, maximum: 5 }, "Servers that keep a copy of each change; 1 is for tries"),
      },
      "The servers that carry facts between nodes",
    ),
    lease_ms: amount(
      "ms",
      { default: 2000, minimum: 1000, maximum: 60_000 },
      "How long a node that can't reach the servers allows, and how long a revocation waits for a silent node",
    ),
    fleet_within_ms: amount(
      "ms",
      { default: 1000, minimum: 10, maximum: 60_000 },
      'How long a revocation waits for the other nodes before it is answered with `in_force: "node"`',
    ),
    nodes_max: amount(
      "units",
      { default: 3, minimum: 1, maximum: 64 },
      "Nodes that may be live at once; a node that sees more stops allowing",
    ),
    bundles: Type.Enum(["node", "feed"], {
      default: "node",
      description:
        "`node`: each node activates bundles by itself. `feed`: a bundle that is published to one node is activated by all; the feed names it, and the servers keep its archive",
    }),
    bundle_behind_ms: amount(
      "ms",
      { default: 30_000, minimum: 1000, maximum: HOUR_MS },
      "With `bundles: feed`: how long a node that can't have the named bundle goes on with the one before; after that it allows nothing",
    ),
    bundles_differ_ms: amount(
      "ms",
      { default: 600_000, minimum: 1000, maximum: 86_400_000 },
      "How long nodes may run different bundles, as they do while one is rolled out, until that is a finding",
    ),
  },
  "Several services that decide on the same facts. Left out: this one decides alone",
);
