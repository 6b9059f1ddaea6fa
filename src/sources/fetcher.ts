/** A source of bundles, whatever its kind. */

/** Answer of a source: `known` if it is what the caller named. `tag` names these bytes to the source. */
export type Fetched = { kind: "known" } | { kind: "bundle"; tag: string | null; bytes: Buffer };

export interface Fetcher {
  /**
   * Asks for the bundle; nothing of the answer is believed.
   * @param known tag of the last answer; null asks for the bytes, whatever they are
   * @throws Error saying why there is no bundle
   */
  fetch(known: string | null): Promise<Fetched>;
  /** True if the source answers when there is something new: then it is asked again at once. */
  readonly waits: boolean;
}

export interface SourceLimits {
  /** For one answer, beyond what the source was asked to wait. */
  timeout_ms: number;
  bytes_max: number;
}
