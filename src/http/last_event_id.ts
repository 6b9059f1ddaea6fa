import type { IncomingMessage } from "node:http";
import { Problem } from "../contract/index.js";

const EVENT_ID = /^(?:0|[1-9]\d{0,14})$/;

/** Returns the `Last-Event-ID`, read; null without the header. @throws Problem `last_event_id_invalid` */
export function lastPlace<T>({ headers }: Pick<IncomingMessage, "headers">, read: (text: string) => T | null): T | null {
  const given = headers["last-event-id"];
  if (given === undefined) return null;
  const place = typeof given === "string" ? read(given) : null;
  if (place === null) throw new Problem("last_event_id_invalid", { field: "last-event-id", expected: "the id of an event" });
  return place;
}

/** Returns the `Last-Event-ID` of a stream whose ids are numbers; null without the header. @throws Problem `last_event_id_invalid` */
export function lastEventId(request: Pick<IncomingMessage, "headers">): number | null {
  return lastPlace(request, (text) => (EVENT_ID.test(text) ? Number(text) : null));
}
