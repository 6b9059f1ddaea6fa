/**
 * An issuer's keys as it publishes them. Asked for when they are needed: one question in flight, none sooner after the last
 * than the cool-down, so that tokens with made-up key ids can't make us ask. What isn't renewed in time is no longer trusted.
 */
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import type { Algorithm } from "jsonwebtoken";
import { Problem } from "../contract/index.js";
import { Type } from "../contract/type.js";
import { scan, type ScanLimits } from "../decision/scan.js";
import { isOutgoingUrl } from "../system/config/urls.js";
import { answerBody } from "../system/answer_body.js";
import { errorMessage } from "../system/error_message.js";
import type { System, Timers } from "../system/index.js";
import { schemas } from "../system/schemas.js";
import { publishedKeys, type KeySet, type KeyUse, type TokenKey } from "./keys.js";

export interface RemoteKeysOptions {
  /** Address of the set, or of the issuer's metadata. */
  url: string;
  /** Set: metadata is read first, which has to be this issuer's, and says where the set is. */
  metadata_of?: string | undefined;
  /** Certificates in PEM form that are trusted for this in place of the system's. */
  ca?: Buffer | undefined;
  algorithms: readonly Algorithm[];
  use: KeyUse;
  /** From the first byte sent to the last received, of each answer. */
  timeout_ms: number;
  bytes_max: number;
  /** After the end of one question, whatever came of it. */
  cooldown_ms: number;
  /** Age from which the keys are asked for again, while they go on being used. */
  refresh_ms: number;
  /** Age from which they are no longer trusted. */
  max_age_ms: number;
  /** Requests that wait for an answer; strangers with made-up key ids take no more of the service's room. */
  waiting_max: number;
  json: ScanLimits;
  /** Refuses keys made for development. */
  production: boolean;
}

export interface RemoteKeysReport {
  loaded(url: string, kids: readonly string[]): void;
  failed(url: string, detail: string): void;
}

export class RemoteKeys implements KeySet {
  readonly fixed = [];
  readonly #options: RemoteKeysOptions;
  readonly #system: Pick<System, "clock" | "timers">;
  readonly #report: RemoteKeysReport;
  #keys: ReadonlyMap<string, TokenKey> = new Map();
  // Monotonic milliseconds.
  #askedAt = -Infinity;
  #answeredAt = -Infinity;
  #cooledAt = -Infinity;
  #asking: Promise<void> | null = null;
  #waiting = 0;

  constructor(options: RemoteKeysOptions, system: Pick<System, "clock" | "timers">, report: RemoteKeysReport) {
    this.#options = options;
    this.#system = system;
    this.#report = report;
  }

  find(kid: string | undefined): TokenKey | undefined | Promise<TokenKey | undefined> {
    // Without its name it isn't known whether a key is one of those that are still to come.
    if (kid === undefined) return undefined;
    const known = this.#known(kid);
    if (known !== undefined) return known;
    const asking = this.#ask();
    if (asking === null) return this.#knownToLack();
    if (this.#waiting === this.#options.waiting_max) throw new Problem("keys_unavailable");
    this.#waiting++;
    return asking.then(() => {
      this.#waiting--;
      return this.#known(kid) ?? this.#knownToLack();
    });
  }

  trusts(key: TokenKey): boolean {
    return this.#known(key.kid) === key;
  }

  #known(kid: string): TokenKey | undefined {
    const age = this.#system.clock.monotonic() - this.#answeredAt;
    if (age >= this.#options.refresh_ms) void this.#ask();
    return age < this.#options.max_age_ms ? this.#keys.get(kid) : undefined;
  }

  /** That a key isn't there is known only where the last question was answered, and lately. */
  #knownToLack(): TokenKey | undefined {
    const age = this.#system.clock.monotonic() - this.#answeredAt;
    if (this.#answeredAt !== this.#askedAt || age >= this.#options.max_age_ms) throw new Problem("keys_unavailable");
    return undefined;
  }

  /** Resolves when the question has been answered or has failed; null where it is too soon to ask. */
  #ask(): Promise<void> | null {
    if (this.#asking !== null) return this.#asking;
    const { clock } = this.#system;
    const began = clock.monotonic();
    if (began < this.#cooledAt) return null;
    this.#askedAt = began;
    this.#asking = this.#load(began).finally(() => {
      this.#asking = null;
      this.#cooledAt = clock.monotonic() + this.#options.cooldown_ms;
    });
    return this.#asking;
  }

  async #load(began: number): Promise<void> {
    const { url, metadata_of: issuer, algorithms, use, production } = this.#options;
    try {
      const first = new URL(url);
      const place = issuer === undefined ? first : keysPlace(await this.#get(first), issuer, first);
      const keys = publishedKeys(await this.#get(place), algorithms, use).filter(({ development }) => !(production && development));
      // One whose material is the same stays the same, and with it the tokens that it has verified.
      this.#keys = new Map(keys.map((key) => [key.kid, this.#same(key)]));
      // What they are is as old as the question.
      this.#answeredAt = began;
      this.#report.loaded(url, [...this.#keys.keys()]);
    } catch (cause) {
      this.#report.failed(url, errorMessage(cause));
    }
  }

  async #get(url: URL): Promise<unknown> {
    return JSON.parse(scan(await getBounded(url, this.#options, this.#system.timers), this.#options.json));
  }

  #same(key: TokenKey): TokenKey {
    const before = this.#keys.get(key.kid);
    return before?.algorithm === key.algorithm && before.key.equals(key.key) ? before : key;
  }
}

const isMetadata = schemas().compile<{ issuer: string; jwks_uri: string }>(
  Type.Object({ issuer: Type.String(), jwks_uri: Type.String({ maxLength: 2048 }) }),
);

/**
 * Returns the place of an issuer's keys by its metadata (OpenID Connect Discovery 1.0, sections 3 and 4.3).
 * @throws Error for metadata of another issuer, and for an address that is less safe than the metadata's own
 */
function keysPlace(metadata: unknown, issuer: string, from: URL): URL {
  if (!isMetadata(metadata)) throw new Error("metadata without `issuer` and `jwks_uri`");
  if (metadata.issuer !== issuer) throw new Error("metadata of another issuer");
  const { jwks_uri: place } = metadata;
  if (!isOutgoingUrl(place) || (from.protocol === "https:" && new URL(place).protocol !== "https:"))
    throw new Error("a `jwks_uri` that isn't `https`");
  return new URL(place);
}

/**
 * The body of a 200 answer. Redirects are not followed: where the keys are is the configuration's to say.
 * @throws Error for any other answer, one that is too large, compressed or cut short, and for none in time
 */
function getBounded(
  url: URL,
  { timeout_ms, bytes_max, ca }: { timeout_ms: number; bytes_max: number; ca?: Buffer | undefined },
  timers: Timers,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => {
      cancel();
      request.destroy();
      reject(cause);
    };
    const request = (url.protocol === "https:" ? requestHttps : requestHttp)(url, {
      agent: false,
      rejectUnauthorized: true,
      ...(ca !== undefined && { ca }),
      headers: { accept: "application/jwk-set+json, application/json", "cache-control": "no-cache" },
    });
    const cancel = timers.after(timeout_ms, () => {
      fail(new Error(`no whole answer within ${timeout_ms} ms`));
    });
    request.on("error", fail);
    request.on("response", (response) => {
      const { statusCode = 0 } = response;
      if (statusCode !== 200) {
        fail(new Error(`status ${statusCode}, not 200`));
        return;
      }
      answerBody(response, bytes_max).then((body) => {
        cancel();
        resolve(body);
      }, fail);
    });
    request.end();
  });
}
