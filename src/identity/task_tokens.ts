/**
 * Task tokens: signed by the service itself, handed along the call chain instead of a task's id. Their type, issuer, audience
 * and key are their own (RFC 8725, section 3.12), so that none is ever taken for a caller's or an agent's.
 */
import { hash, type KeyObject } from "node:crypto";
import jwt from "jsonwebtoken";
import { Type, type Static } from "../contract/type.js";
import { Problem, isCanonicalId } from "../contract/index.js";
import type { TaskProof } from "../decision/ports.js";
import type { System } from "../system/index.js";
import { schemas } from "../system/schemas.js";
import { uuid7 } from "../system/uuid.js";
import { identifier, seconds, tokenUse } from "./claims.js";
import { checkSigned, readCompact, type CompactLimits } from "./compact.js";
import { expired, invalid } from "./faults.js";
import { FixedKeys, type TokenKey } from "./keys.js";
import { VerifiedTokens } from "./verified_tokens.js";

export const TASK_ISSUER = "urn:remit:tasks";
export const TASK_AUDIENCE = "urn:remit:task";
const TASK_TYPE = "remit-task+jwt";
const TYPE = /^remit-task\+jwt$/;
const FIELD = "/task_token";

/** A task token says: this agent is on this task, for this purpose. */
export interface TaskWork {
  task: string;
  agent: string;
  purpose: string;
  /** When the task ends, by the wall clock; null: when it is ended. */
  expires_ms: number | null;
}

export interface TaskTokensOptions extends CompactLimits {
  keys: { sign: KeyObject; verify: TokenKey };
  /** A token lives no longer; its task may. */
  lifetime_max_s: number;
  leeway_s: number;
  cached_tokens_max: number;
}

const Claims = Type.Object({
  iss: Type.Literal(TASK_ISSUER),
  aud: Type.Literal(TASK_AUDIENCE),
  sub: identifier(),
  agent: identifier(),
  purpose: identifier(),
  iat: seconds(),
  exp: seconds(),
  jti: identifier(),
});
const isClaims = schemas().compile<Static<typeof Claims>>(Claims);

export class TaskTokens {
  readonly #options: TaskTokensOptions;
  readonly #clock: System["clock"];
  readonly #newId: () => string;
  readonly #keys: FixedKeys;
  readonly #verified: VerifiedTokens<TaskProof>;

  constructor(options: TaskTokensOptions, { clock, random }: Pick<System, "clock" | "random">) {
    this.#options = options;
    this.#clock = clock;
    this.#newId = uuid7(clock, random);
    this.#keys = new FixedKeys([options.keys.verify]);
    this.#verified = new VerifiedTokens(options.cached_tokens_max, clock);
  }

  get key(): TokenKey {
    return this.#options.keys.verify;
  }

  /** @throws Problem `task_over` where the task's end has come */
  issue({ task, agent, purpose, expires_ms }: TaskWork): string {
    const { keys, lifetime_max_s } = this.#options;
    const nowMs = this.#clock.wall();
    if (expires_ms !== null && expires_ms <= nowMs) throw new Problem("task_over");
    const iat = Math.floor(nowMs / 1000);
    const exp = Math.min(iat + lifetime_max_s, (expires_ms ?? Infinity) / 1000);
    const claims: Static<typeof Claims> = {
      iss: TASK_ISSUER,
      aud: TASK_AUDIENCE,
      sub: task,
      agent,
      purpose,
      iat,
      exp,
      jti: this.#newId(),
    };
    return jwt.sign(claims, keys.sign, {
      algorithm: "ES256",
      header: { alg: "ES256", typ: TASK_TYPE, kid: keys.verify.kid },
    });
  }

  /** @throws Problem `token_invalid`, `token_expired`; there is no leeway */
  verify(token: string): TaskProof {
    const { token_bytes_max, lifetime_max_s, leeway_s } = this.#options;
    if (token.length > token_bytes_max) throw invalid("size", FIELD);
    const digest = hash("sha256", token, "base64");
    const known = this.#verified.find(digest);
    if (known === "expired") throw expired(FIELD);
    if (known !== undefined) return known;
    const { header, payload } = readCompact(token, TYPE, FIELD, this.#options);
    const key = header.kid === undefined ? undefined : this.#keys.find(header.kid);
    if (key === undefined) throw invalid("key", FIELD);
    const nowMs = this.#clock.wall();
    checkSigned(token, header.alg, key, { issuer: TASK_ISSUER, audience: TASK_AUDIENCE, leeway_s, nowMs }, FIELD);
    if (!isClaims(payload)) throw invalid("claims", FIELD);
    const { sub, agent, purpose, iat, exp, jti } = payload;
    if (![sub, agent, purpose, jti].every(isCanonicalId)) throw invalid("subject", FIELD);
    if (exp > nowMs / 1000 + lifetime_max_s + leeway_s) throw invalid("lifetime", FIELD);
    // Another service of the same key may have issued it, by a clock that is ahead.
    if (iat > nowMs / 1000 + leeway_s) throw invalid("start", FIELD);
    if (nowMs >= exp * 1000) throw expired(FIELD);
    const proof = { task: sub, agent, purpose, token: tokenUse(payload) };
    this.#verified.add(digest, {
      value: proof,
      jti,
      key,
      keys: this.#keys,
      until_wall_ms: exp * 1000,
      until_monotonic_ms: this.#clock.monotonic() + (exp * 1000 - nowMs),
    });
    return proof;
  }

  forget(jti: string): void {
    this.#verified.forget(jti);
  }
}
