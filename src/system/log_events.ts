/**
 * Events of a service's operational log, in one table: level, message, meaning, and what an operator does. A line has the event's name as
 * `event`, which is an interface: a name is never reused. docs/reference/log-events.md is made from this table and from those of the
 * guard, the console and the engine.
 */
import type { Logger } from "./logger.js";

export interface LogEvent {
  level: "info" | "warn" | "error";
  message: string;
  means: string;
  /** For an event that calls for nothing: null. */
  act: string | null;
}

export const event = (level: LogEvent["level"], message: string, means: string, act: string | null = null): LogEvent => ({
  level,
  message,
  means,
  act,
});

export const LOG_EVENTS = {
  service_listening: event("info", "listening", "The service takes requests at `url`."),
  service_stopped: event("info", "stopped", "Every answer was sent and every record is on disk."),
  envoy_listening: event("info", "listening for Envoy", "The gRPC listener for Envoy takes checks at `address`."),
  request_failed: event(
    "error",
    "request failed unexpectedly",
    "An answer was `internal` (500), or a proxy's check refused, because of a fault of this program. `id` is that of the answer.",
    "Report it with `detail`; nothing was allowed.",
  ),
  check_refused: event(
    "warn",
    "check refused before a decision",
    "A proxy asked for something that can't be decided; `code` says why. Repetitions within a minute are counted in `others_since`.",
    "Look up `code`, then fix the proxy's route or the mapping under `envoy`.",
  ),
  connections_bounded: event(
    "warn",
    "connections bounded by the limit of open files",
    "The process may open fewer files than `limits.connections_max` needs.",
    "Raise the limit of open files as `hint` says.",
  ),

  issuer_keys_loaded: event("info", "an issuer's keys are loaded", "Tokens signed by the keys `kids` of `url` are accepted."),
  issuer_keys_unavailable: event(
    "error",
    "cannot get an issuer's keys",
    "Tokens by keys of `url` that aren't known yet are refused (`keys_unavailable`).",
    "Look at the issuer and the way to it; `detail` has the error. The service retries.",
  ),
  transmitter_keys_loaded: event(
    "info",
    "a transmitter's keys are loaded",
    "Security events signed by the keys `kids` of `url` are accepted.",
  ),
  transmitter_keys_unavailable: event(
    "error",
    "cannot get a transmitter's keys",
    "Security events by keys of `url` that aren't known yet are refused.",
    "Look at the transmitter and the way to it; `detail` has the error. The service retries.",
  ),

  log_ready: event("info", "records can be written", "The log is open; `seq` is its number of records."),
  log_signed: event("info", "keys for signing the log loaded", "Checkpoints are signed under `origin` by the keys `keys`."),
  log_tail_cut: event(
    "warn",
    "torn end of the log cut off and kept",
    "The last write before a crash was incomplete, and no record of it was acknowledged. The file `file` has the `bytes` that were cut, of `records` lines.",
    "Nothing, after a crash or power cut. Without one, look at the disk.",
  ),
  log_unavailable: event(
    "error",
    "cannot write records; no decision is answered",
    "The disk refuses writes. Every decision is answered by `log_unavailable` (503) until the disk takes them again.",
    "Free space, or fix the disk or the permissions of the log's folder. The service retries.",
  ),
  records_lost: event(
    "error",
    "records lost after their answers were sent",
    "With `log.durability: relaxed` a failing disk lost records whose decisions were already answered.",
    "Compare with the enforcement points' own logs. Use `synced` if that must not happen.",
  ),
  checkpoint_unsigned: event(
    "warn",
    "cannot sign a checkpoint; records are on disk",
    "The signing key or the disk failed.",
    "Look at the files of `log.keys` and at the disk. The service retries.",
  ),
  service_record_failed: event(
    "error",
    "cannot write a record of the service itself",
    "Something that the service did (`kind`) has no record.",
    "Look for `log_unavailable` just before it.",
  ),
  masks_failed: event(
    "error",
    "cannot create the key of a mask; decisions with masked values are refused",
    "The disk refuses writes in the folder `masks` of the log. Decisions without masked values go on, unless `log_unavailable` is logged too.",
    "Look at the permissions and the owner of that folder; `detail` has the error. The service retries.",
  ),
  records_missing: event(
    "error",
    "records are missing or can't be read; run `remit audit verify`",
    "A search met a gap in the log from `first` on.",
    "Run `remit audit verify`, and compare with a copy. Somebody may have altered the log.",
  ),
  search_ready: event("info", "records can be searched", "The index has all records up to `indexed_to`."),
  search_index_removed: event(
    "info",
    "index.db of an earlier version deleted; records are searched in records/parquet",
    "An earlier version's index was replaced.",
  ),
  search_unavailable: event(
    "error",
    "cannot search records; they are written anyway",
    "The process that searches has failed. Decisions go on.",
    "Look at `detail`. The service starts it again.",
  ),
  retention_dropped: event("info", "old records dropped", "Records up to `to` are older than `log.retain_days`, and are gone."),
  retention_masks_deleted: event(
    "info",
    "keys of old masks deleted",
    "Digests of the periods `periods` can't be matched with a value any more.",
  ),
  retention_held: event(
    "warn",
    "retention waits; old records are kept",
    "`reason` says what keeps them: a clock that is ahead, a sink that hasn't received them, or a grant that hasn't ended.",
    "Fix the clock or the sink, or end the grant; `remit audit retain` says more.",
  ),
  retention_failed: event("error", "cannot drop old records", "A file can't be deleted.", "Look at the permissions of the log's folder."),

  store_ready: event("info", "facts can be stored", "The store is open at `revision`."),
  store_unavailable: event(
    "error",
    "cannot store facts; restrictions hold in memory",
    "Changes are refused by `store_unavailable` (503). Revocations and narrowings hold in memory, and are stored once that is possible.",
    "Free space, or fix the disk or the cluster's servers. Don't restart before `store_ready`.",
  ),
  facts_imported: event("info", "facts file imported", "The file's agents, tasks and grants are in force."),
  facts_refused: event(
    "error",
    "facts file refused; facts stay as they are",
    "`reason` has the first error with its line.",
    "Fix the file; it is read again when it changes.",
  ),
  facts_mark_failed: event(
    "warn",
    "cannot keep how far facts are on record; a start reads more of the log",
    "The next start takes longer.",
    "Look at the permissions of the log's folder.",
  ),
  everything_revoked: event(
    "error",
    "everything is revoked",
    "Nothing is allowed, for anybody, until it is lifted.",
    "`remit revocations lift everything`, once the reason is gone.",
  ),
  everything_lifted: event(
    "error",
    "the revocation of everything is lifted",
    "Decisions go on. It is an error so that it is seen like the revocation was.",
  ),
  stop_file_failed: event(
    "error",
    "cannot look for a stop file, or remove it",
    "`remit revoke everything --store <folder>` may go unnoticed.",
    "Look at the permissions of the store's folder.",
  ),

  bundle_active: event("info", "bundle active", "This bundle decides from now on."),
  bundle_refused: event(
    "error",
    "bundle refused; the active one goes on",
    "`code` says why. The reference has every code.",
    "Look up `code`; publish a good bundle.",
  ),
  bundle_expiring: event(
    "warn",
    "the active bundle expires soon",
    "Without a successor nothing is decided after `expires`.",
    "Publish one; look at the pipeline that should have.",
  ),
  bundle_expired: event(
    "error",
    "the active bundle has expired; nothing is decided",
    "Every request is answered by `bundle_expired` (503). Nothing is decided or recorded.",
    "Publish one now. `remit republish` takes an earlier one.",
  ),
  bundle_source_failing: event(
    "error",
    "cannot fetch bundles; the active one goes on",
    "The source doesn't answer, or answers wrongly.",
    "Look at `detail`, at the address and the credentials.",
  ),
  bundle_source_back: event("info", "bundles are fetched again", "The source answers."),
  bundle_source_silent: event(
    "error",
    "bundle source is silent",
    "It has not answered for a quarter of an hour: the policy may be an old one. It is a finding too.",
    "Look at the source, and at whoever stands between.",
  ),
  bundles_differ: event(
    "error",
    "nodes of the cluster run different bundles",
    "They have for longer than `cluster.bundles_differ_ms`: the same action may be allowed on one and denied on another. It is a finding too.",
    "`remit cluster status` has the nodes of each; publish the wanted bundle on the others.",
  ),
  named_bundle_unavailable: event(
    "error",
    "cannot have the bundle that the cluster's feed names; the active one goes on",
    "`code` says why: its archive is missing or altered in the object store, it is refused, or the servers don't answer. It is a finding too.",
    "Look up `code`; publish the bundle once more, or a later one.",
  ),
  staged_bundle_unavailable: event(
    "error",
    "cannot try the bundle that the cluster's feed has staged; the active one decides for all agents here",
    "`code` says why: its archive is missing or altered in the object store, it is refused, or the servers don't answer. It is a finding too.",
    "Look up `code`; stage the bundle once more, or end its stage.",
  ),
  named_bundle_behind: event(
    "error",
    "the bundle that the cluster's feed names is missing for too long; nothing is allowed",
    "Longer than `cluster.bundle_behind_ms`, or since the node's lease began: its actions are denied (`facts_stale`), and it isn't ready.",
    "Look up `code`; publish the bundle once more, or a later one.",
  ),
  bundle_objects_not_removed: event(
    "warn",
    "cannot remove old bundles from the cluster's object store",
    "They take room there. The next publication tries it again.",
    "If it comes again, look at `detail`, at the servers' room, and at the rights of the node's user there.",
  ),
  bundle_stage_dropped: event(
    "error",
    "staged bundle dropped; the active one decides for all",
    "Its comparisons passed a limit (`why`).",
    "`remit bundles` has the differences; fix the candidate.",
  ),
  bundle_stage_ended: event("info", "stage of a bundle ended", "`why` says how."),
  bundle_trust_behind: event(
    "warn",
    "trusted bundle taken from the log; the state folder had an earlier one or none",
    "The folder of what was trusted was lost or restored. Earlier bundles are refused anyway.",
    "Find out why it was older: somebody may have tried to go back.",
  ),
  bundle_not_kept: event(
    "error",
    "cannot keep an active bundle; its records can't be replayed by its digest later",
    "The folder `bundle.state_dir` refuses the archive. Decisions go on.",
    "Look at the folder's permissions and room; keep the archive of `digest` yourself.",
  ),
  way_back_unusable: event(
    "warn",
    "way back that was kept can't be used any more",
    "The bundle at `back.tar.gz` of `bundle.state_dir` is refused (`code`): it has expired, a later one was trusted, its key was removed, or no earlier bundle with its policy is kept.",
    "Sign the earlier bundle again with `remit republish`, and keep it with `remit publish --stage back`.",
  ),
  evaluation_out_of_fuel: event(
    "error",
    "evaluation ran out of fuel; the action is denied",
    "A policy needed more than `engine.evaluation_fuel_max` for this input.",
    "`remit check` says which lists or texts of the vocabulary to shorten; look at the input in the record.",
  ),
  limits_beyond_check: event(
    "warn",
    "limits let in larger requests than `remit check` tries; they may run out of fuel and be denied",
    "`keys` of the configuration differ from their defaults: a request may be larger, or an evaluation has less fuel. What runs out of fuel is denied with `evaluation_budget`.",
    "Leave the defaults; or raise `engine.evaluation_fuel_max` in proportion and try the largest requests.",
  ),

  profile_ready: event("info", "behaviour profiles ready", "They have learned from all records up to `seq`."),
  profile_rebuilt: event(
    "warn",
    "profile snapshot refused; profiles are rebuilt from records",
    "The snapshot is of another version or damaged.",
    "Nothing; the start took longer.",
  ),
  profile_shortened: event(
    "warn",
    "profiles rebuilt from the records that are left",
    "Retention has dropped what a snapshot had learned from.",
    "Nothing; baselines cover less time.",
  ),
  profile_record_unreadable: event("error", "a profile can't learn from a record", "The record is damaged.", "Run `remit audit verify`."),
  profile_unsaved: event(
    "error",
    "cannot save a profile snapshot; the next start rebuilds it",
    "The disk refuses writes in the folder of `log.dir`.",
    "Look at its free space and permissions.",
  ),
  profile_not_caught_up: event(
    "warn",
    "profile not caught up on standby; it will be rebuilt at startup",
    "Taking over will take longer: it begins with the last snapshot.",
    "If `reason` is a record that can't be read, run `remit audit verify`. Otherwise nothing.",
  ),
  agent_adjusted: event(
    "warn",
    "permissions of an agent adjusted to its behaviour",
    "The service narrowed, suspended or widened it by itself. It is a finding.",
    "Look at the finding: `remit findings`.",
  ),
  agent_adjust_failed: event(
    "error",
    "cannot adjust permissions of an agent",
    "Its risk asks for it, and the store refused.",
    "Look for `store_unavailable`; `remit agents suspend` does it by hand.",
  ),
  sensor_silent: event(
    "error",
    "sensor silent",
    "Nothing has been reported by `sensor` for `silent_ms`. It is a finding.",
    "Look at the sensor: what its agents do isn't seen.",
  ),
  sensor_heard: event("info", "sensor reports again", "It was silent for `silent_ms`."),
  mapping_word_unknown: event(
    "warn",
    "the mapping of traces has a word that the active bundle doesn't know",
    "Spans at `place` are left out.",
    "Fix the word in the mapping, or add it to the vocabulary.",
  ),
  spans_unknown: event(
    "warn",
    "spans that look like tool calls follow no known vocabulary",
    "They are counted and not observed.",
    "Map them under `observe`, or name the vocabulary in an issue.",
  ),

  telemetry_failing: event(
    "warn",
    "telemetry is not received; what doesn't fit into its queue is dropped",
    "The receiver of `signal` is away or refuses it. Nothing else is affected.",
    "Look at `detail`, `telemetry.url` and `telemetry.headers_file`.",
  ),
  telemetry_back: event("info", "telemetry is received again", "Items of `signal` are received; what was dropped is gone."),
  otlp_listening: event("info", "listening for traces", "The gRPC listener for OTLP takes requests at `address`."),
  decision_log_rejected: event(
    "warn",
    "events of a decision log make no action that can be judged",
    "Another OPA (`caller`) sent decisions that `opa.mapping` has no document or rule for, or that aren't readable. They are not on record.",
    "Look at `first`; add a document or a rule to the mapping.",
  ),
  witness_failing: event(
    "error",
    "a witness doesn't cosign; it is asked again",
    "Checkpoints lack its cosignature meanwhile. Decisions go on.",
    "Look at `detail`. If it has seen more records than there are, the log was put back, or another signs under its name: find out which.",
  ),
  witness_back: event("info", "a witness cosigns again", "Its last cosignature is kept."),
  publish_failing: event(
    "error",
    "cannot publish the log as files; the service tries again",
    "The folder of `log.publish` stays as it was. Decisions go on.",
    "Look at `detail`: the disk, the folder's rights, or a folder that has another log. If records aren't what was signed, run `remit audit verify`.",
  ),
  publish_back: event("info", "the log is published as files again", "`size` records are published."),
  sink_failing: event(
    "error",
    "sink takes no records; they wait in the log",
    "The sink has all records up to `delivered_seq`. The service retries. Decisions go on.",
    "Look at `detail` and at the receiver: its address, its certificate, the sink's headers.",
  ),
  sink_back: event("info", "sink takes records again", "It has all records up to `delivered_seq`; what waited follows."),
  record_set_aside: event(
    "error",
    "sink refused a record; it is set aside and stays in the log",
    "The receiver answered that it will never take record `seq`. The records after it are delivered.",
    "Look at the receiver's log; `remit audit show` prints the record.",
  ),
  sink_records_missing: event(
    "error",
    "records were removed before a sink had taken them",
    "Retention, or somebody, removed the records `from` to `to`. The sink goes on behind them.",
    "Copy them from a backup, if there is one. Otherwise name the gap to whoever reads the sink.",
  ),
  sink_beside_missing: event(
    "error",
    "record exported without what was stored beside it",
    "Data too large for record `seq` itself is gone, or doesn't match its SHA-256.",
    "Run `remit audit verify`. Somebody may have altered the log's folder.",
  ),
  sink_cursor_damaged: event(
    "error",
    "sink's cursor damaged; all records are sent again",
    "The file that says how far the sink was is unreadable, or of another log.",
    "Tell the receiver to expect repetitions: each record has its `seq` again.",
  ),
  sink_cursor_unsaved: event(
    "error",
    "cannot save a sink's cursor; records will be sent again after a restart",
    "The disk refuses writes in the log's folder.",
    "Look at its free space and at the permissions of the log's folder.",
  ),
  export_ended: event(
    "error",
    "thread that exports records ended; it is started again",
    "Records wait for the next one. Decisions go on.",
    "If it happens again, report it with `detail`.",
  ),
  upload_failing: event(
    "error",
    "cannot upload files of records; they stay where they are",
    "The storage behind `bucket` refuses them. The service retries. Decisions go on.",
    "Look at `detail` and at the bucket's address and credentials, before `log.retain_days` have passed: retention doesn't wait for a bucket.",
  ),
  upload_back: event("info", "files of records are uploaded again", "What waited for `bucket` follows."),
  upload_ended: event(
    "error",
    "process that uploads files of records ended; it is started again",
    "Files wait for the next one. Decisions go on.",
    "If it happens again, report it with `detail`.",
  ),
  webhook_failing: event(
    "error",
    "cannot deliver findings to the webhook; it is tried again",
    "Findings wait.",
    "Look at `detail` and at the receiver.",
  ),
  webhook_back: event("info", "findings are delivered to the webhook again", "What waited is sent."),
  webhook_refused: event(
    "error",
    "webhook refused a finding; it is set aside",
    "The receiver answered that it will never take it.",
    "Look at the receiver's log for `finding`.",
  ),
  webhook_cursor_damaged: event(
    "error",
    "webhook cursor damaged; every finding is sent again",
    "The file that says how far it was is unreadable.",
    "Tell the receiver to expect repetitions.",
  ),
  webhook_cursor_unsaved: event(
    "error",
    "cannot save webhook cursor; findings will be re-sent after a restart",
    "The disk refuses writes in the folder of `log.dir`.",
    "Look at its free space and permissions.",
  ),
  follower_cut: event(
    "warn",
    "slow follower of a stream cut",
    "It read too slowly; it can go on from where it was.",
    "Look at the follower's connection.",
  ),

  push_failing: event(
    "error",
    "cannot push security events of a stream; they wait",
    "The receiver doesn't answer.",
    "Look at `detail` and at the receiver.",
  ),
  push_back: event("info", "security events of a stream are pushed again", "What waited is sent."),
  push_refused: event(
    "error",
    "receiver refused a security event; it is set aside",
    "The receiver answered with an error that repetition won't change.",
    "Look at the receiver's log for `jti`.",
  ),
  push_place_unsaved: event(
    "error",
    "cannot keep how far a stream has come",
    "After a restart events may be sent twice.",
    "Look at the free space and the permissions of the folder `security_events.dir`.",
  ),
  poll_failing: event(
    "error",
    "cannot poll a transmitter of security events",
    "Its events aren't received.",
    "Look at `detail`, at the address and the token.",
  ),
  poll_back: event("info", "transmitter of security events is polled again", "Its events are received."),
  security_event_applied: event(
    "warn",
    "security event received that cuts somebody off",
    "A transmitter reported something about a subject: it was applied, or the subject isn't known here.",
    "Look at the record of the event; an unknown subject may be a mapping that is wrong.",
  ),
  security_event_received: event(
    "info",
    "security event received; it has no effect here",
    "`outcome` says why: it was a test of the stream, has no effect by its kind, or is older than what holds.",
  ),
  security_event_refused: event(
    "error",
    "security event of a transmitter refused: it was not applied",
    "`code` says why; a revocation may be missing here.",
    "Look up `code` in the guide on security events (column `err`); look at the transmitter's keys and stream.",
  ),
  verification_failing: event(
    "error",
    "cannot ask a transmitter to verify its stream",
    "Whether the stream lives isn't known.",
    "Look at `detail` and at the transmitter.",
  ),
  journal_damaged: event(
    "error",
    "journal of received security events damaged",
    "A token that was received before may be taken again; its effect is the same.",
    "Look for errors of the disk, such as by `dmesg`. The service keeps the lines that it could read.",
  ),

  lease_held: event("info", "lease held; this node decides", "A tick has come back through the feed."),
  feed_leader_moved: event(
    "info",
    "another server leads the second feed from now on",
    "One server (`server`) led both, and its end would have stopped every node until the others had elected a leader.",
  ),
  lease_left: event("info", "this node leaves the cluster", "Nobody waits for its lease."),
  lease_ended: event(
    "error",
    "this node allows nothing any more",
    "`code` and `reason` say why: another process has its name, somebody has said that it is gone, the feeds differ, the feed was replaced or can't be read, or there are too many nodes.",
    "The page on clusters has each `code`. Start the process again once that is fixed.",
  ),
  grant_uses_burned: event(
    "warn",
    "an earlier process of this node has taken uses of a grant that no record here rests on",
    "It ended between taking a use and keeping the record of a decision by it, or its older records were dropped. Nobody can use these any more.",
    "If the action is still wanted, approve it again or give another grant.",
  ),
  history_unwritten: event(
    "warn",
    "something that happened on a task, or that is counted of a limit, could not be written for all nodes of the cluster",
    "The servers could not be reached for ten seconds, or other nodes changed the same all the time. An action that was not made stays counted, and what a call returned stays unknown: the task may do less than it could.",
    "Look whether the servers are healthy (`remit cluster status`); register another task for work that has to go on.",
  ),
  lessons_unread: event(
    "warn",
    "what other nodes of the cluster have decided has not been learned for ten seconds",
    "These nodes (`nodes`) are live and don't answer, or not in a form that this version reads. What agents do there counts for nothing here: something unusual may go unnoticed, and no narrowed agent is let back by this node.",
    "Look whether these nodes are overloaded, and whether all nodes run versions that go together (`remit cluster status`).",
  ),
  lessons_followed: event("info", "what the other nodes decide is learned again", "All of them have answered."),
  feed_place_unsaved: event(
    "warn",
    "cannot keep how far the feed was read; a start compares it with less",
    "The disk refuses writes in the folder of `log.dir`.",
    "Look at its free space and permissions.",
  ),

  standby_waiting: event("info", "standing by", "Another process (`for`) serves."),
  standby_taking_over: event("info", "taking over", "The process that served is gone; `from` is its process id."),
  standby_bundle_ready: event("info", "a bundle is ready", "A take-over would begin with it."),
  standby_bundle_refused: event(
    "error",
    "this standby would refuse the bundle",
    "A take-over would begin without it; `code` says why.",
    "Look up `code`; publish a good bundle.",
  ),
  standby_config_refused: event(
    "error",
    "the configuration has changed, and a start would refuse it",
    "A take-over uses the last good one.",
    "Fix the file; `remit serve --check` says more.",
  ),
  standby_log_shorter: event(
    "warn",
    "the log has fewer records than before; it is read again",
    "The log was replaced or retention dropped records.",
    "Nothing, after a retention or a restore.",
  ),
} as const satisfies Record<string, LogEvent>;

export type LogEventName = keyof typeof LOG_EVENTS;

/** Writer of lines about the events of one table. */
export type Reporter<Name extends string> = (logger: Logger, name: Name, fields?: Readonly<Record<string, unknown>>) => void;

export function reporter<Name extends string>(events: Readonly<Record<Name, LogEvent>>): Reporter<Name> {
  return (logger, name, fields = {}) => {
    const { level, message } = events[name];
    logger[level](message, { event: name, ...fields });
  };
}

/**
 * Writes a line about an event of a service.
 * @param fields beside `event`: ids, codes and figures
 * @example
 * report(logger, "bundle_refused", { code, reason })
 */
export const report = reporter(LOG_EVENTS);
