/** Wires the rooms into a service: the only file that knows everything. */
import { readOpaMapping } from "./adapters/opa/mapping.js";
import type { Exporter } from "./audit/export/exporter.js";
import type { Publisher } from "./audit/publish/publisher.js";
import type { Uploads } from "./upload/uploads.js";
import { nodeFiles } from "./audit/log/files.js";
import { actIn } from "./audit/log/fold.js";
import { knownDecision } from "./records/known_decision.js";
import { Cosigner } from "./audit/log/cosigner.js";
import { logIdentity } from "./audit/log/log_keys.js";
import type { SegmentLog } from "./audit/log/log.js";
import { readPast } from "./audit/log/past.js";
import { maskedFacts } from "./audit/privacy/masks.js";
import { lastRecordTime } from "./audit/privacy/retention.js";
import { compileGrantEntry } from "./bundle/grant_entry.js";
import type { TaskState } from "./contract/index.js";
import { BEHAVIOR_DEFAULTS, type RevocationState } from "./contract/index.js";
import { Chain } from "./decision/chain.js";
import { decider } from "./decision/decide.js";
import { expired } from "./decision/intake.js";
import { observer } from "./decision/observe.js";
import { OutcomeReports } from "./decision/outcomes.js";
import type { ActivePolicy, Facts } from "./decision/ports.js";
import { ITSELF } from "./behavior/adjustments.js";
import { Commands } from "./facts/commands.js";
import { processOf } from "./facts/held_grants.js";
import { watchStop } from "./facts/stop_file.js";
import { WatchedFile, type WatchedFileEvents } from "./facts/watched_file.js";
import { OwnNotices } from "./findings/own_notices.js";
import { admission, halfOf } from "./http/admission.js";
import type { HttpLimits } from "./http/deps.js";
import { BundleWaiters } from "./http/bundle_waiters.js";
import type { TaskFact } from "./facts/entities.js";
import { EventStreams } from "./http/event_streams.js";
import { Flights } from "./http/flights.js";
import { Metrics } from "./http/metrics.js";
import { RecordStreams } from "./http/record_stream.js";
import { httpServer, type HttpServer } from "./http/server.js";
import type { Bounds } from "./system/bounds.js";
import { allowedHosts, type Config } from "./system/config.js";
import { Closing } from "./system/closing_stack.js";
import { errorMessage } from "./system/error_message.js";
import type { System, Timers } from "./system/index.js";
import { report } from "./system/log_events.js";
import type { Logger } from "./system/logger.js";
import { packageVersion } from "./system/package_version.js";
import { uuid7 } from "./system/uuid.js";
import type { PastAhead } from "./service/past_ahead.js";
import { openCore } from "./service/core.js";
import type { ClusterNode } from "./service/cluster.js";
import { followLessons, mayRestore, noteShared, wireFleet } from "./service/fleet.js";
import type { FollowedLessons } from "./service/followed_lessons.js";
import { FeedBundles } from "./service/feed_bundles.js";
import { watchFleetBundles } from "./service/fleet_bundles.js";
import { wireAuthzen } from "./service/authzen.js";
import { wireAdjustments } from "./service/adjustments.js";
import { HAND_INS_MAX, declareBounds } from "./service/bounds.js";
import { envoyDeps, listenToEnvoy, listenToOtlp } from "./service/grpc.js";
import { connectionsMax } from "./service/descriptors.js";
import { explaining } from "./service/explanations.js";
import { wireFindings } from "./service/findings.js";
import { ServiceFlow, type WiredFlow } from "./service/flow.js";
import { HandedInRecords } from "./service/handed_in_records.js";
import { wireSecurityEvents } from "./service/security_events.js";
import { wireStaging } from "./service/staging.js";
import { watchPolicy } from "./service/policy_warnings.js";
import type { Telemetry } from "./telemetry/telemetry.js";
import { pulledSource } from "./service/bundle_source.js";
import { bundlesOf } from "./service/bundles.js";
import { identityOf, refusingRevoked } from "./service/identities.js";
import { wireSensing } from "./service/sensors.js";
import { readTls } from "./service/tls.js";
import { FactsMark, readMark, removeMark } from "./service/facts_mark.js";
import { archiveLimits, instanceLimits, limitsBeyondCheck, Preparations } from "./service/preparations.js";
import { bundleTrust, trustNow } from "./service/trusted_keys.js";
import { openWayBack } from "./service/way_back.js";
import {
  exporterOf,
  publisherOf,
  lockPlaces,
  openStore,
  retaining,
  searchOf,
  uploadsOf,
  witnessesOf,
  type Locks,
  type OpenedStore,
} from "./service/opened_parts.js";

