/** Settings of what is decided on, and how. */
import { EVALUATION_FUEL } from "../../contract/fuel.js";
import { Type } from "../../contract/type.js";
import { DAY_MS, HOUR_MS, KIB, MIB, amount, defaulted, folder, name, path, retries, section } from "./parts.js";

export const bundle = section(
  {
    name: name("The bundle's name; one that says another is refused"),
    path: path("The signed bundle; watched"),
    keys: Type.Array(path("PEM file of a public key (ES256)"), {
      minItems: 1,
      maxItems: 16,
      description:
        "PEM files of the public keys (ES256) whose bundles are trusted. Each may have several, and is read again for every bundle: keys are rotated without a restart",
    }),
    signers_min: amount(
      "keys",
      { default: 1, minimum: 1, maximum: 2 },
      "How many of these keys must have signed a bundle (`remit cosign`)",
    ),
    provenance_keys: Type.Optional(
      Type.Array(path("PEM file of a public key (ES256)"), {
        minItems: 1,
        maxItems: 16,
        description:
          "PEM files of the public keys (ES256) of builders: a bundle without provenance (in-toto, SLSA) by one of them, of its very files, is refused. Left out: provenance isn't looked at",
      }),
    ),
    state_dir: folder("Directory for the highest trusted sequence and the last good bundle"),
    kept: amount(
      "bundles",
      { default: 8, minimum: 0, maximum: 256 },
      "How many bundles that were active are kept in `state_dir`, for `GET /bundles/{name}?digest=`: a record is decided again by the one that decided it",
    ),
    poll_ms: amount("ms", { default: 1000, minimum: 50, maximum: HOUR_MS }, "How often `path` is looked at"),
    bytes_max: amount("bytes", { default: 16 * MIB, minimum: 64 * KIB, maximum: 256 * MIB }, "Largest bundle, packed"),
    waiters_max: amount(
      "requests",
      { default: 64, minimum: 0, maximum: 65_535 },
      "Who may wait for the next bundle at `GET /bundles/{name}` at once, each on a connection of `limits.connections_max`; more are answered with 503 `subscribers_full`",
    ),
    waiters_per_token_max: amount("requests", { default: 16, minimum: 0, maximum: 65_535 }, "How many of them one caller may have"),
    wait_max_ms: amount("ms", { default: 300_000, minimum: 0, maximum: HOUR_MS }, "How long each may wait, however long it asks for"),
    source: Type.Optional(
      section(
        {
          kind: Type.Enum(["http", "s3", "oci"], {
            description:
              "HTTP(S) server with OPA's bundle protocol or any other that knows ETags; S3-compatible storage; registry of images (OCI)",
          }),
          url: Type.String({
            minLength: 1,
            maxLength: 2048,
            description:
              "The bundle: its URL, that of its object in a bucket, or `https://registry.example/acme/policies:stable`. An `https` URL, or an `http` one of a loopback address",
          }),
          token_file: Type.Optional(path("For `http`: file of a bearer token, read before each request")),
          credentials_file: Type.Optional(
            path(
              "For `s3`: file of credentials in the form that AWS's tools read; left out, the environment has them. For `oci`: file of one line, `user:password`",
            ),
          ),
          region: Type.String({
            pattern: "^[a-z0-9][a-z0-9-]{0,63}$",
            default: "us-east-1",
            description: "For `s3`: region that requests are signed for",
          }),
          private: Type.Boolean({ default: false, description: "Whether private addresses, and this machine's, may be asked" }),
          redirect_hosts: Type.Array(
            Type.String({ pattern: "^[a-z0-9.-]+(?::[0-9]{1,5})?$", description: "Host, with its port unless that is 443" }),
            {
              maxItems: 8,
              default: [],
              description:
                "Other hosts that a request may be redirected to, such as a registry's storage; for `oci`, where logins may be sent to too",
            },
          ),
          poll_ms: amount(
            "ms",
            { default: 30_000, minimum: 100, maximum: DAY_MS },
            "From one look to the next, unless the server waits by itself",
          ),
          wait_ms: amount(
            "ms",
            { default: 60_000, minimum: 0, maximum: HOUR_MS },
            "For `http`: how long a server that knows long polling may wait",
          ),
          timeout_ms: amount("ms", { default: 30_000, minimum: 100, maximum: HOUR_MS }, "Time for one answer, beyond that"),
          ...retries,
        },
        "Where bundles are fetched from, beside `path`, which has the last one that was activated. Left out: nowhere",
      ),
    ),
    stage: defaulted(
      {
        compared_min: amount(
          "decisions",
          { default: 100, minimum: 1, maximum: 1_000_000 },
          "Comparisons before differences can end a stage",
        ),
        flips_percent_max: amount(
          "percent",
          { default: 5, minimum: 0, maximum: 100 },
          "Comparisons that may differ in the decision; a stage with more is ended, and the active bundle decides for all",
        ),
        errors_max: amount(
          "decisions",
          { default: 10, minimum: 0, maximum: 1_000_000 },
          "Failed evaluations of the staged bundle; a stage with more is ended",
        ),
      },
      "Bundles that are staged: tried beside the active one, in shadow or for a share of the agents",
    ),
  },
  "The policy to decide by",
);

