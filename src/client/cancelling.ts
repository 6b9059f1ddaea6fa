/** What tells that whoever asked has lost interest: of an `AbortSignal` as much as is needed, which others may be too. */
export interface Cancelling {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: "abort", listener: () => void, options?: { once: boolean }): void;
  removeEventListener(type: "abort", listener: () => void): void;
}
