/**
 * `guard.yaml`: who the agent behind an MCP client is, which server stands behind the guard, and what each of its tools,
 * resources and prompts means in the words of a vocabulary. What isn't in it is refused.
 */
import { dirname, resolve } from "node:path";
import { Type, type Static, type TProperties } from "../../contract/type.js";
import { DURABILITIES, EVALUATION_FUEL, ID_LENGTH_MAX, NAME_PATTERN, SUBJECT_IDS_MAX } from "../../contract/index.js";
import { areSimilar } from "../../contract/similar.js";
import { readBytes } from "../../system/read_file.js";
import { isSameFile } from "../../system/same_file.js";
import { schemas } from "../../system/schemas.js";
import { readYamlAs } from "../../system/yaml.js";
import { MappingError, TOOL_NAME, readMapped, type Mapped } from "../../mapping/call_mapping.js";
import { isLoopback } from "../../system/config/urls.js";
import { oauthFault } from "./oauth/oauth_faults.js";
import { SCOPE_PATTERN } from "./oauth/scopes.js";
import { originFault } from "./origins.js";
import { valueFault } from "./server_faults.js";
import { STATELESS } from "./stateless.js";
import { UriPattern } from "../../mapping/uri_pattern.js";

const KIB = 1024;
const MIB = 1024 * KIB;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Below the minute after which clients give a call up: the SDKs' default. */
const HOLD_MS = 50_000;

const amount = (unit: string, bounds: { default: number; minimum: number; maximum: number }, description: string) =>
  Type.Integer({ ...bounds, unit, description });
const path = (description: string) => Type.String({ minLength: 1, format: "path", description });
const text = (description: string) => Type.String({ minLength: 1, maxLength: ID_LENGTH_MAX, description });
const name = (description: string) => Type.String({ pattern: NAME_PATTERN, description });
const url = (description: string) => Type.String({ pattern: "^https?://", maxLength: 2048, description });
const section = <P extends TProperties>(properties: P, description: string) =>
  Type.Object(properties, { additionalProperties: false, description });
const defaulted = <P extends TProperties>(properties: P, description: string) =>
  Type.Object(properties, { additionalProperties: false, description, default: {} });
/** POSIX.1-2024, section 8.1. */
const VARIABLE = "^[A-Za-z_][A-Za-z0-9_]{0,127}$";
/** Revisions of MCP that a guard can speak to a server. */
const REVISIONS = ["2025-11-25", STATELESS] as const;
/** Options of an engine in the guard's process, as `openEmbedded` accepts them. */
const InProcess = section(
  {
    dir: path("A folder that no other process has, kept over restarts: this guard's records, and the bundle that it has"),
    bundle: section(
      {
        name: text("As its manifest says it"),
        keys: Type.Array(path(""), {
          minItems: 1,
          maxItems: 64,
          description: "PEM files of public keys, one of which has to have signed it",
        }),
        behind_ms_max: amount(
          "ms",
          { default: 30_000, minimum: 100, maximum: HOUR_MS },
          "How long may be decided by an older bundle than the service's, where that can't be had",
        ),
      },
      "Comes from the service, and is verified here",
    ),
    facts: defaulted(
      {
        age_ms_max: amount(
          "ms",
          { default: 5000, minimum: 400, maximum: HOUR_MS },
          "How old facts may be: how long a revocation may go unheard where the network is cut. Beyond it every call is denied (`facts_stale`)",
        ),
      },
      "Followed from the service",
    ),
    records: defaulted(
      {
        durability: Type.Enum([...DURABILITIES], {
          default: "synced",
          description:
            "`synced`: a call waits until its record is on this disk, and with the disk the record is lost before it is handed in. `relaxed`: it doesn't wait, and the last ones are lost with the process",
        }),
        unshipped_max: amount(
          "records",
          { default: 100_000, minimum: 1, maximum: 1_000_000_000 },
          "Records that may not have reached the service; beyond it nothing is decided",
        ),
        unshipped_ms_max: amount(
          "ms",
          { default: 60_000, minimum: 100, maximum: 24 * HOUR_MS },
          "How long the first of them may wait; beyond it nothing is decided",
        ),
      },
      "On disk here, and handed in to the service after the answer",
    ),
    evaluation_fuel_max: Type.Optional(
      Type.Integer({
        minimum: EVALUATION_FUEL.minimum,
        maximum: EVALUATION_FUEL.maximum,
        unit: "units",
        description: "Metering units that one evaluation may use; as `engine.evaluation_fuel_max` of a service",
      }),
    ),
  },
  "Calls are decided in the guard's own process, by bundle and facts of the service: without a round trip, on facts that may be a little older, and with records that the service has later. Left out: the service is asked for each",
);
/** Login at a server by OAuth, as MCP's authorization has it. */
const OAuth = section(
  {
    issuer: Type.Optional(
      url(
        "The authorization server: the only one that is asked. Left out: the one that the server names, which has to be at a public address",
      ),
    ),
    client_id: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 2048,
        description:
          "The guard's id at `issuer`, or the `https` address of its metadata document as a client. Left out: it registers itself, where that is offered",
      }),
    ),
    client_secret_file: Type.Optional(path("Holds the secret of a `client_id` that has one")),
    scopes: Type.Optional(
      Type.Array(Type.String({ pattern: SCOPE_PATTERN }), {
        maxItems: 64,
        uniqueItems: true,
        description: "Asked for, and no others. Left out: those that the server asks for",
      }),
    ),
    redirect_port: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 65_535,
        description: "Of `http://127.0.0.1:…/callback`, for an `issuer` that knows it by its port. Left out: a free one",
      }),
    ),
    logins: Type.Optional(
      path("Folder of its tokens, the user's alone (default: `remit/mcp-logins` in `XDG_STATE_HOME`, or `~/.local/state`)"),
    ),
  },
  "Signed in to by a person: `remit guard mcp login`",
);
/** Read by `readMapped`: its verb is a key. */
const Entry = Type.Record(Type.String(), Type.Unknown());

