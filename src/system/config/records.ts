/** Records, and sinks that take them. */
import { DURABILITIES } from "../../contract/index.js";
import { EXPORT_DATA, EXPORT_FORMATS, OF_KAFKA, OF_SYSLOG, WITH_DATA } from "../../contract/export.js";
import { Type, type Static } from "../../contract/type.js";
import { DAY_MS, HOUR_MS, KIB, MIB, amount, defaulted, folder, path, retries, section, type ErrorAt } from "./parts.js";
import { contains, overlap } from "../folder.js";
import { OUTGOING, SYSLOG, isLoopback, isOutgoingUrl, isSyslogUrl } from "./urls.js";

export const log = section(
  {
    dir: folder("Directory of the records; one service writes it"),
    segment_bytes: amount(
      "bytes",
      { default: 64 * MIB, minimum: 4 * KIB, maximum: 1024 * MIB },
      "Size at which a new segment begins, as it does after 50,000 records",
    ),
    keys: Type.Optional(
      Type.Array(path("PEM file of a private key (Ed25519) that signs checkpoints, and nothing else"), {
        minItems: 1,
        maxItems: 4,
        description:
          "PEM files of the private keys (Ed25519) that sign the log's checkpoints, each all of them: to rotate, name the new one beside the old for a start. Left out: `key.pem` in `dir`, made at the first start",
      }),
    ),
    origin: Type.Optional(
      Type.String({
        pattern: "^[a-z0-9][a-z0-9._/-]{0,127}$",
        description: "The log's name in its checkpoints, for good: like a URL without its scheme. Left out: one made of its first key",
      }),
    ),
    checkpoint_ms: amount(
      "ms",
      { default: 1000, minimum: 10, maximum: HOUR_MS },
      "How long a record may be on disk before a checkpoint covers it; one is signed at once where a proof is asked for",
    ),
    durability: Type.Enum([...DURABILITIES], {
      default: "synced",
      description:
        "`synced`: an answer leaves when its record is on disk. `relaxed`: when it is handed over, so the last ones may be lost, which the records then say; counted grants are refused",
    }),
    retain_days: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 36_500,
        unit: "days",
        description:
          "How long records are kept: older ones are dropped, whole segments at a time, and the keys of masks of that time; what remains is proven as before. Left out: for ever",
      }),
    ),
    mask_period_days: amount(
      "days",
      { default: 30, minimum: 1, maximum: 3650 },
      "How long one key digests what a bundle masks. Equal values are comparable within a period, and deleting its key (`remit audit retain`) ends that too",
    ),
    index: defaulted(
      {
        wait_ms: amount(
          "ms",
          { default: 1000, minimum: 0, maximum: 60_000 },
          "How long a search waits for the records that were on disk when it was asked; its answer says how far it looked",
        ),
        overdue_ms: amount(
          "ms",
          { default: 60_000, minimum: 0, maximum: 30 * DAY_MS },
          "How long after its answer was valid an action of which nothing was said counts as missing its outcome",
        ),
        questions_max: amount(
          "requests",
          { default: 64, minimum: 1, maximum: 10_000 },
          "Searches under way at once; more are answered with 503 `index_unavailable`",
        ),
        followers_max: amount(
          "subscribers",
          { default: 64, minimum: 0, maximum: 65_535 },
          "Who may follow `GET /decisions/stream` at once, each on a connection of `limits.connections_max`; more are answered with 503 `subscribers_full`",
        ),
      },
      "How records are searched",
    ),
    publish: Type.Optional(
      section(
        {
          dir: folder("Folder that a web server serves: the checkpoint, tiles and records of the log, and nothing else. Outside `dir`"),
          interval_ms: amount(
            "ms",
            { default: 10_000, minimum: 100, maximum: HOUR_MS },
            "How often it is brought up to the log's checkpoint",
          ),
        },
        "Publishes the log as static files (C2SP tlog-tiles). Takes as much room again as the records",
      ),
    ),
    witnesses: Type.Optional(
      Type.Array(
        section(
          {
            name: Type.String({ pattern: "^[a-z0-9][a-z0-9._-]{0,63}$", description: "Names its file in `dir`, and its metrics" }),
            url: Type.String({
              minLength: 1,
              maxLength: 2048,
              description:
                "Its submission prefix, to which `/add-checkpoint` is added: an `https` URL, or an `http` one of a loopback address. Redirects are not followed",
            }),
            key: Type.String({
              minLength: 1,
              maxLength: 1024,
              description: "Its verifier key (C2SP), by which its cosignatures are verified",
            }),
            interval_ms: amount(
              "ms",
              { default: 60_000, minimum: 100, maximum: DAY_MS },
              "How often it is sent a checkpoint, if the log grew",
            ),
            timeout_ms: amount("ms", { default: 30_000, minimum: 100, maximum: 600_000 }, "Time for one request and its whole answer"),
            ...retries,
          },
          "One witness",
        ),
        {
          minItems: 1,
          maxItems: 16,
          description: "Witnesses (C2SP tlog-witness) that cosign checkpoints: each has seen the log grow, and never shrink or fork",
        },
      ),
    ),
    cosigns: Type.Optional(
      section(
        {
          name: Type.String({
            pattern: "^[^\\s+]{1,255}$",
            description: "Name of this witness in its cosignatures, such as `remit.example/w1`",
          }),
          logs: Type.Array(Type.String({ minLength: 1, maxLength: 1024 }), {
            minItems: 1,
            maxItems: 1000,
            uniqueItems: true,
            description: "Verifier keys (C2SP) of the logs that it cosigns for, as their `GET /log/keys` says them",
          }),
        },
        "Witness of other logs (C2SP tlog-witness) at `/witness`: cosigns each checkpoint that goes on from the one before. Its key and the last checkpoints are in `cosigned` below `dir`",
      ),
    ),
    queue_records_max: amount("records", { default: 20_000, minimum: 1, maximum: 1_000_000 }, "Records waiting for the disk"),
    queue_bytes_max: amount("bytes", { default: 64 * MIB, minimum: 64 * KIB, maximum: 1024 * MIB }, "Bytes waiting for the disk"),
  },
  "The decision records",
);

