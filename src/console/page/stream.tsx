/** The live stream: one connection a page, given up while nobody can see it, since a browser has few for an origin. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { DecisionCounts, LiveRow, Pulse } from "../pulse.js";

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