const GuardConfigSchema = section(
  {
    remit: section(
      {
        url: Type.Union([url("The Remit service"), Type.Array(url("A node"), { minItems: 1, maxItems: 16 })], {
          description: "The Remit service; or nodes of a cluster, of which the first is preferred",
        }),
        token_file: Type.Optional(path("Holds the guard's token (default: `REMIT_TOKEN`); read for each request")),
        in_process: Type.Optional(InProcess),
      },
      "Whom to ask",
    ),
    agent: name("Whose calls these are"),
    agent_token_file: Type.Optional(path("Holds the agent's own token, for agents that must prove themselves")),
    purpose: name("What they are for"),
    task: defaulted(
      {
        principal: Type.Optional(text("The person it is done for")),
        subjects: Type.Optional(
          Type.Record(name(""), Type.Array(text(""), { maxItems: SUBJECT_IDS_MAX, uniqueItems: true }), {
            additionalProperties: false,
            description: "What it is about: subject type, ids",
          }),
        ),
        attributes: Type.Optional(Type.Record(Type.String(), Type.Unknown(), { description: "As the vocabulary's `task` has them" })),
        verbs: Type.Optional(Type.Array(name(""), { maxItems: 256, uniqueItems: true, description: "Left out: every verb" })),
        lasts_ms: amount("ms", { default: 8 * HOUR_MS, minimum: MINUTE_MS, maximum: 30 * 24 * HOUR_MS }, "How long it lives at most"),
      },
      "The task that is made for a session whose host names none",
    ),
    server: section(
      {
        command: Type.Optional(
          Type.Array(Type.String({ minLength: 1 }), {
            minItems: 1,
            maxItems: 256,
            description: "Program and arguments; spoken to over its standard input and output",
          }),
        ),
        env: Type.Optional(
          Type.Record(Type.String(), Type.String(), { description: "Beside PATH, HOME and their like, which it inherits" }),
        ),
        env_from: Type.Optional(
          Type.Record(
            Type.String({ pattern: VARIABLE }),
            section(
              {
                file: Type.Optional(path("Holds the value; blanks around it don't count")),
                env: Type.Optional(Type.String({ pattern: VARIABLE, description: "Variable of the guard's own environment" })),
              },
              "Either of them",
            ),
            {
              additionalProperties: false,
              description: "Variables whose values don't stand here; read each time that the server is started",
            },
          ),
        ),
        dir: Type.Optional(path("Where it runs; left out, the configuration's folder")),
        url: Type.Optional(url("Its MCP endpoint instead, over Streamable HTTP")),
        token_file: Type.Optional(path("Holds the bearer token that it takes; the client's own is never passed on")),
        oauth: Type.Optional(OAuth),
        headers: Type.Optional(
          Type.Record(
            Type.String(),
            Type.Union([
              Type.String(),
              section({ file: path("Holds the value; read for each connection") }, "A value that doesn't stand here"),
            ]),
            { maxProperties: 32, description: "Of each request to `url`, beside those that MCP sets" },
          ),
        ),
        revision: Type.Enum([...REVISIONS], {
          default: REVISIONS[0],
          description:
            "Revision of MCP that the guard speaks to it, whatever its clients speak: `2025-11-25` with a session, in what the two agree on up to it, or `2026-07-28` without",
        }),
      },
      "The MCP server behind the guard",
    ),
    listen: Type.Optional(
      section(
        {
          host: Type.String({ default: "127.0.0.1", minLength: 1, description: "Anything but a loopback address needs `token_file`" }),
          port: Type.Integer({ default: 8182, minimum: 0, maximum: 65535, description: "0 takes a free one" }),
          path: Type.String({ default: "/mcp", pattern: "^/[A-Za-z0-9._/-]{0,127}$", description: "Of the MCP endpoint" }),
          hosts: Type.Optional(
            Type.Array(Type.String({ pattern: "^[a-z0-9._:\\[\\]-]{1,255}$" }), {
              minItems: 1,
              maxItems: 64,
              description: "Host names that requests may give, without port. Left out: `localhost`, `127.0.0.1`, `[::1]`",
            }),
          ),
          origins: Type.Optional(
            Type.Array(Type.String({ minLength: 1, maxLength: 255 }), {
              minItems: 1,
              maxItems: 64,
              uniqueItems: true,
              description: "Origins of pages that may call, as browsers say them: `http://localhost:5173`. Left out: no page may",
            }),
          ),
          token_file: Type.Optional(path("Holds the bearer token that clients must send")),
        },
        "Where clients reach the guard over Streamable HTTP. Left out: over its standard input and output",
      ),
    ),
    tools: Type.Record(Type.String(), Entry, { default: {}, description: "Tool → what a call of it is" }),
    prompts: Type.Record(Type.String(), Entry, { default: {}, description: "Prompt → what getting it is" }),
    resources: Type.Array(Entry, {
      default: [],
      maxItems: 256,
      description: "`uri` with `{variables}`, and what reading it is; the first that fits counts",
    }),
    bundle: Type.Optional(path("A bundle of the policy: tools that it never permits aren't shown. It hides, and permits nothing")),
    hold_ms: amount(
      "ms",
      { default: HOLD_MS, minimum: 0, maximum: HOUR_MS },
      "How long a call waits at most for a person's approval; beyond a minute most clients have given it up",
    ),
    reports_returned: Type.Boolean({
      default: false,
      description: "Whether the service is told which values a call returned, before the client has them. `flow: standard` needs it",
    }),
    call_ms_max: amount("ms", { default: HOUR_MS, minimum: 1000, maximum: 24 * HOUR_MS }, "How long a call runs at most"),
    limits: defaulted(
      {
        arguments_bytes_max: amount("bytes", { default: MIB, minimum: KIB, maximum: 16 * MIB }, "Arguments of one call"),
        arguments_depth_max: amount(
          "levels",
          { default: 32, minimum: 2, maximum: 128 },
          "Nested objects and lists of one call's arguments",
        ),
        arguments_members_max: amount(
          "members",
          { default: 10_000, minimum: 10, maximum: 1_000_000 },
          "Members and elements of one call's arguments, all levels together",
        ),
        message_bytes_max: amount("bytes", { default: 8 * MIB, minimum: 64 * KIB, maximum: 64 * MIB }, "One message of either side"),
        waiting_bytes_max: amount(
          "bytes",
          { default: 16 * MIB, minimum: 64 * KIB, maximum: 256 * MIB },
          "Messages that a side hasn't taken; beyond it the session ends",
        ),
        requests_max: amount("requests", { default: 64, minimum: 1, maximum: 10_000 }, "Requests of one session under way, of either side"),
        sessions_max: amount("sessions", { default: 64, minimum: 1, maximum: 10_000 }, "Sessions over HTTP at a time"),
        session_idle_ms: amount(
          "ms",
          { default: 30 * MINUTE_MS, minimum: MINUTE_MS, maximum: 24 * HOUR_MS },
          "A session over HTTP without any request for so long ends",
        ),
        tools_max: amount("tools", { default: 1000, minimum: 1, maximum: 10_000 }, "Tools of a server"),
      },
      "Bounds",
    ),
  },
  "guard.yaml",
);

