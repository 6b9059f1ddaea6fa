/**
 * The threats that are tested, for `docs/threat-model.md`. `also` are tests beside those that name the row by `threat(…)`.
 */
export interface ThreatRow {
  threat: string;
  control: string;
  /** Where the control lives. */
  lives: readonly string[];
  also?: readonly string[];
}

const rows = {
  A1: {
    threat: "An agent names a purpose with more authority than its own, or another agent's task.",
    control: "The purpose is one of the agent's registered ones and the task's own; a mismatch is a deny on record.",
    lives: ["src/decision/floor.ts"],
    also: ["test/decision/floor.test.ts"],
  },
  A2: {
    threat: "An agent asks for one action under each purpose, verb and spelling until one passes.",
    control:
      "What was denied lately is held against what comes after it, by what it looks like; so are many ways that were all denied. Either is a finding.",
    lives: ["src/findings/attempts.ts", "src/findings/incidents.ts"],
    also: ["test/findings/incidents.test.ts"],
  },
  A3: {
    threat: "An agent splits what is limited: ten payments just under a bound, a thousand single reads, or many at once.",
    control:
      "A purpose's limits count within a task or a window, by number, sum or distinct values; what an action adds is taken in the turn that decides it, and only what the host says was not made is given back.",
    lives: ["src/flow/counts.ts", "src/decision/commit.ts"],
    also: ["test/flow/counts.test.ts", "test/flow/limits.test.ts", "test/flow/kills.long.test.ts"],
  },
  A4: {
    threat: "An agent takes a little more each day than its work needs, below every limit of a minute or an hour.",
    control:
      "Distinct resources of a type are summed over days and weeks, and named where the sum goes beyond what is usual; a purpose says from where on that opens a finding (`channels: {drift: …}`).",
    lives: ["src/behavior/pace.ts"],
    also: ["test/behavior/poisoning.long.test.ts"],
  },
  A5: {
    threat: "An agent ramps up until what is abnormal is normal.",
    control:
      "What is odd, flagged or denied teaches nothing; new habits are on probation; limits, hours and volumes gain little a day; a person's verdict teaches, but nothing of what that person asked for.",
    lives: ["src/behavior/teach.ts", "src/behavior/profile.ts", "src/findings/verdicts.ts"],
    also: ["test/behavior/poisoning.long.test.ts"],
  },
  A6: {
    threat: "An agent claims a friendlier time, or acts at the edge of an expiry, of opening hours or of a clock change.",
    control: "The host's clock decides; a claim beyond the skew is refused; an expiry has no grace.",
    lives: ["src/decision/floor.ts", "src/decision/gather.ts"],
    also: ["test/faults/clock.test.ts", "test/contract/time.test.ts", "test/language/hours.test.ts"],
  },
  A7: {
    threat: "An agent that was stopped comes back: under its id or one that looks alike, by an old token, as an earlier actor.",
    control:
      "Ids are never used twice, nor ids like them; a token from before its credential was given is refused; an owner's revocation covers new ids.",
    lives: ["src/facts/agents.ts", "src/facts/similar.ts", "src/facts/registry.ts", "src/decision/floor.ts"],
    also: ["test/facts/agents.test.ts"],
  },
  A8: {
    threat: "Many agents act for one: each stays under the limits, and together they don't.",
    control:
      "A task is counted with all that was handed on from it, whoever has it; a limit `by: owner` counts all agents of one owner together. To register agents takes authority.",
    lives: ["src/flow/counts.ts"],
    also: ["test/flow/counts.test.ts"],
  },
  A9: {
    threat: "An agent hands on more than it has: wider, deeper, longer, in a circle, for another purpose, or once stopped.",
    control: "A task handed on is within its parent's; a decision on it is one on every task of its chain, as each is at that moment.",
    lives: ["src/facts/tasks.ts", "src/decision/gather.ts", "src/decision/conclude.ts"],
    also: ["test/decision/chain.test.ts", "test/facts/tasks.test.ts"],
  },
  A10: {
    threat: "Between decision and action the arguments are changed, or it is late, or what permitted it was taken back.",
    control:
      "What runs is a copy of what was decided, held against the answer's digest and validity in the turn in which it begins; changes are heard, and stop it while it runs, and end subscriptions to what may no longer be read.",
    lives: [
      "src/client/action_on_hold.ts",
      "src/client/guarded_action.ts",
      "src/client/running_action.ts",
      "src/client/change_receiver.ts",
      "src/client/follower.ts",
      "src/guards/mcp/subscriptions.ts",
    ],
    also: ["test/client/guard.long.test.ts", "test/client/held_actions.long.test.ts", "test/client/chaos.long.test.ts"],
  },
  A11: {
    threat: "An answer is used again: twice, for another request, by another guard, or from before the guard's start.",
    control:
      "Each request has a name of its client's own making, which its answer has to carry; an answer is acted on once, by whoever asked.",
    lives: ["src/client/client.ts", "src/client/action_on_hold.ts"],
    also: ["test/client/answers.long.test.ts", "test/client/chaos.long.test.ts"],
  },
  A12: {
    threat: "An agent gets a stronger one, or a tool, to act for it.",
    control:
      "A chain of tasks may do what all of it may; a token's earlier actors only narrow; caller, agent and person are three, each on record.",
    lives: ["src/decision/gather.ts", "src/decision/floor.ts", "src/decision/decide.ts"],
    also: ["test/decision/chain.test.ts"],
  },
  A13: {
    threat: "A denied resource is named in another spelling: dots, encodings, slashes, invisible characters, line breaks.",
    control:
      "Identifiers are canonical or refused, never repaired; paths have plain segments whoever reads them; guards and service have one canonicaliser; what a call or a query says beside what is mapped is refused.",
    lives: [
      "src/contract/identifier.ts",
      "src/contract/paths.ts",
      "src/decision/values.ts",
      "src/mapping/call_mapping.ts",
      "src/mapping/uri_pattern.ts",
      "src/guards/http_table.ts",
    ],
    also: ["test/contract/identifier.test.ts", "test/decision/values.long.test.ts", "test/guards/http.long.test.ts"],
  },
  A20: {
    threat:
      "What a stranger wrote in a mail, a page or a file ends up where only the user's word should count: whom to pay, where to send.",
    control:
      "Each value of an action has the writer of where it was seen; what the agent wrote back itself stays a stranger's; an answer that wasn't reported may hold anything; what isn't remembered is unknown. An instruction that asks only to look delegates nothing, and one that says an address no other of its kind. No agent, and no engine of one, makes another's unknown: whoever has most loses it first.",
    lives: [
      "src/flow/flow.ts",
      "src/flow/look_up.ts",
      "src/flow/sightings.ts",
      "src/flow/counts.ts",
      "src/system/fair_map.ts",
      "src/flow/seen_memory.ts",
      "src/flow/values.ts",
      "src/flow/errand.ts",
      "rego/remit/flow.rego",
    ],
    also: ["test/flow/flow.test.ts", "test/flow/errand.test.ts", "test/flow/service.long.test.ts", "test/guards/mcp_flow.long.test.ts"],
  },
  A21: {
    threat:
      "Several agents of one owner, version or source are turned at once, and each does too little for more than a finding of its own.",
    control:
      "The profile compares what is unusual of a group's agents on a day with how often that is so, and with what the purpose's others do; more than chance explains is one finding that names the agents.",
    lives: ["src/behavior/groups.ts", "src/findings/own_notices.ts"],
    also: ["test/behavior/groups.test.ts", "test/behavior/ten_weeks.test.ts", "test/findings/own_notices.test.ts"],
  },
  A22: {
    threat: "An agent reads, session by session, a little more that is confidential than its tasks need.",
    control:
      "What a session reads with labels is weighed, more if its task isn't about it, and bets against the agent's own sessions: a sequential test with at most two false findings a year and agent. The record has the labels.",
    lives: ["src/behavior/evidence.ts", "src/decision/act.ts"],
    also: ["test/behavior/evidence.test.ts", "test/decision/behavior.test.ts"],
  },
  A23: {
    threat:
      "Whoever asks for an agent's work, or whom it is for, makes unusual work of its purpose look ordinary by verdicts, or somebody makes ordinary work look unusual.",
    control:
      "Only verdicts on findings about behaviour move a purpose's thresholds, by 0.1 or 0.3 each and by 1.5 at most either way; `expected` by the caller, the agent or the person that it was for moves nothing; a reopened finding takes its move back; evidence keeps its own bar.",
    lives: ["src/findings/verdicts.ts", "src/behavior/calibration.ts", "src/behavior/score.ts"],
    also: ["test/behavior/calibration.test.ts", "test/findings/verdicts.test.ts"],
  },
  A15: {
    threat: "An agent floods findings, so that people stop reading them.",
    control:
      "One incident is one finding, by agent, purpose and what it is about; an agent has few at once, and only registered ones have any of their own; a flood of flags narrows it.",
    lives: ["src/findings/incidents.ts", "src/behavior/adjust.ts", "src/http/routes/notices.ts"],
    also: ["test/findings/incidents.test.ts", "test/behavior/adjust.test.ts"],
  },
  A19: {
    threat:
      "An agent that is stopped for what it does, or that tries again and again what it must not, is nobody's business: no finding says so.",
    control:
      "Each narrowing and suspension by the service is on record with a finding, tried again until it is; so are repeated grave denials, as one incident; an access review begins with both.",
    lives: [
      "src/findings/own_notices.ts",
      "src/findings/denials.ts",
      "src/findings/incidents.ts",
      "src/service/adjustments.ts",
      "src/review/review.ts",
    ],
    also: ["test/findings/incidents.test.ts", "test/service/adjustments.long.test.ts", "test/review/review.long.test.ts"],
  },
  A14: {
    threat: "What is refused, and how, shows an agent the policy and the data.",
    control:
      "An error's message is a fixed sentence, so that whatever hands it on hands on nothing else; problems of guarded servers say no more.",
    lives: ["src/client/errors.ts", "src/guards/http_refusals.ts"],
    also: ["test/client/guard.long.test.ts", "test/guards/http.long.test.ts"],
  },
  A16: {
    threat: "What an agent writes acts on whoever reads it: markup, steering of terminals, further lines, orders.",
    control: "Records, logs and exported events are JSON, one line each; commands and pages show text alone, without what hides or steers.",
    lives: [
      "src/cli/records/audit/lines.ts",
      "src/cli/ui.ts",
      "src/replay/page/html.ts",
      "src/system/logger.ts",
      "src/audit/export/formats.ts",
    ],
    also: ["test/cli/audit_command.long.test.ts", "test/review/page.test.ts", "test/guards/mcp_hostile.long.test.ts"],
  },
  A17: {
    threat: "Somebody starves the decision point: floods it, or asks what is large or costly to decide.",
    control:
      "What is large is refused before it is parsed; what is decided at once is bounded, for each caller too, and the rest is shed; of one caller's batches a few are begun at once, and the others wait for them; what takes too long is stopped; one caller has half of the connections at most, those of the caller with most are closed before anybody else's, finished request or not, and a revoked caller's at once; observed streams leave decisions half of the log's queue, and requests of traces half of the time.",
    lives: [
      "src/http/admission.ts",
      "src/system/connections.ts",
      "src/http/server.ts",
      "src/http/body.ts",
      "src/policy/metering.ts",
      "src/decision/observe.ts",
      "src/adapters/otlp/report.ts",
    ],
    also: [
      "test/adapters/otlp/report.test.ts",
      "test/faults/overload.long.test.ts",
      "test/faults/runaway.long.test.ts",
      "test/http/hostile.long.test.ts",
      "test/http/observe.long.test.ts",
    ],
  },
  A18: {
    threat: "An approval is used for another action than the one that was read, or given by whoever asked for it.",
    control:
      "An approval names a digest over all that the policy saw, the caller, the bundle and the last changes of agent, task and person; what waits is told apart by it, and shown; who asked, acts or is acted for doesn't approve, nor does whoever has a name that looks like theirs; approvals of one action count together, however often its agent asks again, and those of a caller that was revoked since don't.",
    lives: ["src/decision/approval.ts", "src/facts/held_grants.ts", "src/findings/verdicts.ts", "src/findings/finding.ts"],
    also: ["test/findings/approvals_anywhere.long.test.ts", "test/findings/approvals.long.test.ts", "test/findings/verdicts.test.ts"],
  },
  B1: {
    threat: "A token is forged, altered, without end, for someone else or another use, or signed in a way its key isn't for.",
    control:
      "The key pins the algorithm; claims are required and typed; bytes have one spelling; callers', agents' and task tokens share no audience; no issuer, no start.",
    lives: ["src/identity/compact.ts", "src/identity/jwt.ts", "src/identity/keys.ts", "src/identity/task_tokens.ts"],
    also: ["test/identity/jwt.test.ts", "test/identity/keys.test.ts", "test/identity/remote.test.ts"],
  },
  B2: {
    threat: "An enforcement point asks, or registers, for agents that aren't its own.",
    control: "`callers` gives each its agents and purposes; who asked and for whom is on record.",
    lives: ["src/identity/jwt.ts", "src/decision/floor.ts", "src/http/rights.ts"],
    also: ["test/http/facts.long.test.ts"],
  },
  B3: {
    threat: "Two parsers read one body differently: keys twice, numbers out of range, broken text, something after it.",
    control: "One strict pass over the bytes, before the caller is looked at; what is ambiguous is a problem.",
    lives: ["src/decision/scan.ts"],
    also: ["test/hostile.long.test.ts", "test/decision/scan.test.ts"],
  },
  B4: {
    threat: "A body is too deep, too wide, too large, too slow, or compressed.",
    control: "Bounds kept to the byte, counted while bytes come; no compression; timeouts for headers and bodies.",
    lives: ["src/decision/scan.ts", "src/http/body.ts", "src/http/server.ts"],
    also: ["test/http/hostile.long.test.ts", "test/decision/scan.test.ts"],
  },
  B5: {
    threat: "Names such as `__proto__` reach objects, or two different actions share a key.",
    control: "Maps and own members only for names from the wire; keys are canonical JSON, not joined texts.",
    lives: ["src/decision/values.ts", "src/contract/canonical.ts"],
    also: ["test/decision/decide.test.ts", "test/contract/canonical.test.ts"],
  },
  B6: {
    threat: "A request is smuggled in another, framed in two ways, of another type, or empty and read as `{}`.",
    control: "Only `application/json` in UTF-8, one framing, each header once, exact paths; an empty body is a problem.",
    lives: ["src/http/guard.ts", "src/http/body.ts", "src/http/server.ts"],
    also: ["test/http/hostile.long.test.ts"],
  },
  B7: {
    threat: "An error shows a stack, a path of the host or a policy's text.",
    control: "Problems come from one table of codes; what is unexpected gets an id, its detail goes to the log.",
    lives: ["src/http/server.ts", "src/http/reply.ts", "src/contract/problem.ts"],
    also: ["test/http/hostile.long.test.ts", "test/contract/problem.test.ts"],
  },
  B8: {
    threat: "A page in a browser reaches a decision point on loopback, across origins or by DNS rebinding.",
    control: "A list of host names, no `Origin` at all, no cookies, a content type that a form can't send.",
    lives: ["src/http/guard.ts"],
    also: ["test/http/hostile.long.test.ts"],
  },
  B9: {
    threat:
      "A stranger's idle connections take all file descriptors of the process, so that what revokes and records opens nothing any more.",
    control:
      "Connections are bounded by the process's own limit less a reserve, which a start says; what revokes is loaded by then, and holds before it is stored.",
    lives: ["src/service/descriptors.ts", "src/system/open_files.ts", "src/system/connections.ts"],
    also: ["test/service/descriptors.long.test.ts"],
  },
  B10: {
    threat: "A product asks as it would ask an OPA: it takes an error for a permission, or goes ahead without what was obliged.",
    control:
      "A mapped document is true of what proceeds without obligations alone; what can't be read, mapped, decided or recorded is false.",
    lives: ["src/http/routes/opa.ts", "src/adapters/opa/mapping.ts"],
    also: ["test/adapters/opa/mapped.test.ts"],
  },
  B11: {
    threat: "Decision logs or a status, as OPAs send them, come from a stranger, or what they say is decided by it.",
    control:
      "They need a token with `remit:observe`; what was permitted is judged and recorded as observed, and nothing is permitted by it.",
    lives: ["src/http/routes/opa_reports.ts", "src/adapters/opa/decision_logs.ts"],
    also: ["test/adapters/opa/stock.test.ts"],
  },
  B12: {
    threat: "Traces over gRPC come from a stranger, since a listener of its own has none of the checks of the other.",
    control: "Each call proves its caller by its own token with `remit:observe`, through the same code as over HTTP.",
    lives: ["src/http/otlp_grpc.ts", "src/http/routes/otlp.ts"],
    also: ["test/adapters/otlp/grpc.test.ts"],
  },
  B13: {
    threat:
      "Whoever may sign in to the console signs everybody else out, or lets what is sent to a page pile up until it ends; anybody takes all of its connections.",
    control:
      "A person has a few sessions, and of all together whoever has most loses one first; a page that doesn't read is cut off, and is sent nothing once its session is over. Connections are bounded: those without a session go first, one person has half of them at most, and some are kept for stopping something.",
    lives: ["src/console/sessions.ts", "src/console/streams.ts", "src/console/server.ts", "src/system/connections.ts"],
    also: [
      "test/console/streams.test.ts",
      "test/console/parts.test.ts",
      "test/console/connections.test.ts",
      "test/console/oidc.long.test.ts",
    ],
  },
  B14: {
    threat: "A page in a browser calls tools through the MCP guard, as the agent.",
    control:
      "Only pages whose origins are listed, to the letter, and without a token of the clients' only those of this machine; `null` and patterns are no origins.",
    lives: ["src/guards/mcp/origins.ts", "src/guards/mcp/clients.ts"],
    also: ["test/guards/mcp_origins.long.test.ts"],
  },
  B15: {
    threat: "A stateless MCP request says one call in its headers and another in its body, so that who reads the headers sees another one.",
    control: "Method, name, revision and marked arguments of the headers have to be those of the body; by the body it is decided.",
    lives: ["src/guards/mcp/mirrored.ts", "src/guards/mcp/stateless_clients.ts"],
    also: ["test/guards/mcp_stateless.test.ts", "test/guards/mcp_stateless.long.test.ts"],
  },
  B16: {
    threat: "A server behind the MCP guard is given what lets it act past the guard, or a value that becomes further headers.",
    control:
      "The guard's own tokens are refused as variables and headers of its server, by whatever path; a header's value is one line of visible ASCII; headers of MCP and of the connection can't be set. No error says a value.",
    lives: ["src/guards/mcp/server_faults.ts", "src/guards/mcp/server_values.ts"],
    also: ["test/guards/mcp_server_values.test.ts"],
  },
  B17: {
    threat:
      "An MCP server, or an authorization server that it names, gets a code or token that is another's, or makes the guard ask what is inside its network.",
    control:
      "Metadata is about this server and of this issuer, to the letter; the answer's issuer is compared before its code goes anywhere; a code needs PKCE. No redirect is followed, no private address asked and none without TLS, unless it is configured or this machine's own; a token goes to its server's origin alone.",
    lives: [
      "src/guards/mcp/oauth/authority.ts",
      "src/guards/mcp/oauth/oauth_fetch.ts",
      "src/guards/mcp/oauth/login.ts",
      "src/guards/mcp/oauth/server_login.ts",
    ],
    also: ["test/guards/mcp_oauth.test.ts", "test/guards/mcp_oauth.long.test.ts"],
  },
  B18: {
    threat: "A login at an MCP server is read by another user, used for another server, or ends because two guards renew it at once.",
    control:
      "Its file is the user's alone, or refused; what is in it is for one server; whoever renews it holds a lock that ends with the process, and reads it again first. A refused new token, or one that was used twice, is tried no more.",
    lives: ["src/guards/mcp/oauth/login_file.ts", "src/guards/mcp/oauth/server_login.ts"],
    also: ["test/guards/mcp_server_login.test.ts"],
  },
  B19: {
    threat: "A press of Approve in Slack is made up, sent again, somebody else's, or of an action that wasn't shown.",
    control:
      "A press has Slack's signature over body and time, is of the last five minutes and of one workspace, and counts once; it approves in the name that the configuration has for its user, with the right to review alone, and only the digest that its message showed whole.",
    lives: ["src/console/slack_requests.ts", "src/console/slack.ts", "src/findings/messages.ts"],
    also: ["test/console/slack.test.ts", "test/findings/messages.test.ts"],
  },
  C1: {
    threat: "A bundle is unsigned, altered, signed by another key, or holds other files than were signed.",
    control: "One signature of a pinned key over all files, each listed, each hashed; what runs goes on.",
    lives: ["src/bundle/signature.ts", "src/bundle/verify.ts"],
    also: [
      "test/bundle/verify.test.ts",
      "test/bundle/opa_verdicts.test.ts",
      "test/policy/source.long.test.ts",
      "test/policy/swap.long.test.ts",
    ],
  },
  C3: {
    threat: "An older bundle is activated again: put at the path, after the state folder was lost or put back from a backup.",
    control:
      "The highest sequence that was trusted is kept before a bundle decides, and each decision's record names it: a start takes the later of the two.",
    lives: ["src/bundle/trusted_store.ts", "src/audit/log/last_policy.ts", "src/service/trust.ts"],
    also: [
      "test/bundle/trusted_store.test.ts",
      "test/bundle/republish.test.ts",
      "test/audit/last_policy.test.ts",
      "test/service/rollback.long.test.ts",
    ],
  },
  C7: {
    threat: "A path that is read has something without end at it: a FIFO, a device, a file that grows. Updates end, or the memory does.",
    control:
      "What a configuration names, and what a log's folder has, is opened once, without blocking, has to be a regular file, and is read to its bound.",
    lives: ["src/system/read_file.ts", "src/policy/source.ts", "src/facts/watched_file.ts"],
    also: [
      "test/system/read_file.test.ts",
      "test/policy/source.long.test.ts",
      "test/facts/watched_file.test.ts",
      "test/audit/tree/verify_command.test.ts",
    ],
  },
  C9: {
    threat: "An archive climbs out, links, names a file twice, goes on after its end, or inflates without bound.",
    control: "Members are read in memory: regular files, plain names, each once, nothing else, all of it bounded.",
    lives: ["src/bundle/archive.ts"],
    also: ["test/bundle/verify.test.ts"],
  },
  C10: {
    threat: "Whoever has the signing key, or the machine it is on, signs a module that no reviewed source gives, or one whose tests fail.",
    control:
      "Where `bundle.provenance_keys` names builders, a bundle needs an in-toto statement of one of them, about these very files, with the tests' results. With `bundle.signers_min: 2` one stolen key signs nothing that is taken, and keys are read anew for each bundle.",
    lives: ["src/bundle/provenance.ts", "src/bundle/dsse.ts", "src/bundle/signature.ts", "src/bundle/verify.ts"],
    also: [
      "test/bundle/cosign.test.ts",
      "test/bundle/provenance.test.ts",
      "test/cli/supply_chain.long.test.ts",
      "test/cli/publish.test.ts",
    ],
  },
  C11: {
    threat:
      "Whoever configures, names or answers for a source of bundles makes the service ask what is inside its network, or hands its credentials on.",
    control:
      "Private addresses aren't asked, by number or by name, at any connection; redirects go to hosts that are named, without credentials; answers are bounded in bytes and time.",
    lives: ["src/system/addresses.ts", "src/sources/requests.ts", "src/sources/oci.ts"],
    also: [
      "test/system/addresses.test.ts",
      "test/sources/requests.test.ts",
      "test/sources/fetchers.test.ts",
      "test/sources/service.long.test.ts",
    ],
  },
  C12: {
    threat: "A way back that is kept for later brings in a policy that nobody has seen decide, or one that was given up since.",
    control:
      "It is verified and tried like a publication when it is kept, and once more when it is used. Its sequence is above all that were trusted, its policy is to the byte that of an earlier bundle that decided here, and a later bundle, its expiry or another digest than the one shown ends it.",
    lives: ["src/policy/way_back.ts", "src/bundle/policy_digest.ts"],
    also: ["test/policy/way_back.test.ts", "test/cli/publish.test.ts", "test/console/policy.long.test.ts"],
  },
  D1: {
    threat: "A bundle that answers otherwise than anybody expected decides for every agent at once.",
    control:
      "It can be staged: in shadow it decides nothing, with a share it decides for some agents; differences are counted by reason and agent, and too many of them, or failures, end the stage by themselves.",
    lives: ["src/policy/staging.ts", "src/decision/beside.ts"],
    also: ["test/policy/staging.test.ts", "test/cli/publish.test.ts"],
  },
  D4: {
    threat: "Rules that run away: ranges, patterns from the input, recursion.",
    control: "What neither the operands' size nor fuel bounds is refused in the build; what still overruns is stopped and denied.",
    lives: ["src/bundle/capabilities.ts", "rego/conventions/conventions.rego", "src/policy/metering.ts"],
    also: ["test/faults/runaway.long.test.ts", "test/build/conventions.test.ts", "test/policy/metering.long.test.ts"],
  },
  D5: {
    threat: "A policy reaches out, or asks the host for what isn't there.",
    control:
      "A list of builtins in the build; a module that needs another from the host isn't loaded. Those that the host has reach nothing, and pay by fuel.",
    lives: ["rego/capabilities.json", "src/bundle/check.ts", "src/bundle/builtins/index.ts", "src/policy/host_builtins.ts"],
    also: [
      "test/builtins/hosted.test.ts",
      "test/builtins/conformance.long.test.ts",
      "test/build/capabilities.test.ts",
      "test/policy/engine.long.test.ts",
    ],
  },
  D6: {
    threat: "The compiler or the engine answers otherwise than OPA's own evaluator.",
    control: "Builtins that differ are not allowed; generated inputs are answered by both and compared; no optimiser.",
    lives: ["src/bundle/capabilities.ts", "src/bundle/build.ts", "src/bundle/opa_child.ts", "src/bundle/opa_module.ts"],
    also: ["test/differential.long.test.ts", "test/build/compilers.long.test.ts", "test/build/opa_wasm.long.test.ts"],
  },
  D7: {
    threat: "A caller hands in a record that no command can read, so that each gate over the log fails for good.",
    control: "Records of engines are taken in the shape that replays read, or refused, each for itself.",
    lives: ["src/service/handed_in_records.ts", "src/replay/shapes.ts"],
  },
  E1: {
    threat: "Something is allowed after its revocation was acknowledged: under way, in a batch, on a task handed on.",
    control:
      "A revocation holds at once; what rests on facts that moved is asked again, item by item; the acknowledgement waits for answers under way.",
    lives: ["src/facts/commands.ts", "src/decision/decide.ts", "src/http/flights.ts"],
    also: ["test/revocation/races.long.test.ts", "test/simulation/simulation.long.test.ts"],
  },
  E6: {
    threat: "A backup is put back, and revocations that came after it are forgotten, or records.",
    control: "The log names the revisions it has, its checkpoint how many records; a store or log that ends before is refused.",
    lives: ["src/facts/ledger.ts", "src/audit/log/seal.ts"],
    also: ["test/audit/power.long.test.ts", "test/service/start.long.test.ts"],
  },
  E7: {
    threat: "Two operators change the same, and one change is lost.",
    control: "Each change is of the revision that was read, in the request as in the store.",
    lives: ["src/facts/commands.ts", "src/store/file.ts", "src/store/memory.ts"],
    also: ["test/facts/registry.test.ts", "test/store/memory.test.ts", "test/store/sqlite.long.test.ts"],
  },
  E8: {
    threat: "The host's clock is set, forward or back, and what was over goes on.",
    control: "Stated ends are by the wall clock; a token, once seen, ends by the monotonic clock too; no answer outlives what it rests on.",
    lives: ["src/identity/verified_tokens.ts", "src/decision/floor.ts", "src/decision/decide.ts", "src/facts/registry.ts"],
    also: ["test/faults/clock.test.ts", "test/simulation/simulation.long.test.ts"],
  },
  E9: {
    threat: "Revoking everything is used as a weapon, or goes unnoticed.",
    control: "It has a right of its own, in an import too; it and its undoing are two events with reasons; an alarm goes on until then.",
    lives: ["src/http/routes/revocations.ts", "src/http/routes/facts.ts", "src/service.ts"],
    also: ["test/http/stop.long.test.ts", "test/http/facts.long.test.ts"],
  },
  E10: {
    threat:
      "Two services have one log and store, or a command changes what a service writes: containers that overlap in a rollout, a host beside them.",
    control:
      "The kernel holds the lock of a file, by its inode: it is seen from every container and through every link, and ends with its process. File systems that other machines mount are refused.",
    lives: ["src/system/lock.ts"],
    also: ["test/system/lock.test.ts", "test/system/lock.long.test.ts", "test/service/containers.long.test.ts"],
  },
  E11: {
    threat:
      "What is revoked or suspended is got round: by another owner, by its credentials under another name, by an import, by a token without id.",
    control:
      "A stopped agent keeps its owner and credentials; an import restores nobody; a caller is revoked by its name, and so is whatever token it has.",
    lives: ["src/facts/agents.ts", "src/facts/import.ts", "src/decision/floor.ts", "src/decision/gather.ts"],
    also: ["test/facts/agents.test.ts", "test/facts/import.test.ts", "test/http/revoked_callers.test.ts"],
  },
  F1: {
    threat: "Records are altered, deleted, put in or put in another order.",
    control:
      "They are the leaves of a Merkle tree whose root is signed; its hashes say which record it was. Where tiles were altered alike, nothing says that only others were.",
    lives: ["src/audit/log/seal.ts", "src/audit/tree/verify.ts", "src/audit/tree/judge.ts"],
    also: ["test/audit/tree/tamper.test.ts"],
  },
  F2: {
    threat: "The log's end is cut off, or all of it written anew, and signed again with its key; two readers get two histories.",
    control: "A checkpoint or receipt that is kept elsewhere: the log has to begin with what it covers. Without one this goes unseen.",
    lives: ["src/audit/tree/verify.ts", "src/audit/tree/judge.ts", "src/http/routes/log.ts"],
    also: ["test/audit/tree/tamper.test.ts", "test/http/log.test.ts"],
  },
  F3: {
    threat: "A decision is answered and has no record: the process or the power goes at the wrong moment.",
    control:
      "The answer waits until a group's sync has returned; a start cuts only what was never answered for, and keeps that; where anything else is unreadable it refuses.",
    lives: ["src/decision/decide.ts", "src/audit/log/segments.ts", "src/audit/log/writer.ts"],
    also: [
      "test/audit/power.long.test.ts",
      "test/audit/log.test.ts",
      "test/audit/log_kills.long.test.ts",
      "test/service/kills.long.test.ts",
    ],
  },
  F4: {
    threat: "The disk is full, fails or stalls.",
    control: "What can't be written is answered 503 and taken off the disk again; a bounded queue; the disk is tried until it takes more.",
    lives: ["src/audit/log/log.ts", "src/audit/log/writer.ts", "src/audit/log/segments.ts"],
    also: ["test/audit/log.test.ts", "test/service/full_disk.long.test.ts", "test/service/faults.long.test.ts"],
  },
  F5: {
    threat: "Personal data and secrets of requests and facts are read from records, or guessed from their digests.",
    control:
      "A bundle masks fields: a digest under a key of its period stands in their place before anything is written, and goes with it; without a key nothing is decided.",
    lives: ["src/audit/privacy/masker.ts", "src/audit/privacy/keys.ts", "src/decision/record.ts", "src/bundle/reads.ts"],
    also: ["test/audit/privacy/masker.test.ts", "test/audit/privacy/keys.test.ts"],
  },
  F6: {
    threat: "A key that signs bundles or tokens signs checkpoints too, or one log's checkpoint passes for another's.",
    control: "Checkpoints have Ed25519 keys, named after the log; nothing else here takes such a key.",
    lives: ["src/audit/tree/note.ts", "src/audit/tree/checkpoint.ts"],
    also: ["test/audit/tree/note.test.ts", "test/audit/tree/checkpoint.test.ts"],
  },
  F7: {
    threat: "The host's clock is ahead, and old by it are all records and the keys of masks, which don't come back.",
    control:
      "Retention holds while more time has passed by the clock than since the last look or record, start after start, until an operator's command is given by it.",
    lives: ["src/audit/privacy/clock_mark.ts", "src/audit/privacy/retention_watch.ts", "src/audit/privacy/retention.ts"],
    also: ["test/audit/privacy/clock_mark.test.ts", "test/audit/privacy/retention_watch.long.test.ts"],
  },
  F8: {
    threat: "A call that nobody permitted hides behind the decision on another of its kind, in traces.",
    control:
      "A decision vouches for a call of the same purpose and task, whose arguments and attributes are the same as far as both are known.",
    lives: ["src/adapters/otlp/decision_claims.ts"],
    also: ["test/adapters/otlp/service.long.test.ts"],
  },
  F9: {
    threat: "Whoever answers in a witness's place makes a history look witnessed that no witness has seen.",
    control: "An answer is verified with the witness's key against the checkpoint that was sent, and again when it is read from its file.",
    lives: ["src/audit/log/witness.ts"],
    also: ["test/audit/witness.test.ts"],
  },
  F11: {
    threat: "A log that shows two readers two histories, or that was put back, gets both cosigned by this service as a witness.",
    control:
      "It cosigns what the log has signed and what is proven to go on from the last that it cosigned, one after another; that is on disk first, and is verified when it is read.",
    lives: ["src/audit/log/cosigner.ts"],
    also: ["test/audit/cosigner.test.ts"],
  },
  F10: {
    threat: "The folder that a web server serves has more than the published log, or leads the service to write to other files.",
    control:
      "Nothing that the configuration names may lie in it, by whatever links; a file is made there under a new name, never through a link.",
    lives: ["src/system/config/records.ts", "src/audit/publish/published_log.ts"],
    also: ["test/audit/publish/published_log.test.ts", "test/config/config.test.ts"],
  },
  G1: {
    threat: "Evaluations that abort wear an engine instance out.",
    control: "Whatever is thrown ends the instance; the next input gets a new one, with the memory as it was before any evaluation.",
    lives: ["src/policy/instance.ts"],
    also: ["test/faults/aborts.test.ts", "test/policy/engine.long.test.ts"],
  },
  G2: {
    threat: "A load that fails half way leaves an engine that answers wrongly.",
    control: "A bundle is built and tried beside the running one; nothing is reloaded in place.",
    lives: ["src/policy/engine.ts"],
    also: ["test/faults/activation.long.test.ts", "test/policy/engine.long.test.ts", "test/policy/source.long.test.ts"],
  },
  G3: {
    threat: "One large input inflates memory for good.",
    control: "Inputs, results and pages are bounded; an instance that has grown beyond a mark is replaced.",
    lives: ["src/policy/instance.ts"],
    also: ["test/policy/engine.long.test.ts"],
  },
  G4: {
    threat: "A failure, or an option, lets something proceed that nobody decided.",
    control:
      "Every failure is a problem or a deny, and a deny to whoever asked; results are checked again outside the policy, and by guards; there is no such option.",
    lives: [
      "src/decision/decide.ts",
      "src/decision/conclude.ts",
      "src/decision/floor.ts",
      "src/client/answer.ts",
      "src/client/action_on_hold.ts",
    ],
    also: [
      "test/decision/conclude.test.ts",
      "test/decision/decide.test.ts",
      "test/retail/enforcement.test.ts",
      "test/client/chaos.long.test.ts",
      "test/guards/mcp_hostile.long.test.ts",
    ],
  },
  G6: {
    threat: "A configuration is called good, and no service can run by it: a certificate of another key, folders that can't be written.",
    control: "`serve --check` reads, tries and compares all that a start would: keys with their certificates, folders by their rights.",
    lives: ["src/service/tls.ts", "src/cli/policy/check.ts"],
    also: ["test/cli/cli.long.test.ts"],
  },
  H1: {
    threat: "A node of a cluster that is cut off, frozen or behind goes on allowing what was revoked on another.",
    control:
      "A node allows by a lease that only its own tick renews, read back through one of two feeds; a revocation is in force on the fleet when it is durable and in both, and each node has acknowledged it or its lease has ended: every tick that comes before it is known by then.",
    lives: [
      "src/cluster/lease.ts",
      "src/cluster/fleet.ts",
      "src/cluster/copies.ts",
      "src/cluster/member.ts",
      "src/facts/restrictions.ts",
      "src/store/followers.ts",
    ],
    also: ["test/cluster/simulation.test.ts", "test/cluster/lease.test.ts", "test/cluster/fleet.long.test.ts"],
  },
  H2: {
    threat: "An answer is held up, and leaves, or is acted on, after the node that gave it may no longer allow.",
    control:
      "It lives by the lease under which its facts were gathered: checked once its record is on disk, and its validity ends with it.",
    lives: ["src/decision/commit.ts", "src/decision/answer.ts"],
    also: ["test/cluster/simulation.test.ts"],
  },
  H3: {
    threat: "The feed of facts is held up on a node, which goes on by the ticks of the second feed and allows what was revoked.",
    control:
      "A restriction of the second feed holds until the first brings it, over what isn't known yet too; and the second feed renews no lease for longer than 20 s.",
    lives: ["src/facts/ledger.ts", "src/facts/registry.ts", "src/cluster/lease.ts"],
    also: ["test/facts/ahead.test.ts", "test/cluster/lease.test.ts", "test/cluster/simulation.test.ts"],
  },
  H4: {
    threat: "Asked through another node of a cluster, findings are shown to, judged or approved by somebody who may not.",
    control:
      "Each node lists by the rights of the caller, which the node that is asked has checked and sends along; a verdict is decided by the node that has the finding, under the reviewer's own name and roles.",
    lives: ["src/http/fleet_findings.ts", "src/http/findings_desk.ts"],
    also: ["test/http/fleet_findings.test.ts", "test/cluster/desk.long.test.ts"],
  },
  H5: {
    threat: "A node of a cluster that somebody has said is gone for good comes back, behind on all that it missed, and allows.",
    control:
      "That it is gone stands in the feed before every tick that would renew its lease, and is said again where such a tick comes: it ends for good. It can be said only once the lease is over.",
    lives: ["src/cluster/member.ts", "src/service/cluster.ts"],
    also: ["test/cluster/member.test.ts", "test/cluster/desk.long.test.ts"],
  },
  H6: {
    threat:
      "An engine follows a node of a cluster that is cut off, or over a line that is held back, and goes on allowing what was revoked.",
    control:
      "Its facts are as old as the last question that has come back on the stream, behind all that the node knew then; a node without a lease sends nothing, and one that is behind another is refused.",
    lives: ["src/embedded/feed.ts", "src/http/event_stream.ts", "src/http/stream_followers.ts"],
    also: ["test/embedded/shared_feed.test.ts", "test/cluster/desk.long.test.ts"],
  },
  H7: {
    threat:
      "Whoever can write to a cluster's servers, or to a node's path, has a node decide by another bundle than the named one: a forged, an other or an older one.",
    control:
      "What the feed names is verified by each node as any publication, has to have the named digest, and never leads back; nothing else is activated.",
    lives: ["src/service/feed_bundles.ts", "src/policy/source.ts", "src/cluster/bundle_archives.ts", "src/facts/bundle_commands.ts"],
    also: ["test/cluster/bundle_feed.test.ts", "test/cluster/activation.long.test.ts"],
  },
  H8: {
    threat:
      "A node of a cluster can't have the bundle that the feed names, and goes on allowing by the one before; or it is said to decide by it.",
    control:
      "It goes on for a bounded time, and not beyond the lease that it held when it read of it; then it allows nothing. It acknowledges an activation once it decides by that bundle, and silence counts for nothing, unless both feeds say that it was dismissed, or have a later start of it. A lease that is over begins again by the feed of all facts alone.",
    lives: ["src/cluster/bundle_feed.ts", "src/cluster/fleet.ts", "src/cluster/lease.ts", "src/cluster/member.ts"],
    also: [
      "test/cluster/bundle_feed.test.ts",
      "test/cluster/lease.test.ts",
      "test/cluster/simulation.test.ts",
      "test/cluster/activation.long.test.ts",
    ],
  },
  H9: {
    threat:
      "A task reads a stranger's words on one node of a cluster and acts on another, or asks several at once for the last of what a limit leaves: neither knows of the other.",
    control:
      "What a task has seen and what is counted is one text a scope, read before an action is decided and replaced before its answer leaves; where another node has replaced it, the action is decided again. A task without a text is unknown, and so is one on which a policy without words has permitted anything.",
    lives: ["src/flow/shared_flow.ts", "src/decision/decide.ts", "src/store/nats_states.ts"],
    also: ["test/flow/shared_flow.test.ts", "test/cluster/history.long.test.ts"],
  },
  H10: {
    threat:
      "An agent spreads what is unusual over the nodes of a cluster, so that none sees enough of it; or is let back by a node that knows nothing of it.",
    control:
      "Every node learns from the records of all, in the order of their times, each once, and none that is not on disk. What becomes of an agent by that is up to its home, one of the live nodes, which lets nobody back while it can't read what others decide.",
    lives: [
      ...["src/service/followed_lessons.ts", "src/service/own_lessons.ts", "src/service/fleet.ts"],
      ...["src/behavior/adjustments.ts", "src/cluster/home.ts"],
    ],
    also: ["test/service/followed_lessons.test.ts", "test/cluster/lessons.long.test.ts"],
  },
  H11: {
    threat:
      "A narrowed agent has its actions a minute on every node of a cluster, or once more wherever a node joins, leaves or is cut off.",
    control:
      "A rate is divided by the nodes that may have permitted anything within the last minute. A node begins with nothing until all others have known of it for a minute, and forgets one only after it has read both feeds for a minute without it.",
    lives: ["src/cluster/rate_parts.ts", "src/facts/narrowings.ts"],
    also: ["test/cluster/rate_parts.test.ts"],
  },
  H12: {
    threat:
      "An agent spreads what somebody should look into over the nodes of a cluster: each part of it looks harmless, and a verdict on one stands for what nobody has seen.",
    control:
      "Findings that one service would have had as one are listed and judged as one. A verdict needs the sum of their actions, is said of every part, and leaves open what a node that was away had.",
    lives: ["src/findings/kin.ts", "src/http/finding_groups.ts", "src/http/fleet_findings.ts"],
    also: ["test/findings/kin.test.ts", "test/http/fleet_findings.test.ts", "test/cluster/desk.long.test.ts"],
  },
  H13: {
    threat:
      "The servers' data is put back to an earlier copy, and what was revoked since is allowed again: by nodes that run, or by one that starts and has never read what was lost.",
    control:
      "A node ends by a tick of its own at a place that it has passed, by one whose sender has read a change that comes later, and by one that comes back without what others said in the second feed to have read before. One that starts reads the last ticks of both feeds first.",
    lives: ["src/cluster/member.ts", "src/store/nats.ts", "src/store/nats_copies.ts"],
    also: ["test/cluster/member.test.ts", "test/cluster/damage.long.test.ts"],
  },
  H14: {
    threat:
      "A bundle that all nodes of a cluster try is another on one of them, is tried beside another than the named one, or goes on deciding for some where its stage has ended.",
    control:
      "Each node verifies it as any publication, by the digest that the feed has, tries it beside the named bundle alone, and says so only then. Whoever ends the stage ends it on all nodes, as does any node that has seen too many differences.",
    lives: ["src/service/feed_bundles.ts", "src/cluster/stage_feed.ts", "src/facts/bundle_commands.ts"],
    also: ["test/cluster/stage_feed.test.ts", "test/facts/bundle_commands.test.ts", "test/cluster/activation.long.test.ts"],
  },
} as const satisfies Record<string, ThreatRow>;

export type ThreatId = keyof typeof rows;

export const THREATS: Readonly<Record<ThreatId, ThreatRow>> = rows;
