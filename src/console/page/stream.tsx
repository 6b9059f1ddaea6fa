/** The live stream, and what is read again by it: one connection a page, given up while nobody can see it, since a browser has few for an origin. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { DecisionCounts, LiveRow, Pulse } from "../pulse.js";
import { useEvery, type Resource } from "./api.js";

export type StreamEvent =
  | { event: "hello"; data: { up: boolean; sees_records: boolean; rows: LiveRow[]; seconds: DecisionCounts[] } }
  | { event: "pulse"; data: Pulse }
  | { event: "service"; data: { up: boolean } }
  | { event: "finding"; data: { change: string; finding: { id: string; agent: string | null; severity: string; state: string } } }
  | { event: "change"; data: { change: string; key: string; scope: string; of: string; narrows: boolean } }
  | { event: "policy" | "slow"; data: object };

const EVENTS = ["hello", "pulse", "service", "finding", "change", "policy", "slow"] as const;

/** Follows the stream with a filter. @returns whether the service can be heard; null before that is known */
export function useStream(query: string, take: (event: StreamEvent) => void): boolean | null {
  const [isUp, setUp] = useState<boolean | null>(null);
  const latest = useRef(take);
  latest.current = take;
  useEffect(() => {
    let source: EventSource | null = null;
    const open = (): void => {
      source ??= new EventSource(`/api/stream${query === "" ? "" : `?${query}`}`);
      const opened = source;
      for (const event of EVENTS)
        opened.addEventListener(event, (message) => {
          const said = { event, data: JSON.parse(String(message.data)) as unknown } as StreamEvent;
          if (said.event === "hello" || said.event === "service") setUp(said.data.up);
          latest.current(said);
        });
      opened.addEventListener("error", () => {
        setUp(false);
      });
    };
    const close = (): void => {
      source?.close();
      source = null;
    };
    const seen = (): void => {
      if (document.hidden) close();
      else if (source === null) open();
    };
    seen();
    document.addEventListener("visibilitychange", seen);
    return () => {
      document.removeEventListener("visibilitychange", seen);
      close();
    };
  }, [query]);
  return isUp;
}

/** Events that resources are read again by, with the stream's filter, and how often they are read without any. */
export interface RefreshRules {
  on: readonly StreamEvent["event"][];
  query?: string;
  /** @default never */
  every_ms?: number;
}

/** Reads resources again when the stream says that they have changed, or when it is heard again after a silence. */
export function useRefresh(resources: readonly Pick<Resource<unknown>, "reload">[], { on, query = "", every_ms }: RefreshRules): void {
  const wasHeard = useRef(false);
  const refresh = (): void => {
    for (const { reload } of resources) reload();
  };
  useStream(query, ({ event }) => {
    // The first greeting finds what has just been read.
    if (event === "hello" ? wasHeard.current : on.includes(event)) refresh();
    wasHeard.current = true;
  });
  useEvery(every_ms ?? null, refresh);
}