export const sinks = Type.Array(
  section(
    {
      name: Type.String({
        pattern: "^[a-z0-9][a-z0-9._-]{0,63}$",
        description: "Names its cursor, in `log.dir`, and its metrics; under another name it begins anew",
      }),
      url: Type.Optional(
        Type.String({
          minLength: 1,
          maxLength: 2048,
          description:
            "Where records are posted to: an `https` URL, or an `http` one of a loopback address. Redirects are not followed. Or a receiver of syslog: `syslog+tls://host:6514`, or `syslog+tcp://…` of a loopback address",
        }),
      ),
      kafka: Type.Optional(
        section(
          {
            brokers: Type.Array(Type.String({ minLength: 3, maxLength: 256, pattern: "^(\\[[0-9a-f:]+\\]|[A-Za-z0-9._-]+):[0-9]{1,5}$" }), {
              minItems: 1,
              maxItems: 32,
              description: "Brokers that are asked for the others, each `host:port`. Without `tls` all of them are loopback addresses",
            }),
            topic: Type.String({ pattern: "^[A-Za-z0-9._-]{1,249}$", description: "Topic that takes the records; it has to exist" }),
            sasl: Type.Optional(
              section(
                {
                  mechanism: Type.Enum(["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], { description: "How the service signs in" }),
                  username: Type.String({ minLength: 1, maxLength: 256, description: "Under which name" }),
                  password_file: path("File of its password; read at each sign-in"),
                },
                "Sign-in (SASL), where the brokers want one",
              ),
            ),
          },
          "Topic of Kafka that takes records, in place of `url`",
        ),
      ),
      format: Type.Enum([...EXPORT_FORMATS], { description: "In which form" }),
      data: Type.Enum([...EXPORT_DATA], {
        default: "record",
        description: "What an event of `cloudevents`, `json_array`, `splunk_hec` or `syslog` is: the record, or its OCSF event",
      }),
      token_file: Type.Optional(path("File of a token that it takes as a bearer's; read before each request")),
      headers_file: Type.Optional(
        path("File of headers of each request, one a line, such as `DD-API-KEY: …` or `Authorization: Splunk …`; read before each request"),
      ),
      tls: Type.Optional(
        section(
          {
            ca: Type.Optional(path("PEM file of the certificates to trust here, in place of the system's")),
            cert: Type.Optional(path("PEM file of the service's own certificate chain, where the receiver wants one")),
            key: Type.Optional(path("PEM file of its private key")),
          },
          "Certificates of a connection by `syslog+tls` or to Kafka; read for each. `{}`: TLS by the system's authorities",
        ),
      ),
      enterprise_number: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 4_294_967_295,
          unit: "units",
          description:
            "Your organisation's private enterprise number (IANA): messages of syslog then have the record's main members as structured data, `remit@<number>`",
        }),
      ),
      gzip: Type.Boolean({
        default: false,
        description: "Compresses requests and batches of Kafka; those of `opa_decision_log` always are",
      }),
      batch_records_max: amount("records", { default: 1000, minimum: 1, maximum: 10_000 }, "Records of one request"),
      batch_bytes_max: amount(
        "bytes",
        { default: MIB, minimum: 32 * KIB, maximum: 16 * MIB },
        "Bytes of one request before they are compressed; a record that is larger has one for itself",
      ),
      interval_ms: amount("ms", { default: 1000, minimum: 10, maximum: HOUR_MS }, "How long records wait for others"),
      timeout_ms: amount("ms", { default: 30_000, minimum: 100, maximum: 600_000 }, "Time for one request and its whole answer"),
      retry_ms: amount("ms", { default: 1000, minimum: 10, maximum: HOUR_MS }, "Wait after the first failure; it doubles with each"),
      retry_max_ms: amount(
        "ms",
        { default: 300_000, minimum: 10, maximum: DAY_MS },
        "Longest wait, unless the sink asks for a longer one, of an hour at most",
      ),
      from: Type.Enum(["start", "now"], {
        default: "start",
        description: "Where it begins when it has no cursor: with the first record there is, or with the next",
      }),
    },
    "One sink",
  ),
  {
    minItems: 1,
    maxItems: 16,
    description: "Sinks that take records, each all of them, in order, at least once. They have no influence on decisions",
  },
);

