import type { IncomingMessage } from "node:http";
import { Problem } from "../contract/index.js";

const EVENT_ID = /^(?:0|[1-9]\d{0,14})$/;

/** Returns the `Last-Event-ID`; null without the header. @throws Problem `last_event_id_invalid` */
export function lastEventId({ headers }: Pick<IncomingMessage, "headers">): number | null {
  const given = headers["last-event-id"];
  if (given === undefined) return null;
  if (typeof given !== "string" || !EVENT_ID.test(given))
    throw new Problem("last_event_id_invalid", { field: "last-event-id", expected: "the id of an event" });
  return Number(given);
}
