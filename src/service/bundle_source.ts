/** The source that a service fetches its bundle from, as the configuration names it. */
import { BundleError } from "../bundle/errors.js";
import type { BundleSource } from "../policy/source.js";
import type { Fetcher, SourceLimits } from "../sources/fetcher.js";
import { HttpBundleSource } from "../sources/http.js";
import { OciSource } from "../sources/oci.js";
import { Puller, type SourcePullerStatus } from "../sources/puller.js";
import { Requests } from "../sources/requests.js";
import { S3Source } from "../sources/s3.js";
import type { Config } from "../system/config.js";
import type { System } from "../system/index.js";
import { report } from "../system/log_events.js";
import type { Logger } from "../system/logger.js";

export interface PulledSource {
  readonly kind: string;
  readonly url: string;
  readonly status: SourcePullerStatus;
  start(): void;
  close(): Promise<void>;
}

type ConfiguredSource = NonNullable<Config["bundle"]["source"]>;

/** Returns the source of the configuration; null if it names none. */
export function pulledSource(
  { bundle: { source: options, bytes_max } }: Config,
  source: BundleSource,
  system: System,
  logger: Logger,
): PulledSource | null {
  if (options === undefined) return null;
  const { kind, url, private: isPrivate, redirect_hosts } = options;
  const requests = new Requests({ private: isPrivate, redirect_hosts }, system.timers);
  const take = async (bytes: Buffer): Promise<boolean> => {
    try {
      await source.pull(bytes);
      return true;
    } catch (cause) {
      // Whoever operates the service is told by the report.
      if (cause instanceof BundleError) return false;
      throw cause;
    }
  };
  const fetcher = fetcherOf(options, { timeout_ms: options.timeout_ms, bytes_max }, requests, system);
  const puller = new Puller(fetcher, options, take, system, {
    failing(detail) {
      report(logger, "bundle_source_failing", { code: "source_unavailable", kind, url, detail });
    },
    recovered() {
      report(logger, "bundle_source_back", { kind, url });
    },
  });
  return {
    kind,
    url,
    get status() {
      return puller.status;
    },
    start() {
      puller.start();
    },
    async close() {
      requests.close();
      await puller.stop();
    },
  };
}

function fetcherOf(options: ConfiguredSource, limits: SourceLimits, requests: Requests, system: System): Fetcher {
  const { kind, url, region, wait_ms, token_file, credentials_file, redirect_hosts } = options;
  const credentials = credentials_file === undefined ? {} : { credentials_file };
  if (kind === "s3") return new S3Source({ url, region, ...credentials, ...limits }, requests, system.clock);
  if (kind === "oci") return new OciSource({ url, ...credentials, ...limits }, requests, redirect_hosts);
  return new HttpBundleSource({ url, wait_ms, ...(token_file !== undefined && { token_file }), ...limits }, requests);
}
