/**
 * `remit.yaml`: what every key means, its default, bounds and unit. The schema is the type, the validator and the
 * reference (`scripts/config_reference.ts`); a key that isn't here refuses the start.
 */
import { accessSync, constants, statSync } from "node:fs";
import { dirname, resolve, sep } from "node:path";
import { Type, type Static } from "../contract/type.js";
import { authzen, checkEnvoy, envoy, opa } from "./config/adapters.js";
import { cluster } from "./config/cluster.js";
import { behavior, bundle, decision, engine, facts } from "./config/decision.js";
import { callers, checkCallers, checkIssuers, identity } from "./config/identity.js";
import { checkListening, events, hosts, limits, listen, tls } from "./config/listener.js";
import { section, type ErrorAt } from "./config/parts.js";
import { checkBundleSource } from "./config/sources.js";
import { checkPublish, checkSinks, checkUploads, checkWitnesses, log, sinks, uploads } from "./config/records.js";
import { checkSecurityEvents, securityEvents } from "./config/security_events.js";
import { checkTelemetry, telemetry } from "./config/telemetry.js";
import { checkFindings, checkObserve, findings, observe } from "./config/observation.js";
import { readBytes } from "./read_file.js";
import { readYamlAs } from "./yaml.js";
import { schemas } from "./schemas.js";

export { allowedHosts } from "./config/listener.js";

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
    upload: Type.Optional(uploads),
    limits,
    decision,
    observe,
    behavior,
    engine,
    envoy: Type.Optional(envoy),
    opa: Type.Optional(opa),
    findings,
    security_events: Type.Optional(securityEvents),
    authzen: Type.Optional(authzen),
    cluster: Type.Optional(cluster),
    telemetry: Type.Optional(telemetry),
  },
  "The service's configuration",
);
export type Config = Static<typeof ConfigSchema>;

const ajv = schemas({ useDefaults: true, keywords: ["unit"], formats: { path: true, folder: true } });
const validConfig = ajv.compile<Config>(ConfigSchema);

/**
 * Reads and checks a configuration file. Paths in the answer are absolute: in the file they are relative to it.
 * @throws YamlError naming file, line and key
 */
export function readConfig(file: string): Config {
  return parseConfig(readBytes(file), file);
}

/** Parses the text of a configuration, like `readConfig`; its paths are relative to `file`. */
export function parseConfig(text: string | Uint8Array, file: string): Config {
  const { value, errorAt } = readYamlAs<Config>(text, file, validConfig);
  const folder = dirname(resolve(file));
  for (const { path, set } of pathsIn(ConfigSchema as ConfigSchemaNode, value, [])) set(resolve(folder, path));
  checkIssuers(value.identity.issuers, errorAt);
  checkCallers(value.identity.issuers, value.callers, errorAt);
  if (value.security_events !== undefined) checkSecurityEvents(value.security_events, errorAt);
  checkBundleSource(value.bundle, errorAt);
  checkSinks(value.export ?? [], errorAt);
  checkUploads(value.upload ?? [], errorAt);
  checkPublish(value.log, pathsIn(ConfigSchema as ConfigSchemaNode, value, []), errorAt);
  checkWitnesses(value.log, errorAt);
  checkFindings(value.findings, errorAt);
  checkObserve(value.observe, errorAt);
  if (value.envoy !== undefined) checkEnvoy(value.envoy, errorAt);
  if (value.telemetry !== undefined) checkTelemetry(value.telemetry, errorAt);
  checkListening(value, errorAt);
  if (value.cluster !== undefined) checkCluster(value, errorAt);
  return value;
}

/** Refuses what a service does alone: with several nodes it would be done by each of them, or counted by each of them. */
function checkCluster({ bundle, cluster, facts, security_events, log }: Config, errorAt: ErrorAt): void {
  const alone = "not together with `cluster`: each node would do it by itself";
  if (facts.file !== undefined) throw errorAt(["facts", "file"], `${alone}; send it to one of them by \`remit import\``);
  if (security_events !== undefined) throw errorAt(["security_events"], alone);
  if (log.durability !== "synced") throw errorAt(["log", "durability"], "`synced` together with `cluster`");
  if (cluster?.bundles === "feed" && bundle.source !== undefined)
    throw errorAt(["bundle", "source"], "not together with `cluster.bundles: feed`: publish to one of the nodes");
}

export interface ConfigSchemaNode {
  type?: string;
  format?: string;
  properties?: Record<string, ConfigSchemaNode>;
  patternProperties?: Record<string, ConfigSchemaNode>;
  items?: ConfigSchemaNode;
}

/** The key that names a file, or the folder that it is in: `bundle.keys.0`. Null where none does. */
export function keyOfFile(config: Config, file: string): string | null {
  const names = [...pathsIn(ConfigSchema as ConfigSchemaNode, config, [])].filter(
    ({ path }) => file === path || file.startsWith(`${path}${sep}`),
  );
  return names.sort((a, b) => b.path.length - a.path.length)[0]?.key.join(".") ?? null;
}

/**
 * Looks at what the configuration names, and changes nothing. What isn't there yet may be a folder, which a start makes; a file
 * has to be there.
 * @param what folders alone, or files that are read too
 * @throws the file system's error, with its `path`
 */
export function checkPlaces(config: Config, what: "folders" | "all"): void {
  for (const { path, isFolder } of pathsIn(ConfigSchema as ConfigSchemaNode, config, [])) {
    if (isFolder && statSync(path, { throwIfNoEntry: false })?.isDirectory() === false)
      throw Object.assign(new Error(`ENOTDIR: not a directory '${path}'`), { code: "ENOTDIR", path });
    if (isFolder && what === "all") checkWritable(path);
    if (!isFolder && what === "all") readBytes(path);
  }
}

/**
 * Checks that a start can write to a folder, or create it if it is missing.
 * @throws the file system's error, with the folder as its `path`
 */
function checkWritable(folder: string): void {
  let there = folder;
  while (statSync(there, { throwIfNoEntry: false }) === undefined && there !== dirname(there)) there = dirname(there);
  try {
    if (statSync(there).isDirectory()) accessSync(there, constants.W_OK | constants.X_OK);
    else throw Object.assign(new Error(`ENOTDIR: not a directory '${there}'`), { code: "ENOTDIR" });
  } catch (cause) {
    throw Object.assign(cause as Error, { path: folder });
  }
}

interface NamedPath {
  key: (string | number)[];
  path: string;
  isFolder: boolean;
  set: (path: string) => void;
}

function* pathsIn(schema: ConfigSchemaNode, value: unknown, key: (string | number)[]): Generator<NamedPath, void, undefined> {
  if (typeof value !== "object" || value === null) return;
  const members = value as Record<string | number, unknown>;
  const names = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
  for (const name of names) {
    const of =
      (typeof name === "number" ? schema.items : (schema.properties?.[name] ?? Object.values(schema.patternProperties ?? {})[0])) ?? {};
    const set = (path: string): void => {
      members[name] = path;
    };
    const isFolder = of.format === "folder";
    if (isFolder || of.format === "path") yield { key: [...key, name], path: members[name] as string, isFolder, set };
    else yield* pathsIn(of, members[name], [...key, name]);
  }
}
