/** Looks at the token of who follows a stream, when it expires and as often as it is told: its issuer may have withdrawn the key. */
import { Problem, STREAM_ENDS, type StreamEnd } from "../contract/index.js";
import type { Clock, Timers } from "../system/index.js";

/** Interval at which a token is looked at that is over but for the difference of clocks that is allowed. */
const TOKEN_MS_LEAST = 100;

export interface Watched {
  expires_ms: number;
  /** @throws Problem once it is no longer taken */
  authenticate: () => Promise<unknown>;
}

/**
 * @param end called once, with why it is no longer taken
 * @returns ends the watch
 */
export function watchToken(
  { expires_ms, authenticate }: Watched,
  every_ms: number,
  { clock, timers }: { clock: Clock; timers: Timers },
  end: (why: StreamEnd) => void,
): () => void {
  let over = false;
  let cancel = (): void => undefined;
  const wait = (): void => {
    const left_ms = Math.max(expires_ms - clock.wall(), TOKEN_MS_LEAST);
    cancel = timers.after(Math.min(left_ms, every_ms), () => {
      authenticate().then(
        () => {
          if (!over) wait();
        },
        (cause: unknown) => {
          if (over) return;
          over = true;
          const code = cause instanceof Problem ? cause.code : "";
          end(code in STREAM_ENDS ? (code as StreamEnd) : "token_invalid");
        },
      );
    });
  };
  wait();
  return () => {
    over = true;
    cancel();
  };
}
