/** Requests of Slack: signed by it (version v0 of its signing secrets), recent, and each once. */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Clock } from "../system/index.js";
import { readSecret } from "../system/read_file.js";
import { ConsoleProblem } from "./problems.js";

export interface SignedRequest {
  /** Value of `X-Slack-Request-Timestamp`. */
  timestamp: unknown;
  /** Value of `X-Slack-Signature`. */
  signature: unknown;
  /** The body, byte for byte. */
  body: Buffer;
}

const VERSION = "v0";
/** Seconds that a request may be old, or early by another clock. */
const WINDOW_S = 300;
/** Requests of one window that are remembered; beyond it none is taken, since any might be another's again. */
const SEEN_MAX = 10_000;
const TIMESTAMP = /^\d{9,11}$/;
const SIGNATURE = /^v0=[0-9a-f]{64}$/;

export class SlackRequests {
  readonly #secretFile: string;
  readonly #clock: Pick<Clock, "wall">;
  /** Signatures that were taken, by the second from which their timestamp is too old anyway. */
  readonly #seen = new Map<string, number>();

  /** @throws the file system's error, and Error for an empty file */
  constructor(secretFile: string, clock: Pick<Clock, "wall">) {
    this.#secretFile = secretFile;
    this.#clock = clock;
    readSecret(secretFile);
  }

  /** Takes a request that Slack has signed, for the first time. @throws ConsoleProblem `slack_refused`, `slack_busy` */
  take({ timestamp, signature, body }: SignedRequest): void {
    const now_s = Math.floor(this.#clock.wall() / 1000);
    if (typeof timestamp !== "string" || !TIMESTAMP.test(timestamp) || typeof signature !== "string" || !SIGNATURE.test(signature))
      throw new ConsoleProblem("slack_refused", "a signature of Slack and its timestamp");
    if (Math.abs(now_s - Number(timestamp)) > WINDOW_S)
      throw new ConsoleProblem("slack_refused", `a request of the last ${WINDOW_S} seconds`);
    const mac = createHmac("sha256", readSecret(this.#secretFile)).update(`${VERSION}:${timestamp}:`).update(body).digest("hex");
    if (!timingSafeEqual(Buffer.from(`${VERSION}=${mac}`), Buffer.from(signature)))
      throw new ConsoleProblem("slack_refused", "a signature by the secret of `slack.signing_secret`");
    this.#forget(now_s);
    if (this.#seen.has(signature)) throw new ConsoleProblem("slack_refused", "a request that wasn't taken before");
    if (this.#seen.size >= SEEN_MAX) throw new ConsoleProblem("slack_busy");
    this.#seen.set(signature, Number(timestamp) + WINDOW_S);
  }

  #forget(now_s: number): void {
    for (const [signature, until_s] of this.#seen) if (until_s < now_s) this.#seen.delete(signature);
  }
}
