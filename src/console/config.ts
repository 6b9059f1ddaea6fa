/** `console.yaml`: where the console listens, which service it shows, who may sign in, and what they may do. */
import { dirname, resolve } from "node:path";
import { SCOPES, type Scope } from "../contract/index.js";
import { Type, type Static } from "../contract/type.js";
import { amount, name, ownKey, path, section, HOUR_MS } from "../system/config/parts.js";
import { isLoopback, isOutgoingUrl, OUTGOING } from "../system/config/urls.js";
import { readBytes } from "../system/read_file.js";
import { schemas } from "../system/schemas.js";
import { readYamlAs } from "../system/yaml.js";

const url = (description: string) => Type.String({ maxLength: 2048, description });
const scopes = (description: string) => Type.Array(Type.Enum(Object.keys(SCOPES) as Scope[]), { uniqueItems: true, description });

export const ConsoleConfigSchema = section(
  {
    listen: Type.Object(
      {
        host: Type.String({ default: "127.0.0.1", minLength: 1, maxLength: 255, description: "Address to listen at" }),
        port: Type.Integer({ default: 8190, minimum: 0, maximum: 65_535, description: "Port; 0 takes a free one" }),
        connections_max: amount(
          "connections",
          { default: 512, minimum: 16, maximum: 65_535 },
          "Connections at once, half of them for one person at most; for more, the oldest without a session are closed, then those of the person with most. An eighth, 16 at most, is kept for stopping everything",
        ),
      },
      { additionalProperties: false, default: {}, description: "Where browsers reach the console" },
    ),
    public_url: Type.Optional(
      url("Origin by which browsers reach it, such as `https://console.example.com`. Left out: the loopback address"),
    ),
    tls: Type.Optional(
      section(
        { cert: path("PEM file of the certificate"), key: path("PEM file of its private key") },
        "Left out: a proxy before it has TLS",
      ),
    ),
    service: section(
      {
        url: url("The service: `https`, or `http` on a loopback address"),
        ca: Type.Optional(path("PEM file of the certificates to trust")),
      },
      "The service that it shows",
    ),
    issuer: section(
      {
        issuer: name("`iss` of the tokens that it signs: one of `identity.issuers` of the service, with `scopes_max`"),
        audience: name("`aud` of callers' tokens of that issuer"),
        kid: name("`kid` of its key"),
        key: path("PEM file of the private key (P-256) that signs them, and nothing else"),
      },
      "The console as an issuer of callers' tokens: one a person and route, for a minute",
    ),
    local: Type.Optional(
      section(
        { person: name("Who signs in by the address that the console prints"), scopes: scopes("What that person may do") },
        "For `remit console --local`, on loopback alone",
      ),
    ),
    oidc: Type.Optional(
      section(
        {
          issuer: url("The identity provider: `https`, or `http` on a loopback address"),
          client_id: name("The console's id there"),
          client_secret: Type.Optional(path("File of its secret. Left out: it is a public client")),
          person_claim: Type.String({
            default: "email",
            pattern: "^[A-Za-z0-9_-]{1,64}$",
            description: "Claim of the id token that names the person; `email` counts only if it is verified",
          }),
          groups_claim: Type.String({
            default: "groups",
            pattern: "^[A-Za-z0-9_-]{1,64}$",
            description: "Claim of the id token that lists the person's groups",
          }),
          groups: Type.Record(ownKey(256), scopes("What its members may do"), {
            description: "Scopes by group; who is in none may not sign in",
          }),
        },
        "Sign-in by OpenID Connect, with the authorization code and PKCE",
      ),
    ),
    slack: Type.Optional(
      section(
        {
          signing_secret: path("File of the signing secret of the Slack app whose webhook the service posts to; read for each request"),
          team: Type.String({ pattern: "^[A-Z0-9]{2,32}$", description: "Id of the workspace, `T…`: presses in another one are refused" }),
          people: Type.Record(Type.String({ pattern: "^[UW][A-Z0-9]{1,31}$" }), name("The person, as in a sign-in to the console"), {
            additionalProperties: false,
            minProperties: 1,
            maxProperties: 10_000,
            description: "Persons by their user ids in Slack: in this name a press approves, with `remit:review` and nothing else",
          }),
          response_origin: Type.String({
            default: "https://hooks.slack.com",
            maxLength: 255,
            description: "Where messages are changed after a press; no other address of a press is asked",
          }),
        },
        "Buttons in Slack, at `/slack/actions`. Default: no buttons",
      ),
    ),
    sessions: Type.Object(
      {
        idle_ms: amount(
          "ms",
          { default: HOUR_MS / 2, minimum: 60_000, maximum: 24 * HOUR_MS },
          "Time without a request after which a session ends",
        ),
        lasts_ms: amount("ms", { default: 8 * HOUR_MS, minimum: 60_000, maximum: 24 * HOUR_MS }, "Time after which it ends in any case"),
        fresh_ms: amount(
          "ms",
          { default: 300_000, minimum: 10_000, maximum: HOUR_MS },
          "Age of a sign-in that still widens: lifts, grants, publishes",
        ),
      },
      { additionalProperties: false, default: {}, description: "How long people stay signed in" },
    ),
  },
  "The console's configuration",
);
export type ConsoleConfig = Static<typeof ConsoleConfigSchema>;

const valid = schemas({ useDefaults: true, keywords: ["unit"], formats: { path: true, folder: true } }).compile<ConsoleConfig>(
  ConsoleConfigSchema,
);

/**
 * Reads `console.yaml`. Paths in the answer are absolute: in the file they are relative to it.
 * @throws YamlError naming file, line and key; the file system's error
 */
export function readConsoleConfig(file: string): ConsoleConfig {
  return parseConsoleConfig(readBytes(file), file);
}

/** Parses the text of a configuration, like `readConsoleConfig`; its paths are relative to `file`. @throws YamlError */
export function parseConsoleConfig(text: string | Uint8Array, file: string): ConsoleConfig {
  const { value, errorAt } = readYamlAs<ConsoleConfig>(text, file, valid);
  const folder = dirname(resolve(file));
  const { service, issuer, oidc, tls, public_url, slack } = value;
  for (const [at, given] of [
    [["service", "url"], service.url],
    [["oidc", "issuer"], oidc?.issuer],
  ] as const)
    if (given !== undefined && !isOutgoingUrl(given)) throw errorAt(at, OUTGOING);
  if (public_url !== undefined && !isOrigin(public_url))
    throw errorAt(["public_url"], "expected an origin: `https://`, a host, and no path");
  if (value.local === undefined && oidc === undefined) throw errorAt([], "give `local`, `oidc` or both: nobody could sign in");
  if (oidc !== undefined && public_url === undefined && !isLoopback(value.listen.host))
    throw errorAt(["public_url"], "missing: the identity provider sends people back to it");
  if (slack !== undefined && !isOrigin(slack.response_origin))
    throw errorAt(["slack", "response_origin"], "expected an origin: `https://`, a host, and no path");
  issuer.key = resolve(folder, issuer.key);
  if (slack !== undefined) slack.signing_secret = resolve(folder, slack.signing_secret);
  if (service.ca !== undefined) service.ca = resolve(folder, service.ca);
  if (oidc?.client_secret !== undefined) oidc.client_secret = resolve(folder, oidc.client_secret);
  if (tls !== undefined) Object.assign(tls, { cert: resolve(folder, tls.cert), key: resolve(folder, tls.key) });
  return value;
}

function isOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { origin, protocol, hostname } = new URL(text);
  return origin === text && (protocol === "https:" || (protocol === "http:" && isLoopback(hostname)));
}
