/** Events of the console's log. */
import { event, reporter, type LogEvent } from "../system/log_events.js";

export const CONSOLE_EVENTS = {
  console_listening: event("info", "console listening", "The console is at `url` and asks the service at `service`."),
  person_signed_in: event("info", "signed in", "`person` has begun a session."),
  change_passed_on: event("info", "passed on", "`person` changed something by way of the console; `status` is what the service answered."),
  console_crowded: event(
    "warn",
    "connections closed for lack of room",
    "Within the last minute `closed` connections were closed since there were more than `connections_max`; `open` are left. Those without a session go first, then those of the person with most.",
    "Look at the proxy before the console for who floods it; raise `listen.connections_max` if so many people are at work.",
  ),
  console_request_failed: event(
    "warn",
    "a request could not be served",
    "`code` is `service_unreachable`, `login_refused`, `slack_refused` or `internal`; `detail` has the error.",
    "`service_unreachable`: look at the service. `login_refused`: look at `oidc`. `slack_refused`: somebody else asks, or `slack` is another app's. `internal`: report it.",
  ),
  slack_unanswered: event(
    "warn",
    "a message in Slack could not be changed",
    "What became of a press is on record; the message doesn't say so. `detail` has the error.",
    "Look at whether the console reaches `slack.response_origin`.",
  ),
} as const satisfies Record<string, LogEvent>;

/** Writes a line about an event of the console. */
export const reportConsole = reporter(CONSOLE_EVENTS);