export const facts = section(
  {
    store: folder("Directory of the facts' store, a SQLite database; one service writes it"),
    file: Type.Optional(path("YAML file to import, at the start and when it changes; what it doesn't name is left alone")),
    poll_ms: amount("ms", { default: 1000, minimum: 50, maximum: HOUR_MS }, "How often `file` is looked at"),
    agents_max: amount(
      "agents",
      { default: 1_000_000, minimum: 1, maximum: 10_000_000 },
      "Agents, past ones too: an id is never used again",
    ),
    tasks_max: amount("tasks", { default: 1_000_000, minimum: 1, maximum: 10_000_000 }, "Tasks, live at once"),
    task_lifetime_max_ms: amount("ms", { default: 7 * DAY_MS, minimum: 1000, maximum: 366 * DAY_MS }, "Furthest expiry of a task"),
    task_depth_max: amount("levels", { default: 4, minimum: 0, maximum: 16 }, "How often a task may be handed on"),
    grants_max: amount("grants", { default: 100_000, minimum: 1, maximum: 1_000_000 }, "Grants, live at once"),
    grants_per_holder_max: amount("grants", { default: 64, minimum: 1, maximum: 256 }, "Grants of one agent or task"),
    grant_lifetime_max_ms: amount("ms", { default: 7 * DAY_MS, minimum: 1000, maximum: 366 * DAY_MS }, "Furthest expiry of a grant"),
    queue_calls_max: amount("changes", { default: 10_000, minimum: 1, maximum: 1_000_000 }, "Changes waiting for the store"),
    queue_bytes_max: amount("bytes", { default: 64 * MIB, minimum: 64 * KIB, maximum: 1024 * MIB }, "Bytes waiting for the store"),
    durable_within_ms: amount(
      "ms",
      { default: 2000, minimum: 100, maximum: 60_000 },
      "How long a revocation, which holds at once, waits for the disk before its answer says that it isn't durable",
    ),
    landed_within_ms: amount(
      "ms",
      { default: 1000, minimum: 10, maximum: 60_000 },
      "How long a revocation waits for answers that began before it; those left then are cut off",
    ),
  },
  "Who may act: agents, tasks, grants, revocations",
);

export const decision = defaulted(
  {
    time_skew_max_ms: amount(
      "ms",
      { default: 30_000, minimum: 0, maximum: HOUR_MS },
      "How far a claimed `time` may be from the host's clock",
    ),
    approval_wait_ms: amount("ms", { default: 900_000, minimum: 1000, maximum: 30 * DAY_MS }, "How long a flag that waits may wait"),
    outcomes_max: amount(
      "decisions",
      { default: 100_000, minimum: 0, maximum: 10_000_000 },
      "Last decisions that are remembered at most, half of them for certain, so that what became of them can be taken down without a look into the records",
    ),
    chained_tasks_max: amount(
      "tasks",
      { default: 100_000, minimum: 0, maximum: 10_000_000 },
      "Tasks whose last decision is remembered at most, half of them for certain, to be named in the record of the next",
    ),
  },
  "Bounds of a decision",
);

export const behavior = defaulted(
  {
    enabled: Type.Boolean({
      default: true,
      description:
        "Whether it is learned what is usual for each agent; where it isn't, nothing is unusual and no agent is narrowed or suspended by itself",
    }),
    agents_max: amount(
      "agents",
      { default: 10_000, minimum: 1, maximum: 1_000_000 },
      "Agents of which something is known, 24 KiB each at most; who was heard of longest ago is forgotten",
    ),
    snapshot_ms: amount(
      "ms",
      { default: 300_000, minimum: 1000, maximum: DAY_MS },
      "How often what is known is kept in `log.dir`, beside every 20,000 records or more; a start reads the records since",
    ),
  },
  "What is usual, and what isn't",
);

export const engine = defaulted(
  {
    memory_pages_max: amount("pages", { default: 512, minimum: 16, maximum: 16_384 }, "Memory of one engine instance, in pages of 64 KiB"),
    evaluation_fuel_max: amount(
      "units",
      EVALUATION_FUEL,
      "Metering units that one evaluation may use, about 10,000 a microsecond of CPU; one that needs more is denied with `evaluation_budget`",
    ),
  },
  "The WebAssembly engine",
);