type Read = Static<typeof GuardConfigSchema>;

export interface MappedResource {
  uri: UriPattern;
  mapped: Mapped;
}

export interface GuardConfig extends Omit<Read, "tools" | "prompts" | "resources"> {
  tools: ReadonlyMap<string, Mapped>;
  prompts: ReadonlyMap<string, Mapped>;
  resources: readonly MappedResource[];
}

const validate = schemas({ useDefaults: true, formats: { path: true }, keywords: ["unit"] }).compile<Read>(GuardConfigSchema);

/** @throws YamlError naming the place */
export function readGuardConfig(file: string): GuardConfig {
  return parseGuardConfig(readBytes(file), file);
}

/**
 * @param file the name that errors give, and from whose folder paths count
 * @throws YamlError naming the place
 */
export function parseGuardConfig(source: string | Uint8Array, file: string): GuardConfig {
  const { value, errorAt } = readYamlAs(source, file, validate);
  const { server, listen } = value;
  const near = (path: string): string => resolve(dirname(file), path);
  if ((server.command === undefined) === (server.url === undefined)) {
    throw errorAt(["server"], "either `command` or `url` says where the server is");
  }
  if (listen !== undefined && listen.token_file === undefined && !isLoopback(listen.host)) {
    throw errorAt(["listen", "host"], "anything but a loopback address needs `token_file`: whoever reaches it acts as the agent");
  }
  for (const [i, origin] of (listen?.origins ?? []).entries()) {
    const problem = originFault(origin, listen?.token_file !== undefined);
    if (problem !== null) throw errorAt(["listen", "origins", i], problem);
  }
  const reading = <T>(at: (string | number)[], read: () => T): T => {
    try {
      return read();
    } catch (cause) {
      if (cause instanceof MappingError) throw errorAt([...at, ...cause.path], cause.message);
      throw cause;
    }
  };
  const named = (of: "tools" | "prompts"): Map<string, Mapped> => {
    const names = Object.keys(value[of]);
    return new Map(
      names.map((one, i) => {
        if (!TOOL_NAME.test(one)) throw errorAt([of, one], "no name that a server may give");
        const alike = names.slice(0, i).find((other) => areSimilar(one, other));
        if (alike !== undefined) throw errorAt([of, one], `looks like \`${alike}\`: a model, or a person, takes one for the other`);
        return [one, reading([of, one], () => readMapped(value[of][one] ?? {}))];
      }),
    );
  };
  const resources = value.resources.map(({ uri, ...entry }, i) => {
    const pattern = reading(["resources", i], () => new UriPattern(uri));
    const mapped = reading(["resources", i], () => readMapped(entry));
    const unknown = [...mapped.known.keys()].find((variable) => !pattern.variables.includes(variable));
    if (unknown !== undefined) throw errorAt(["resources", i], `\`uri\` has no variable \`${unknown}\``);
    return { uri: pattern, mapped };
  });
  const own = [value.remit.token_file, value.agent_token_file, listen?.token_file].flatMap((one) => (one === undefined ? [] : near(one)));
  const isOwn = (path: string): boolean => own.some((one) => isSameFile(one, near(path)));
  const wrong = valueFault(server, isOwn) ?? oauthFault(server, isOwn);
  if (wrong !== null) throw errorAt(["server", ...wrong.path], wrong.problem, null, wrong.code);
  return {
    ...value,
    remit: {
      ...withFile(value.remit, near),
      ...(value.remit.in_process !== undefined && { in_process: withFolder(value.remit.in_process, near) }),
    },
    server: withPlaces(server, near),
    ...(listen !== undefined && { listen: withFile(listen, near) }),
    ...(value.agent_token_file !== undefined && { agent_token_file: near(value.agent_token_file) }),
    ...(value.bundle !== undefined && { bundle: near(value.bundle) }),
    tools: named("tools"),
    prompts: named("prompts"),
    resources,
  };
}

