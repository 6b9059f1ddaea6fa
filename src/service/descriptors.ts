/** File descriptors of this process: what connections may have of them, and what has to be left for files. */
import type { Config } from "../system/config.js";
import { report } from "../system/log_events.js";
import type { Logger } from "../system/logger.js";
import { OPEN_FILES_HINT, openFilesMax } from "../system/open_files.js";

/** A service at rest has some 50 open; the rest is for segments, bundles, sinks, keys that are fetched, modules that are loaded. */
const RESERVED = 128;
const CONNECTIONS_LEAST = 16;

/**
 * Connections that the service may have at once: as configured, or fewer if this process may not have as many files open.
 * @throws Error if that leaves next to none
 */
export function connectionsMax(config: Config, logger: Logger, openFiles = openFilesMax()): number {
  const { connections_max: configured } = config.limits;
  const others = config.envoy?.grpc?.connections_max ?? 0;
  const left = openFiles - RESERVED - others;
  if (left >= configured) return configured;
  if (left < CONNECTIONS_LEAST)
    throw new Error(
      `this process may have ${openFiles} files open, and a service with these connections needs ${RESERVED + others + CONNECTIONS_LEAST} at least: ${OPEN_FILES_HINT}`,
    );
  report(logger, "connections_bounded", {
    code: "descriptors_few",
    connections_max: left,
    configured,
    open_files_max: openFiles,
    hint: OPEN_FILES_HINT,
  });
  return left;
}
