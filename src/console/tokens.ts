/** Mints callers' tokens: one for each person and set of scopes, so that the service's records name who acted. */
import { createPrivateKey, type KeyObject } from "node:crypto";
import jwt from "jsonwebtoken";
import type { Scope } from "../contract/index.js";
import type { Clock } from "../system/index.js";
import { readText } from "../system/read_file.js";
import type { ConsoleConfig } from "./config.js";

/** Life of a token that opens one request. */
const REQUEST_S = 60;
/** Life of a token that a stream is followed with; the stream goes on with another. */
const STREAM_S = 900;
/** A token is used again while it has this much left. */
const LEFT_S = 30;
const KEPT_MAX = 2000;

interface Minted {
  token: string;
  expires_s: number;
}

export class Tokens {
  readonly #config: ConsoleConfig["issuer"];
  readonly #clock: Pick<Clock, "wall">;
  readonly #key: KeyObject;
  readonly #minted = new Map<string, Minted>();

  /** @throws TypeError for a file that holds no P-256 private key; the file system's error */
  constructor(config: ConsoleConfig["issuer"], clock: Pick<Clock, "wall">) {
    this.#config = config;
    this.#clock = clock;
    const key = createPrivateKey(readText(config.key));
    if (key.asymmetricKeyDetails?.namedCurve !== "prime256v1") throw new TypeError(`\`${config.key}\`: expected a P-256 private key`);
    this.#key = key;
  }

  /**
   * Returns a token of a person with these scopes alone, for about a minute.
   * @param signed_in_ms when the person signed in, for the service's records; null: not said
   */
  forRequest(person: string, scopes: readonly Scope[], signed_in_ms: number | null): string {
    const key = `${person}\n${signed_in_ms ?? ""}\n${[...scopes].sort().join(" ")}`;
    const now_s = Math.floor(this.#clock.wall() / 1000);
    const known = this.#minted.get(key);
    if (known !== undefined && known.expires_s - now_s > LEFT_S && known.expires_s - now_s <= REQUEST_S) return known.token;
    if (this.#minted.size >= KEPT_MAX) this.#minted.clear();
    // The provider's clock may be ahead of this one: nobody has signed in later than now.
    const more = signed_in_ms === null ? {} : { auth_time: Math.min(Math.floor(signed_in_ms / 1000), now_s) };
    const token = this.#mint(person, scopes, now_s, REQUEST_S, more);
    this.#minted.set(key, { token, expires_s: now_s + REQUEST_S });
    return token;
  }

  /** Returns a token to follow a stream with. */
  forStream(person: string, scopes: readonly Scope[]): string {
    return this.#mint(person, scopes, Math.floor(this.#clock.wall() / 1000), STREAM_S);
  }

  #mint(subject: string, scopes: readonly Scope[], now_s: number, lasts_s: number, more: { auth_time?: number } = {}): string {
    const { issuer, audience, kid } = this.#config;
    const claims = { scope: scopes.join(" "), iat: now_s, exp: now_s + lasts_s, ...more };
    return jwt.sign(claims, this.#key, { algorithm: "ES256", keyid: kid, issuer, audience, subject });
  }
}