function withFile<T extends { token_file?: string }>(of: T, near: (path: string) => string): T {
  return of.token_file === undefined ? of : { ...of, token_file: near(of.token_file) };
}

/** Returns the server with each path as it counts from the configuration's folder. */
function withPlaces(server: Read["server"], near: (path: string) => string): Read["server"] {
  const { env_from = {}, headers = {} } = server;
  const variables = Object.entries(env_from).map(([name, one]) => [name, one.file === undefined ? one : { file: near(one.file) }] as const);
  const fields = Object.entries(headers).map(([name, one]) => [name, typeof one === "string" ? one : { file: near(one.file) }] as const);
  return {
    ...withFile(server, near),
    ...(server.oauth !== undefined && { oauth: withLogins(server.oauth, near) }),
    ...(server.env_from !== undefined && { env_from: Object.fromEntries(variables) }),
    ...(server.headers !== undefined && { headers: Object.fromEntries(fields) }),
    dir: near(server.dir ?? "."),
  };
}

function withLogins(of: Static<typeof OAuth>, near: (path: string) => string): Static<typeof OAuth> {
  const { client_secret_file, logins } = of;
  return {
    ...of,
    ...(client_secret_file !== undefined && { client_secret_file: near(client_secret_file) }),
    ...(logins !== undefined && { logins: near(logins) }),
  };
}

function withFolder<T extends { dir: string; bundle: { keys: string[] } }>(of: T, near: (path: string) => string): T {
  return { ...of, dir: near(of.dir), bundle: { ...of.bundle, keys: of.bundle.keys.map(near) } };
}
