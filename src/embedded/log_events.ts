/** Events that an engine in an application tells by its option `report`; `event` is one of the fields. */
import { event, reporter, type LogEvent } from "../system/log_events.js";

export const ENGINE_EVENTS = {
  facts_current: event(
    "info",
    "facts are in step with the service",
    "The engine decides by facts of `facts_revision`, and hears of each change.",
  ),
  facts_unheard: event(
    "warn",
    "no events from the service; facts are getting old",
    "After `facts.age_ms_max` everything is denied (`facts_stale`).",
    "Look at the service and at the network between.",
  ),
  facts_contradicted: event(
    "warn",
    "facts from the service are inconsistent; fetching them again",
    "A change didn't fit what came before.",
    "Nothing, once. Again and again: report it with `detail`.",
  ),
  facts_unavailable: event(
    "warn",
    "cannot get the facts; trying again",
    "The service can't be reached, or refuses; `code` and `detail` say which.",
    "Look up `code`; look at the service and at the engine's token.",
  ),
  facts_file_read: event("info", "the facts file is read", "The engine decides by it from here on."),
  facts_file_refused: event(
    "error",
    "the facts file is refused; the facts stay as they are, and grow old",
    "`reason` names the line and what was expected. After `facts.age_ms_max` everything is denied.",
    "Fix the file.",
  ),
  records_unshipped: event(
    "warn",
    "cannot send records to the service; the engine tries again",
    "The service doesn't take them. Beyond `records.unshipped_max` nothing is decided.",
    "Look at the service; `detail` says what it answered.",
  ),
  records_shipped: event("info", "records reach the service again, and none waits", "All up to `shipped_to` are with the service."),
  record_refused: event(
    "error",
    "the service refuses a record, which stays here",
    "The service has checked a record and doesn't believe it; the fields say which and why.",
    "Compare versions and policies of both. A record that was altered is never taken.",
  ),
  bundle_unavailable: event(
    "warn",
    "cannot get the service's bundle; it is asked for again",
    "The engine goes on with the one that it has.",
    "Look at the service; `detail` says what it answered.",
  ),
} as const satisfies Record<string, LogEvent>;

/** Tells of an event of an engine. */
export const reportEngine = reporter(ENGINE_EVENTS);