export const uploads = Type.Array(
  section(
    {
      name: Type.String({
        pattern: "^[a-z0-9][a-z0-9._-]{0,63}$",
        description: "Names it in metrics, and the file in `log.dir` of what was sent",
      }),
      url: Type.String({
        minLength: 1,
        maxLength: 2048,
        description:
          "Bucket of S3-compatible storage, or a folder in it: an `https` URL, or an `http` one of a loopback address, of letters, digits and `._~-` and without a query. Redirects are not followed",
      }),
      region: Type.String({
        pattern: "^[a-z0-9][a-z0-9-]{0,63}$",
        default: "us-east-1",
        description: "Region that requests are signed for",
      }),
      credentials_file: Type.Optional(
        path(
          "File of the credentials, in the form that AWS's tools read: `aws_access_key_id`, `aws_secret_access_key` and `aws_session_token` of section `[default]`; read before each request. Left out: the environment has them, as `AWS_ACCESS_KEY_ID` and so on",
        ),
      ),
      by_day: Type.Boolean({
        default: false,
        description:
          "Lays files out by the day of their records (UTC), in `date=2026-11-29/`; a segment of several days becomes several files",
      }),
      interval_ms: amount("ms", { default: 10_000, minimum: 10, maximum: HOUR_MS }, "From one look for new files to the next"),
      timeout_ms: amount("ms", { default: 120_000, minimum: 100, maximum: HOUR_MS }, "Time for one request and its whole answer"),
      ...retries,
    },
    "One bucket",
  ),
  {
    minItems: 1,
    maxItems: 8,
    description: "Buckets that get the Parquet file of each sealed segment of the log. They have no influence on decisions",
  },
);

export function checkUploads(all: Static<typeof uploads>, errorAt: ErrorAt): void {
  for (const [i, { name, url, retry_ms, retry_max_ms }] of all.entries()) {
    const at = ["upload", i];
    if (!isOutgoingUrl(url)) throw errorAt([...at, "url"], OUTGOING);
    if (!/^[\w.~/-]*$/.test(new URL(url).pathname) || new URL(url).search !== "")
      throw errorAt([...at, "url"], "give a path of letters, digits and `._~-`, without a query");
    if (retry_ms > retry_max_ms) throw errorAt([...at, "retry_ms"], "must be at most `retry_max_ms`");
    if (all.findIndex((other) => other.name === name) !== i) throw errorAt([...at, "name"], "another bucket has this name");
  }
}

export function checkSinks(all: Static<typeof sinks>, errorAt: ErrorAt): void {
  for (const [i, sink] of all.entries()) {
    const { name, url, kafka, format, data, token_file, headers_file, tls, retry_ms, retry_max_ms } = sink;
    const at = ["export", i];
    if (data !== "record" && !WITH_DATA.has(format)) throw errorAt([...at, "data"], `is for \`format\` ${[...WITH_DATA].join(", ")}`);
    if (token_file !== undefined && headers_file !== undefined)
      throw errorAt([...at, "headers_file"], "put the token's header in here, or leave it out");
    if ((url === undefined) === (kafka === undefined)) throw errorAt([...at, "url"], "give this or `kafka`");
    if (kafka !== undefined) checkKafka(sink, kafka, at, errorAt);
    else if (url?.startsWith("syslog+") === true) checkSyslog(sink, url, at, errorAt);
    else checkPosted(sink, url ?? "", at, errorAt);
    if ((tls?.cert === undefined) !== (tls?.key === undefined)) throw errorAt([...at, "tls"], "give both `cert` and `key`, or neither");
    if (retry_ms > retry_max_ms) throw errorAt([...at, "retry_ms"], "must be at most `retry_max_ms`");
    if (all.findIndex((other) => other.name === name) !== i) throw errorAt([...at, "name"], "another sink has this name");
  }
}