const STORE_RETRY_MS = 250;

export interface Service {
  /** `http://127.0.0.1:8181` */
  readonly url: string;
  /** `127.0.0.1:9191`; null where Envoy isn't listened to over gRPC. */
  readonly envoy: string | null;
  /** `127.0.0.1:4317`; null where traces aren't taken over gRPC. */
  readonly otlp: string | null;
  /** Answers every request that has come in, puts every record on disk, and ends. */
  stop(): Promise<void>;
}

/** Locks and prepared parts that a standby has when it takes over. */
export interface TakeOver {
  /** The service's from then on, and released when it ends or can't start. */
  locks: Locks;
  readied: Preparations;
}

/**
 * Starts a service. Without a good bundle it runs anyway, not ready, until one comes.
 * @param taken left out: the locks are taken now, and everything is made now
 * @throws Error saying what is wrong with keys, facts, the log or what was trusted before
 */
export async function startService(config: Config, system: System, given: Logger, taken: TakeOver | null = null): Promise<Service> {
  const { clock, timers } = system;
  const telemetry = await telemetryOf(config, system, given);
  const logger = telemetry?.logger ?? given;
  const identity = identityOf(config, system, logger);
  bundleTrust(config);
  const tls = config.tls && readTls(config.tls, "tls");
  const logKeys = logIdentity(config.log.dir, config.log);
  const connections_max = connectionsMax(config, logger);
  // First of all: nothing is touched where another process serves from the same folders.
  const locks = taken?.locks ?? lockPlaces(config);
  const closing = new Closing();
  closing.add(() => telemetry?.close());
  try {
    return await open();
  } catch (cause) {
    // Its threads would keep a process alive that has said why it can't start.
    await closing.close();
    throw cause;
  }

  async function open(): Promise<Service> {
    let node = null as ClusterNode | null;
    const readied = taken?.readied ?? new Preparations(system, logger);
    // The bundle is verified and its policy tried while the threads of log and store begin. What is wrong with it is told when it is asked for.
    const warmed = taken === null ? readied.make(config).catch(() => undefined) : null;
    const opening = openStore(config, system, logger, locks.store, {
      broken: () => node?.broken(),
      connected: () => node?.connected(),
    });
    closing.add(() => closeOpened(opening));
    const { cluster } = config;
    const activation =
      cluster?.bundles === "feed"
        ? new FeedBundles({ name: config.bundle.name, behind_ms_max: cluster.bundle_behind_ms }, opening, system, logger)
        : null;
    // Before this start is on record.
    const lastRecordMs = config.log.retain_days === undefined ? null : await lastRecordTime(config.log.dir);
    let pastAhead = null as PastAhead | null;
    const evaluation = instanceLimits(config);
    let activated = (_: ActivePolicy): void => undefined;
    const { dir: directory, durability, segment_bytes, checkpoint_ms, queue_records_max, queue_bytes_max, mask_period_days } = config.log;
    const core = openCore(
      {
        log: {
          directory,
          durability,
          segment_bytes,
          checkpoint_ms,
          queue_records_max,
          queue_bytes_max,
          unlock: locks.log,
          locks: [locks.storeLock],
        },
        log_keys: logKeys,
        mask_period_days,
        behavior: { ...config.behavior, of_nodes: cluster !== undefined },
        bundle: {
          ...config.bundle,
          trust: trustNow(config),
          limits: archiveLimits(config),
          ...(activation !== null && { permits: (identity) => activation.permits(identity) }),
          verify: async (bytes, options) => {
            await warmed;
            return await readied.verify(bytes, options);
          },
        },
        kept_max: config.bundle.kept,
        load: readied.instances(evaluation),
        profileAhead: (records) => (pastAhead = readied.pastAhead(config, records))?.profile ?? null,
        activated: (policy) => {
          activated(policy);
        },
      },
      system,
      logger,
      closing,
    );
    // Where the store fails, the core has to be whole before it can be closed.
    closing.add(() => core.catch(() => undefined));
    const [{ store, passing, join, objects }, { log, records, masks, profile, engine, source, kept, trusted }] = await Promise.all([
      opening,
      core,
    ]);
    let activatedAt = clock.monotonic();
    let activeSince = new Date(clock.wall()).toISOString();
    if (objects !== null) await activation?.begin({ source, kept, engine, objects });
    const pulled = pulledSource(config, source, system, logger);
    closing.add(() => pulled?.close());
    const staging = wireStaging(config.bundle.stage, records, system, logger, (why, digest) => activation?.stageEnded(why, digest));
    const wayBack = await openWayBack(
      config,
      { kept, trusted, clock, limits: archiveLimits(config), active: () => source.archive },
      logger,
    );
    closing.add(() => {
      staging.end("stopped");
    });
    const bundleWaiters = new BundleWaiters(timers, config.bundle);
    const { store: folder, file, poll_ms, durable_within_ms, landed_within_ms, ...factsLimits } = config.facts;
    const flights = new Flights(timers, landed_within_ms);
    const mark = readMark(config.log.dir, log.seq);
    const past = readPast(nodeFiles(config.log.dir), pastAhead?.uses, mark);
    if (mark === null || config.log.durability !== "synced") removeMark(config.log.dir);
    const factsMark = config.log.durability === "synced" ? openMark(config, log, past.revision, timers, logger) : null;
    closing.add(() => factsMark?.close());
    const incarnation = uuid7(clock, system.random)();
    let followers: EventStreams | null = null;
    let followed = null as FollowedLessons | null;
    let flow: WiredFlow | null = null;
    const commands = await Commands.open({
      store,
      log: maskedFacts(profile.log, masks, () => engine.active, clock),
      past,
      system,
      policy: () => engine.active,
      compile: compileGrantEntry,
      barrier: () => flights.landed(),
      limits: {
        ...factsLimits,
        counted_grants: config.log.durability === "synced",
      },
      cluster: config.cluster && {
        process: processOf(config.cluster.node, incarnation),
        rate_parts: () => node?.rate_parts ?? Infinity,
      },
      others: () => node,
      passing,
      watch: () => flow?.watch ?? null,
      followers: () => followers,
      ledger: { retry_ms: STORE_RETRY_MS, durable_within_ms, recorded: factsMark?.recorded.bind(factsMark) },
    });
    closing.add(() => {
      commands.close();
    });
    if (activation !== null) closing.add(activation.follow(commands, staging));
    const facts = commands.registry;
    if (join !== null && config.cluster !== undefined)
      node = join({
        ...{ config: config.cluster, directory, commands, system, logger, version: packageVersion() },
        incarnation,
        landed: () => flights.landed(),
        activation,
        bundle: () => (engine.active === null ? null : { digest: engine.active.identity.digest, since: activeSince }),
        staged: () => staging.status && { digest: staging.status.identity.digest, share: staging.status.share },
        hasLearned: () => followed?.hasBegun !== false,
        lessons: () => followed && followed.standing,
        record: (action, detail) => records.admin("remit", action, detail),
      });
    closing.add(() => node?.leave());
    if (node !== null) activation?.join(node);
    const aged: Facts = node?.facts ?? facts;
    const streams = new EventStreams({
      commands,
      system,
      policy: () => engine.active?.identity ?? null,
      limits: config.events,
      shared: () => node && { feed: node.feed },
      masksPrincipals: () => engine.active?.vocabulary.masks?.some(({ at }) => at.join("/") === "task/principal") === true,
      ended: (why, caller) => {
        metrics.streamEnded(why);
        if (why === "subscriber_slow") report(logger, "follower_cut", { code: why, of: "events", caller });
      },
    });
    followers = streams;
    const search = searchOf(config, timers, logger);
    closing.add(() => search.close());
    closing.add(
      log.onDurable((seq) => {
        search.durableTo(seq);
      }),
    );
    search.durableTo(log.durable);
    const recordStreams = new RecordStreams({
      search,
      system,
      limits: { followers_max: config.log.index.followers_max, heartbeat_ms: config.events.heartbeat_ms },
      ended: (why, caller) => {
        metrics.streamEnded(why);
        if (why === "subscriber_slow") report(logger, "follower_cut", { code: why, of: "records", caller });
      },
    });
    const chain = pastAhead?.chain ?? new Chain(config.decision.chained_tasks_max);
    const findings = wireFindings({
      config,
      pastAhead,
      chain,
      commands,
      search,
      system,
      logger,
      policy: () => engine.active,
      actOf: actIn,
      ended: (why, caller) => {
        metrics.streamEnded(why);
        if (why === "subscriber_slow") report(logger, "follower_cut", { code: why, of: "findings", caller });
      },
    });
    const securityEvents = await wireSecurityEvents({
      ...{ config, commands, records, system, logger, identity },
      masked: (detail) => masks.maskSecurityEvent(engine.active, clock.wall(), detail),
    });
    closing.add(() => securityEvents.close());
    const {
      reading: readingTraces,
      activated: compareWords,
      ...sensing
    } = wireSensing({
      config,
      log,
      incidents: findings.incidents,
      search,
      records,
      system,
      logger,
    });
    closing.add(() => {
      sensing.sensors.close();
    });
    if (engine.active !== null) compareWords(engine.active);
    activated = (policy) => {
      activatedAt = clock.monotonic();
      activeSince = new Date(clock.wall()).toISOString();
      staging.end("activated");
      streams.policyActivated(policy.identity);
      bundleWaiters.activated();
      compareWords(policy);
      activation?.activated();
    };
    let exporter: Exporter | null = null;
    let uploads: Uploads | null = null;
    let publisher: Publisher | null = null;
    let bounds: Bounds | null = null;
    const witnesses = witnessesOf(config, log, system, logger);
    const cosigner = config.log.cosigns === undefined ? null : new Cosigner(config.log.cosigns, config.log.dir, clock);
    closing.add(() => witnesses.stop());
    const metrics = new Metrics(() => ({
      policy: engine.active?.identity ?? null,
      policy_age_ms: engine.active === null ? 0 : clock.monotonic() - activatedAt,
      policy_left_ms: engine.active === null ? 0 : (engine.active.expires_ms ?? Infinity) - clock.wall(),
      bundle_refusals: source.refusals,
      bundle_refused: source.status.refused !== null,
      bundle_trust_behind: trusted.isBehind,
      bundle_source: pulled?.status ?? null,
      staged: staging.status,
      facts_revision: facts.revision,
      facts_stale: aged.stale,
      cluster: node && {
        ...{ lease_left_ms: node.lease_left_ms, live: node.live.length, uncopied: node.uncopied },
        feeds: node.feeds.map(({ feed, silent_ms }) => ({ name: feed, silent_ms })),
        silent: node.silent.length,
        bundles: node.bundles.running.length,
        bundle_behind_ms: node.bundles.named?.behind_ms ?? 0,
        ...{ lessons_behind_ms: followed?.behind_ms ?? 0, lessons_late: followed?.late ?? 0 },
      },
      everything_revoked: facts.revoked("everything", ""),
      store_healthy: store.healthy,
      log_healthy: log.healthy,
      log_queue: log.queue,
      subscribers: streams.size,
      exports: exporter?.sinks ?? [],
      uploads: uploads?.buckets ?? [],
      published: publisher?.state ?? null,
      witnesses: witnesses.witnesses,
      record_followers: recordStreams.size,
      bounds: bounds ?? [],
      stopped: facts.stopped,
      findings: findings.state,
      security_events: securityEvents.state,
      indexed_to: search.indexedTo,
      index_lag: search.durable - search.indexedTo,
      sensors_silent: sensing.sensors.silent,
    }));
    telemetry?.metrics(metrics.registry);
    commands.ledger.listen(({ key, change, by, reason, revision, value }) => {
      if (change === "revoked") {
        const revocation = value as unknown as RevocationState;
        if (revocation.scope === "token") identity.forget(revocation.of);
        for (const followed of [recordStreams, findings.streams]) followed.revoked(revocation);
      }
      if (key !== "revocation/everything") return;
      report(logger, change === "revoked" ? "everything_revoked" : "everything_lifted", { by, reason, revision });
    });
    const stopped = facts.revocation("everything");
    if (stopped?.lifted === null) {
      const { by, reason, revision } = stopped;
      report(logger, "everything_revoked", { by, reason, revision });
    }
    const unwatchStop = await watchStop(folder, timers, {
      stop: async ({ reason, by }) => {
        const { in_force } = await commands.revoke({ scope: { everything: true }, reason }, by);
        return in_force?.durable === true;
      },
      failed: (detail) => {
        report(logger, "stop_file_failed", { detail });
      },
    });
    closing.add(unwatchStop);
    const watched = file === undefined ? null : new WatchedFile(file, commands, reportImports(logger), config.limits.import_bytes_max);
    await watched?.look();
    const limits: HttpLimits = { ...config.limits, connections_max, bundle_bytes_max: config.bundle.bytes_max, observe: config.observe };
    const findTask = (id: string): TaskFact | undefined => facts.task(id);
    const watching: WiredFlow =
      node?.flow(findTask) ?? new ServiceFlow({ folder: config.log.dir, find: findTask, tasks: () => facts.tasks() });
    flow = watching;
    watching.start(engine.active);
    const onActivated = activated;
    activated = (policy) => {
      onActivated(policy);
      watching.activated(policy);
    };
    commands.ledger.listen(({ key, change, value }) => {
      if (change === "task_ended") watching.ended(key.slice(key.indexOf("/") + 1));
      if (change === "task_labels_lowered") {
        const { id, lowered } = value as unknown as TaskState;
        watching.lowered(id, lowered?.labels ?? []);
      }
    });
    const outcomes = new OutcomeReports({
      log,
      clock,
      recent_max: config.decision.outcomes_max,
      find: (id) => knownDecision(search, id),
      flow: watching.outcomes,
    });
    const ownNotices = new OwnNotices(sensing.notices, timers, ITSELF);
    closing.add(() => {
      ownNotices.close();
    });
    noteShared(profile, node, ownNotices);
    const adjustments = wireAdjustments({
      commands,
      note: (code, agent, purpose, reason) => {
        ownNotices.stopped(code, agent, purpose, reason);
      },
      riskOf: (agent, now) => profile.riskOf(agent, now),
      policyOf: (purpose) => engine.active?.purposes.get(purpose)?.behavior ?? BEHAVIOR_DEFAULTS,
      mayRestore: (agent) => mayRestore(node, followed, agent),
      system,
      logger,
    });
    closing.add(() => {
      adjustments.close();
    });
    followed = followLessons(node, profile.shared, adjustments, system, logger);
    closing.add(() => followed?.close());
    const decides = decider({
      flow: watching.port,
      system,
      identity,
      engine,
      facts: aged,
      withheld: (decision_id) => {
        void records.admin("remit", "answer_withheld", { decision_id }).catch(() => undefined);
      },
      log,
      profile,
      findings: findings.incidents,
      stage: staging,
      masks,
      limits: { ...config.limits, ...config.decision },
      chain,
      decided: (id, caller, proceed) => {
        outcomes.remember(id, caller, proceed);
      },
      settled: (act, assessed, answer, _kind, approval) => {
        findings.settled(act.agent, answer, approval);
        if (config.behavior.enabled) adjustments.settled(act, assessed, answer);
      },
    });
    const deciding = telemetry?.spans?.traced(decides) ?? decides;
    const handedIn = new HandedInRecords({
      log,
      search,
      identity,
      profile,
      outcomes,
      incidents: findings.incidents,
      isFinding: (id) => findings.findings.at(id) !== null,
      isKnown: (agent, purpose) => ({
        agent: facts.agent(agent) !== undefined,
        purpose: engine.active?.purposes.has(purpose) === true,
      }),
      newId: uuid7(clock, system.random),
      clock,
      time_skew_max_ms: config.decision.time_skew_max_ms,
      findTask: (id) => facts.task(id),
      // What waits for a person has to have been decided here: of that nothing is told.
      elsewhere: (task) => {
        watching.elsewhere(task);
      },
      settled: (answer, { act, assessed }) => {
        if (config.behavior.enabled) adjustments.settled(act, assessed, answer);
      },
    });
    const observing = observer({
      decider: deciding,
      log,
      system,
      limits: {
        ...config.limits,
        ...config.observe,
        line_bytes_max: config.limits.body_bytes_max,
        time_skew_max_ms: config.decision.time_skew_max_ms,
      },
    });
    let accepting = true;
    const envoy = envoyDeps(config, identity, facts, clock);
    const newId = uuid7(clock, system.random);
    const { streams_max } = config.observe;
    const observingAtOnce = admission(streams_max, timers, halfOf(streams_max));
    const handingIn = admission(HAND_INS_MAX, timers, halfOf(HAND_INS_MAX));
    const admitted = admission(config.limits.decisions_max, timers, config.limits.decisions_per_caller_max);
    const known = refusingRevoked(identity, facts, (caller, at_ms) => {
      records.signedIn(caller, at_ms);
    });
    const otlp = readingTraces(observing);
    const bundles = bundlesOf({ source, kept, wayBack, pulled, engine, staging, clock, activation });
    const http: HttpServer = httpServer(
      {
        decider: deciding,
        authzen: wireAuthzen({ config, decider: deciding, registry: facts, search, findings, clock }),
        envoy,
        opa: config.opa === undefined ? undefined : readOpaMapping(config.opa.mapping),
        admission: admitted,
        observing: observingAtOnce,
        handingIn,
        observer: observing,
        ...sensing,
        otlp,
        ...wireFleet(node, { search, log, logKeys, outcomes, findings, timers, bundles, profile: profile.shared }),
        handedIn,
        identity: known,
        facts: commands,
        cluster: node ?? undefined,
        flights,
        profile,
        thresholds: () =>
          [...(engine.active?.purposes ?? [])].map(([purpose, { behavior }]) =>
            profile.thresholdsOf(purpose, behavior ?? BEHAVIOR_DEFAULTS),
          ),
        events: streams,
        bundles,
        bundleWaiters,
        records,
        log,
        search,
        explain: explaining(engine, system.timers, (task) => findTask(task)?.plan),
        recordStreams,
        findings,
        securityEvents,
        logKeys,
        cosigned: witnesses.cosigned,
        cosigner,
        readiness: () => ({
          bundle: engine.active !== null && !expired(engine.active, clock.wall()),
          facts: !aged.stale,
          stored: store.healthy,
          log: log.healthy && profile.ready && (engine.active?.vocabulary.masks === undefined || masks.isReady(clock.wall())),
          accepting,
        }),
        metrics,
        logger,
        timers,
        newId,
        limits,
        hosts: allowedHosts(config),
        tls,
        withinTrace: telemetry?.spans?.within,
      },
      packageVersion(),
    );
    commands.ledger.listen(({ change, value }) => {
      const { scope, of } = value as unknown as RevocationState;
      if (change === "revoked" && scope === "caller") http.cut(of);
    });
    bounds = declareBounds(config, {
      ...{ admission: admitted, observing: observingAtOnce, handingIn, connections: () => http.connections },
      ...{ subscribers: streams, recordFollowers: recordStreams, findingFollowers: findings.streams, waiters: bundleWaiters },
      ...{ findings: findings.findings, held: findings.held, profiles: () => profile.known, flow: watching },
    });
    const asking = {
      admission: admitted,
      decider: deciding,
      flights,
      logger,
      metrics,
      newId,
      records,
      timers,
      withinTrace: telemetry?.spans?.within,
    };
    await node?.began;
    await activation?.attempted();
    const asked = await listenToEnvoy(config, envoy, asking);
    const { sensors } = sensing;
    const traced = await listenToOtlp(config, {
      identity: known,
      logger,
      metrics,
      newId,
      observing: observingAtOnce,
      otlp,
      records,
      sensors,
      timers,
    });
    closing.add(async () => {
      // What holds connections open ends before they are waited for.
      streams.close();
      bundleWaiters.close();
      recordStreams.close();
      await findings.close();
      await securityEvents.stop();
      const { shutdown_ms } = config.limits;
      await Promise.all([http.close(shutdown_ms), asked?.server.close(shutdown_ms), traced?.server.close(shutdown_ms)]);
    });
    const { port } = await http.listen(config.listen.host, config.listen.port);
    if (config.export !== undefined) exporter = exporterOf(config.export, config.log.dir, log, timers, logger);
    closing.add(() => exporter?.close());
    if (config.log.publish !== undefined) publisher = publisherOf(config.log.publish, config.log.dir, timers, logger);
    closing.add(() => publisher?.close());
    if (config.upload !== undefined) uploads = uploadsOf(config.upload, config.log.dir, timers, logger);
    closing.add(() => uploads?.close());
    // What decides is there before what looks back.
    search.start();
    findings.start();
    securityEvents.start();
    sensing.sensors.start();
    closing.add(retaining(config, log, records, system, logger, lastRecordMs));
    closing.add(source.watch());
    pulled?.start();
    if (watched !== null) closing.add(watched.watch(timers, poll_ms));
    closing.add(watchPolicy({ engine, source: pulled, notices: sensing.notices, system, logger }));
    if (node !== null && config.cluster !== undefined) {
      const { bundles_differ_ms: differ_ms_max } = config.cluster;
      closing.add(watchFleetBundles({ node, differ_ms_max, notices: sensing.notices, system, logger }));
      if (activation !== null) closing.add(activation.watch(sensing.notices));
    }
    const host = config.listen.host.includes(":") ? `[${config.listen.host}]` : config.listen.host;
    const url = `${tls === undefined ? "http" : "https"}://${host}:${port}`;
    report(logger, "service_listening", { url });
    const keys = limitsBeyondCheck(config);
    if (keys.length > 0) report(logger, "limits_beyond_check", { keys });
    return {
      url,
      envoy: asked?.address ?? null,
      otlp: traced?.address ?? null,
      async stop() {
        accepting = false;
        await closing.close();
        report(logger, "service_stopped");
      },
    };
  }
}

/** Loads what sends telemetry; null where the configuration sends none. */
async function telemetryOf({ telemetry }: Config, system: System, logger: Logger): Promise<Telemetry | null> {
  if (telemetry === undefined) return null;
  const { startTelemetry } = await import("./telemetry/telemetry.js");
  return startTelemetry(telemetry, packageVersion(), system, logger);
}

function openMark({ log: { dir } }: Config, log: SegmentLog, revision: number, timers: Timers, logger: Logger): FactsMark {
  return new FactsMark(log, dir, revision, timers, (cause) => {
    report(logger, "facts_mark_failed", { detail: errorMessage(cause) });
  });
}

/** Closes what is being opened, unless opening it failed. */
function closeOpened(opening: Promise<OpenedStore>): Promise<void> {
  return opening.then(
    (opened) => opened.close(),
    () => undefined,
  );
}

function reportImports(logger: Logger): WatchedFileEvents {
  return {
    imported: ({ created, changed, unchanged, facts_revision }) => {
      report(logger, "facts_imported", { created, changed, unchanged, facts_revision });
    },
    refused: (reason) => {
      report(logger, "facts_refused", { reason });
    },
  };
}
