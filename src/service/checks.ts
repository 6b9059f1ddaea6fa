/** Checks of all that a start reads, without starting anything. */
import { readEnvoyMapping } from "../adapters/envoy/mapping.js";
import { readOpaMapping } from "../adapters/opa/mapping.js";
import { readOtelMapping } from "../adapters/otlp/mapping.js";
import { checkLogIdentity } from "../audit/log/log_keys.js";
import { readVerifier } from "../audit/tree/note.js";
import { verifyBundle } from "../bundle/verify.js";
import { readYamlDocument } from "../facts/import_file.js";
import type { Config } from "../system/config.js";
import { readHeaders } from "../system/headers_file.js";
import type { System } from "../system/index.js";
import { readBytes } from "../system/read_file.js";
import { authzenEntities } from "./authzen.js";
import { identityOf } from "./identities.js";
import { checkSecurityEvents } from "./security_events.js";
import { readTls } from "./tls.js";
import { bundleTrust } from "./trusted_keys.js";

/**
 * Reads everything that a start would read, and changes nothing.
 * @throws Error saying what is wrong
 */
export async function checkService(config: Config, system: System): Promise<void> {
  checkConfigured(config, system);
  const { name, path } = config.bundle;
  await verifyBundle(readBytes(path), { name, ...bundleTrust(config), nowMs: system.clock.wall() });
}

/**
 * Reads what a start can't do without: a bundle it can.
 * @throws Error saying what is wrong
 */
export function checkConfigured(config: Config, system: System): void {
  identityOf(config, system, null);
  bundleTrust(config);
  checkLogIdentity(config.log.dir, config.log);
  if (config.tls !== undefined) readTls(config.tls, "tls");
  if (config.envoy?.grpc?.tls !== undefined) readTls(config.envoy.grpc.tls, "envoy.grpc.tls");
  if (config.observe.otlp?.grpc?.tls !== undefined) readTls(config.observe.otlp.grpc.tls, "observe.otlp.grpc.tls");
  const { file } = config.facts;
  if (file !== undefined) readYamlDocument(readBytes(file), file);
  if (config.observe.otlp !== undefined) readOtelMapping(config.observe.otlp.mapping);
  if (config.envoy !== undefined) readEnvoyMapping(config.envoy.mapping);
  if (config.opa !== undefined) readOpaMapping(config.opa.mapping);
  if (config.telemetry?.headers_file !== undefined) readHeaders(config.telemetry.headers_file);
  for (const key of [...(config.log.witnesses ?? []).map(({ key }) => key), ...(config.log.cosigns?.logs ?? [])]) readVerifier(key);
  authzenEntities(config);
  checkSecurityEvents(config, system);
}