type SinkSection = Static<typeof sinks>[number];

function checkPosted({ format, tls, enterprise_number }: SinkSection, url: string, at: (string | number)[], errorAt: ErrorAt): void {
  if (!isOutgoingUrl(url)) throw errorAt([...at, "url"], OUTGOING);
  if (format === "syslog")
    throw errorAt([...at, "url"], "give a `syslog+tls` URL for this `format`, or a `syslog+tcp` one of a loopback address");
  if (tls !== undefined) throw errorAt([...at, "tls"], "is for a `syslog+tls` URL, or for `kafka`");
  if (enterprise_number !== undefined) throw errorAt([...at, "enterprise_number"], "is for a receiver of syslog");
}

function checkSyslog(sink: SinkSection, url: string, at: (string | number)[], errorAt: ErrorAt): void {
  if (!isSyslogUrl(url)) throw errorAt([...at, "url"], SYSLOG);
  if (!OF_SYSLOG.has(sink.format)) throw errorAt([...at, "format"], `a receiver of syslog takes ${[...OF_SYSLOG].join(" or ")}`);
  for (const key of ["token_file", "headers_file"] as const)
    if (sink[key] !== undefined) throw errorAt([...at, key], "syslog has none; `tls` names the service's certificate");
  if (sink.gzip) throw errorAt([...at, "gzip"], "syslog has no compression");
  if (sink.tls !== undefined && !url.startsWith("syslog+tls:")) throw errorAt([...at, "tls"], "is for a `syslog+tls` URL, or for `kafka`");
}

function checkKafka(sink: SinkSection, { brokers }: NonNullable<SinkSection["kafka"]>, at: (string | number)[], errorAt: ErrorAt): void {
  const { format, tls } = sink;
  if (!OF_KAFKA.has(format)) throw errorAt([...at, "format"], `Kafka takes ${[...OF_KAFKA].join(", ")}`);
  for (const key of ["token_file", "headers_file", "enterprise_number"] as const)
    if (sink[key] !== undefined) throw errorAt([...at, key], "Kafka has none; `kafka.sasl` signs in");
  for (const [i, broker] of brokers.entries()) {
    const [, host = "", port = ""] = /^\[?(.*?)\]?:(\d+)$/.exec(broker) ?? [];
    if (Number(port) > 65_535) throw errorAt([...at, "kafka", "brokers", i], "a port is at most 65535");
    if (tls === undefined && !isLoopback(host))
      throw errorAt([...at, "kafka", "brokers", i], "anything but a loopback address needs `tls`");
  }
}

/** @param named every path of the configuration, with its key */
export function checkPublish(
  { dir, publish }: Static<typeof log>,
  named: Iterable<{ key: readonly (string | number)[]; path: string }>,
  errorAt: ErrorAt,
): void {
  if (publish === undefined) return;
  const at = ["log", "publish", "dir"];
  if (overlap(dir, publish.dir)) throw errorAt(at, "name a folder apart from `log.dir`: a web server would serve the log's keys");
  for (const { key, path } of named) {
    const name = key.join(".");
    if (name !== at.join(".") && contains(publish.dir, path))
      throw errorAt(at, `name a folder that has nothing of \`${name}\` in it: a web server would serve that`);
  }
}

export function checkWitnesses({ witnesses = [] }: Static<typeof log>, errorAt: ErrorAt): void {
  for (const [i, { name, url, retry_ms, retry_max_ms }] of witnesses.entries()) {
    const at = ["log", "witnesses", i];
    if (!isOutgoingUrl(url) || new URL(url).search !== "") throw errorAt([...at, "url"], `${OUTGOING}, without a query`);
    if (retry_ms > retry_max_ms) throw errorAt([...at, "retry_ms"], "must be at most `retry_max_ms`");
    if (witnesses.findIndex((other) => other.name === name) !== i) throw errorAt([...at, "name"], "another witness has this name");
  }
}
