/**
 * `remit.yaml`: what every key means, its default, bounds and unit. The schema is the type, the validator and the
 * reference (`config/reference.ts`); a key that isn't here refuses the start.
 */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { Type, type Static } from "../contract/type.js";
import { authzen, checkEnvoy, envoy } from "./config/adapters.js";
import { behavior, bundle, decision, engine, facts } from "./config/deciding.js";
import { callers, checkIssuers, identity } from "./config/identity.js";
import { checkListening, events, hosts, limits, listen, tls } from "./config/listening.js";
import { section } from "./config/parts.js";
import { checkSinks, log, sinks } from "./config/records.js";
import { checkSecurityEvents, securityEvents } from "./config/security_events.js";
import { checkFindings, findings, observe } from "./config/watching.js";
import { readYamlAs } from "./yaml.js";
import { schemas } from "./schemas.js";

export { allowedHosts } from "./config/listening.js";

export const ConfigSchema = section(
  {
    listen,
    tls: Type.Optional(tls),
    hosts: Type.Optional(hosts),
    identity,
    callers: Type.Optional(callers),
    bundle,
    facts,
    events,
    log,
    export: Type.Optional(sinks),
    limits,
    decision,
    observe,
    behavior,
    engine,
    envoy: Type.Optional(envoy),
    findings,
    security_events: Type.Optional(securityEvents),
    authzen: Type.Optional(authzen),
  },
  "The service's configuration",
);
export type Config = Static<typeof ConfigSchema>;

const ajv = schemas({ useDefaults: true, keywords: ["unit"], formats: { path: true } });
const validConfig = ajv.compile<Config>(ConfigSchema);

/**
 * Reads and checks a configuration file. Paths in the answer are absolute: in the file they are relative to it.
 * @throws YamlError naming file, line and key
 */
export function readConfig(file: string): Config {
  return parseConfig(readFileSync(file, "utf8"), file);
}

/** As `readConfig`, of a text; `file` says what its paths are relative to. */
export function parseConfig(text: string, file: string): Config {
  const { value, errorAt } = readYamlAs<Config>(text, file, validConfig);
  resolvePaths(ConfigSchema as Schema, value, dirname(resolve(file)));
  checkIssuers(value.identity.issuers, errorAt);
  if (value.security_events !== undefined) checkSecurityEvents(value.security_events, errorAt);
  checkSinks(value.export ?? [], errorAt);
  checkFindings(value.findings, errorAt);
  if (value.envoy !== undefined) checkEnvoy(value.envoy, errorAt);
  checkListening(value, errorAt);
  return value;
}

export interface Schema {
  type?: string;
  format?: string;
  properties?: Record<string, Schema>;
  patternProperties?: Record<string, Schema>;
  items?: Schema;
}

function resolvePaths(schema: Schema, value: unknown, folder: string): void {
  if (Array.isArray(value)) {
    const items = value as unknown[];
    for (const [i, item] of items.entries()) {
      if (schema.items?.format === "path") items[i] = resolve(folder, item as string);
      else resolvePaths(schema.items ?? {}, item, folder);
    }
    return;
  }
  if (typeof value !== "object" || value === null) return;
  const values = value as Record<string, unknown>;
  for (const [key, member] of Object.entries(values)) {
    const of = schema.properties?.[key] ?? Object.values(schema.patternProperties ?? {})[0] ?? {};
    if (of.format === "path") values[key] = resolve(folder, member as string);
    else resolvePaths(of, member, folder);
  }
}
