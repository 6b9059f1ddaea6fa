/** Events of the MCP guard's log. */
import { event, reporter, type LogEvent } from "../../system/log_events.js";

export const GUARD_EVENTS = {
  guard_listening: event("info", "listening", "The guard takes clients at `url`."),
  tools_unapproved: event(
    "warn",
    "tools are mapped and not approved, so they can't be called",
    "`tools` stand in the configuration, and nobody has looked at what the server says of them.",
    "Look at them, then run `remit guard mcp --approve`.",
  ),
  session_began: event("info", "session begins", "A client has connected; `session` is in all its lines."),
  session_ended: event(
    "info",
    "session ended",
    "`why` says which side ended it, or that it could not begin: then `call_refused` or `server_unavailable` of the same `session` says why.",
  ),
  server_unavailable: event(
    "error",
    "the server can't be started",
    "The guarded server didn't start, or can't be reached. Each call of the session is answered by `server_unavailable`.",
    "Start the server by hand as `server` of the configuration does; `cause` says what the system said.",
  ),
  server_login_needed: event(
    "warn",
    "a person has to sign in at the server",
    "The guard has no token that its server takes: `reason` says why, `scopes` which scopes a call has lacked. Calls are answered by `login_needed` until then.",
    "Run `remit guard mcp login` with the guard's configuration, as the guard's user; the guard needn't be started again.",
  ),
  call_refused: event(
    "warn",
    "refused",
    "A request wasn't passed on: `code` and `argument` say why, `decision_id` by which decision, where there was one, and `problem` what the decision point didn't take. The model heard a sentence of the guard's own.",
    "Look up `code` on the page about the guard, and `problem.code` in the reference. A refusal by a policy is on record.",
  ),
  call_waiting: event("info", "waiting for a person", "A call is held until somebody approves the decision `decision_id`."),
  call_noticed: event(
    "warn",
    "somebody is to be notified",
    "A permitted action carries the obligation `notify`: whoever reads `channel` should hear of `decision_id`.",
    "Send it on; the guard has no way to.",
  ),
  tool_hidden: event(
    "warn",
    "tool hidden",
    "The server offers `tool`, and clients don't see it. `why` is `unmapped`, `unapproved`, `changed` (with the members that differ) or another reason.",
    "Map it, approve it, or find out who changed the server.",
  ),
  tool_change_unreported: event(
    "warn",
    "a changed tool is not reported",
    "The service didn't take the notice about `tool`, so there is no finding. The tool stays hidden.",
    "Look at the service; `reason` says what it answered.",
  ),
  instructions_hidden: event(
    "warn",
    "instructions hidden",
    "The server's instructions to the model are not those that were approved, and aren't passed on.",
    "Look at them, then run `remit guard mcp --approve`.",
  ),
  subscription_ended: event(
    "info",
    "subscription ended",
    "A change of a subscribed resource isn't permitted any more, so the client doesn't hear of it; `code` and `decision_id` say why.",
  ),
  message_ignored: event(
    "warn",
    "message of the MCP client or server ignored",
    "The side named by `of` sent something that nobody waits for or that can't be read; `what` says which.",
    "Nothing, if it is rare. Often: that side doesn't keep to the protocol.",
  ),
} as const satisfies Record<string, LogEvent>;

/** Writes a line about an event of the guard. */
export const reportGuard = reporter(GUARD_EVENTS);
