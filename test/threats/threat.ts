/**
 * A threat's test and its counter-test: the same check on the service's own modules, where it must find nothing, and on
 * them with the control cut out, where it must find something.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import type * as adaptersEnvoyCheckModule from "../../src/adapters/envoy/check.js";
import type * as adaptersEnvoyMappingModule from "../../src/adapters/envoy/mapping.js";
import type * as adaptersOpaMappingModule from "../../src/adapters/opa/mapping.js";
import type * as adaptersOtlpAskedModule from "../../src/adapters/otlp/decision_claims.js";
import type * as auditExportFormatsModule from "../../src/audit/export/formats.js";
import type * as auditLogModule from "../../src/audit/log/log.js";
import type * as auditPastModule from "../../src/audit/log/past.js";
import type * as auditRetainingModule from "../../src/audit/privacy/retention_watch.js";
import type * as auditRetentionModule from "../../src/audit/privacy/retention.js";
import type * as auditCheckpointModule from "../../src/audit/tree/checkpoint.js";
import type * as auditNoteModule from "../../src/audit/tree/note.js";
import type * as auditVerifyModule from "../../src/audit/tree/verify.js";
import type * as auditCosignerModule from "../../src/audit/log/cosigner.js";
import type * as auditWitnessModule from "../../src/audit/log/witness.js";
import type * as auditWriterModule from "../../src/audit/log/writer.js";
import type * as behaviorAdjustModule from "../../src/behavior/adjust.js";
import type * as behaviorAdjustmentsModule from "../../src/behavior/adjustments.js";
import type * as behaviorProfileModule from "../../src/behavior/profile.js";
import type * as bundleBuildModule from "../../src/bundle/build.js";
import type * as bundleCheckModule from "../../src/bundle/check.js";
import type * as bundleGrantEntryModule from "../../src/bundle/grant_entry.js";
import type * as bundleTrustedModule from "../../src/bundle/trusted_store.js";
import type * as bundleVerifyModule from "../../src/bundle/verify.js";
import type * as contractUnseenModule from "../../src/contract/unseen.js";
import type * as cliAuditLinesModule from "../../src/cli/records/audit/lines.js";
import type * as cliUiModule from "../../src/cli/ui.js";
import type * as clientActionModule from "../../src/client/action.js";
import type * as clientModule from "../../src/client/index.js";
import type * as clusterBundleArchivesModule from "../../src/cluster/bundle_archives.js";
import type * as clusterBundleFeedModule from "../../src/cluster/bundle_feed.js";
import type * as clusterCopiesModule from "../../src/cluster/copies.js";
import type * as clusterFleetModule from "../../src/cluster/fleet.js";
import type * as clusterLeaseModule from "../../src/cluster/lease.js";
import type * as consoleServerModule from "../../src/console/server.js";
import type * as clusterMemberModule from "../../src/cluster/member.js";
import type * as clusterRatePartsModule from "../../src/cluster/rate_parts.js";
import type * as clusterStageFeedModule from "../../src/cluster/stage_feed.js";
import type * as consoleSessionsModule from "../../src/console/sessions.js";
import type * as consoleSlackModule from "../../src/console/slack.js";
import type * as contractCanonicalModule from "../../src/contract/canonical.js";
import type * as contractPathsModule from "../../src/contract/paths.js";
import type * as contractProblemModule from "../../src/contract/problem.js";
import type * as decisionDecideModule from "../../src/decision/decide.js";
import type * as decisionObserveModule from "../../src/decision/observe.js";
import type * as decisionScanModule from "../../src/decision/scan.js";
import type * as factsCommandsModule from "../../src/facts/commands.js";
import type * as factsImportModule from "../../src/facts/import.js";
import type * as flowCountsModule from "../../src/flow/counts.js";
import type * as flowFlowModule from "../../src/flow/flow.js";
import type * as serviceFlowModule from "../../src/service/flow.js";
import type * as flowSharedModule from "../../src/flow/shared_flow.js";
import type * as flowSeenModule from "../../src/flow/seen_memory.js";
import type * as flowReturnedModule from "../../src/flow/returned_values.js";
import type * as policySourceModule from "../../src/policy/source.js";
import type * as policyStagingModule from "../../src/policy/staging.js";
import type * as policyWayBackModule from "../../src/policy/way_back.js";
import type * as sourcesRequestsModule from "../../src/sources/requests.js";
import type * as embeddedFeedModule from "../../src/embedded/feed.js";
import type * as findingsFindingModule from "../../src/findings/finding.js";
import type * as findingsHeldModule from "../../src/findings/held_actions.js";
import type * as findingsIncidentsModule from "../../src/findings/incidents.js";
import type * as findingsProposalModule from "../../src/findings/proposal.js";
import type * as findingsVerdictsModule from "../../src/findings/verdicts.js";
import type * as findingsModule from "../../src/findings/findings.js";
import type * as findingsMessagesModule from "../../src/findings/messages.js";
import type * as findingsNoticesModule from "../../src/findings/notices.js";
import type * as ownNoticesModule from "../../src/findings/own_notices.js";
import type * as guardsHttpModule from "../../src/guards/http.js";
import type * as guardsHttpTableModule from "../../src/guards/http_table.js";
import type * as guardsMcpMappingModule from "../../src/mapping/call_mapping.js";
import type * as guardsMcpMirroredModule from "../../src/guards/mcp/mirrored.js";
import type * as guardsMcpLoginModule from "../../src/guards/mcp/oauth/login.js";
import type * as guardsMcpServerLoginModule from "../../src/guards/mcp/oauth/server_login.js";
import type * as guardsMcpOriginsModule from "../../src/guards/mcp/origins.js";
import type * as guardsMcpServerFaultsModule from "../../src/guards/mcp/server_faults.js";
import type * as guardsMcpServerValuesModule from "../../src/guards/mcp/server_values.js";
import type * as guardsMcpSubscriptionsModule from "../../src/guards/mcp/subscriptions.js";
import type * as guardsMcpUriModule from "../../src/mapping/uri_pattern.js";
import type * as httpAdmissionModule from "../../src/http/admission.js";
import type * as httpBodyModule from "../../src/http/body.js";
import type * as httpEventStreamsModule from "../../src/http/event_streams.js";
import type * as httpFindingsDeskModule from "../../src/http/findings_desk.js";
import type * as httpFleetFindingsModule from "../../src/http/fleet_findings.js";
import type * as httpFlightsModule from "../../src/http/flights.js";
import type * as httpOtlpGrpcModule from "../../src/http/otlp_grpc.js";
import type * as httpRightsModule from "../../src/http/rights.js";
import type * as httpRoutesNoticesModule from "../../src/http/routes/notices.js";
import type * as httpRoutesOpaModule from "../../src/http/routes/opa.js";
import type * as httpRoutesOpaReportsModule from "../../src/http/routes/opa_reports.js";
import type * as httpShareModule from "../../src/http/share.js";
import type * as auditPublishedModule from "../../src/audit/publish/published_log.js";
import type * as systemConfigModule from "../../src/system/config.js";
import type * as systemPlacesModule from "../../src/system/places.js";
import type * as httpServerModule from "../../src/http/server.js";
import type * as identityJwtModule from "../../src/identity/jwt.js";
import type * as identityRemoteModule from "../../src/identity/remote.js";
import type * as identityTaskTokensModule from "../../src/identity/task_tokens.js";
import type * as policyEngineModule from "../../src/policy/engine.js";
import type * as policyInstanceModule from "../../src/policy/instance.js";
import type * as replayPageHtmlModule from "../../src/replay/page/html.js";
import type * as serviceModule from "../../src/service.js";
import type * as storeFollowersModule from "../../src/store/followers.js";
import type * as storeMemoryModule from "../../src/store/memory.js";
import type * as storeSqliteModule from "../../src/store/sqlite.js";
import type * as systemReadFileModule from "../../src/system/read_file.js";
import type * as systemLoggerModule from "../../src/system/logger.js";
import type * as serviceAdjustmentsModule from "../../src/service/adjustments.js";
import type * as serviceDescriptorsModule from "../../src/service/descriptors.js";
import type * as serviceFeedBundlesModule from "../../src/service/feed_bundles.js";
import type * as serviceFleetModule from "../../src/service/fleet.js";
import type * as serviceFollowedLessonsModule from "../../src/service/followed_lessons.js";
import type * as serviceRecordedProfileModule from "../../src/service/recorded_profile.js";
import type * as serviceHandedInModule from "../../src/service/handed_in_records.js";
import type * as serviceTlsModule from "../../src/service/tls.js";
import type * as serviceTrustModule from "../../src/service/trust.js";
import { asset } from "../../src/system/paths.js";
import { Copies } from "./copies.js";
import type { Edit } from "./cut.js";
import type { ThreatId } from "./rows.js";

/** What a check may load. */
export interface Modules {
  "adapters/envoy/check.js": typeof adaptersEnvoyCheckModule;
  "adapters/envoy/mapping.js": typeof adaptersEnvoyMappingModule;
  "adapters/opa/mapping.js": typeof adaptersOpaMappingModule;
  "adapters/otlp/decision_claims.js": typeof adaptersOtlpAskedModule;
  "audit/export/formats.js": typeof auditExportFormatsModule;
  "audit/log/log.js": typeof auditLogModule;
  "flow/counts.js": typeof flowCountsModule;
  "flow/flow.js": typeof flowFlowModule;
  "service/flow.js": typeof serviceFlowModule;
  "flow/shared_flow.js": typeof flowSharedModule;
  "flow/seen_memory.js": typeof flowSeenModule;
  "flow/returned_values.js": typeof flowReturnedModule;
  "audit/log/past.js": typeof auditPastModule;
  "audit/privacy/retention_watch.js": typeof auditRetainingModule;
  "audit/privacy/retention.js": typeof auditRetentionModule;
  "audit/tree/checkpoint.js": typeof auditCheckpointModule;
  "audit/tree/note.js": typeof auditNoteModule;
  "audit/tree/verify.js": typeof auditVerifyModule;
  "audit/log/cosigner.js": typeof auditCosignerModule;
  "audit/log/witness.js": typeof auditWitnessModule;
  "audit/log/writer.js": typeof auditWriterModule;
  "behavior/adjust.js": typeof behaviorAdjustModule;
  "behavior/adjustments.js": typeof behaviorAdjustmentsModule;
  "behavior/profile.js": typeof behaviorProfileModule;
  "bundle/build.js": typeof bundleBuildModule;
  "bundle/check.js": typeof bundleCheckModule;
  "bundle/grant_entry.js": typeof bundleGrantEntryModule;
  "bundle/trusted_store.js": typeof bundleTrustedModule;
  "bundle/verify.js": typeof bundleVerifyModule;
  "contract/unseen.js": typeof contractUnseenModule;
  "cli/records/audit/lines.js": typeof cliAuditLinesModule;
  "cli/ui.js": typeof cliUiModule;
  "client/action.js": typeof clientActionModule;
  "client/index.js": typeof clientModule;
  "cluster/copies.js": typeof clusterCopiesModule;
  "cluster/bundle_archives.js": typeof clusterBundleArchivesModule;
  "cluster/bundle_feed.js": typeof clusterBundleFeedModule;
  "cluster/fleet.js": typeof clusterFleetModule;
  "cluster/lease.js": typeof clusterLeaseModule;
  "cluster/member.js": typeof clusterMemberModule;
  "cluster/rate_parts.js": typeof clusterRatePartsModule;
  "cluster/stage_feed.js": typeof clusterStageFeedModule;
  "contract/canonical.js": typeof contractCanonicalModule;
  "contract/paths.js": typeof contractPathsModule;
  "contract/problem.js": typeof contractProblemModule;
  "decision/decide.js": typeof decisionDecideModule;
  "decision/observe.js": typeof decisionObserveModule;
  "decision/scan.js": typeof decisionScanModule;
  "facts/commands.js": typeof factsCommandsModule;
  "facts/import.js": typeof factsImportModule;
  "policy/source.js": typeof policySourceModule;
  "policy/staging.js": typeof policyStagingModule;
  "policy/way_back.js": typeof policyWayBackModule;
  "sources/requests.js": typeof sourcesRequestsModule;
  "embedded/feed.js": typeof embeddedFeedModule;
  "findings/finding.js": typeof findingsFindingModule;
  "findings/held_actions.js": typeof findingsHeldModule;
  "findings/incidents.js": typeof findingsIncidentsModule;
  "findings/proposal.js": typeof findingsProposalModule;
  "findings/verdicts.js": typeof findingsVerdictsModule;
  "findings/findings.js": typeof findingsModule;
  "findings/notices.js": typeof findingsNoticesModule;
  "findings/own_notices.js": typeof ownNoticesModule;
  "guards/http.js": typeof guardsHttpModule;
  "guards/http_table.js": typeof guardsHttpTableModule;
  "mapping/call_mapping.js": typeof guardsMcpMappingModule;
  "guards/mcp/mirrored.js": typeof guardsMcpMirroredModule;
  "guards/mcp/oauth/login.js": typeof guardsMcpLoginModule;
  "guards/mcp/oauth/server_login.js": typeof guardsMcpServerLoginModule;
  "guards/mcp/origins.js": typeof guardsMcpOriginsModule;
  "guards/mcp/server_faults.js": typeof guardsMcpServerFaultsModule;
  "guards/mcp/server_values.js": typeof guardsMcpServerValuesModule;
  "guards/mcp/subscriptions.js": typeof guardsMcpSubscriptionsModule;
  "mapping/uri_pattern.js": typeof guardsMcpUriModule;
  "http/admission.js": typeof httpAdmissionModule;
  "http/body.js": typeof httpBodyModule;
  "http/event_streams.js": typeof httpEventStreamsModule;
  "http/findings_desk.js": typeof httpFindingsDeskModule;
  "http/fleet_findings.js": typeof httpFleetFindingsModule;
  "http/flights.js": typeof httpFlightsModule;
  "http/otlp_grpc.js": typeof httpOtlpGrpcModule;
  "http/rights.js": typeof httpRightsModule;
  "http/routes/notices.js": typeof httpRoutesNoticesModule;
  "http/routes/opa.js": typeof httpRoutesOpaModule;
  "http/routes/opa_reports.js": typeof httpRoutesOpaReportsModule;
  "http/share.js": typeof httpShareModule;
  "audit/publish/published_log.js": typeof auditPublishedModule;
  "console/server.js": typeof consoleServerModule;
  "console/sessions.js": typeof consoleSessionsModule;
  "console/slack.js": typeof consoleSlackModule;
  "findings/messages.js": typeof findingsMessagesModule;
  "system/config.js": typeof systemConfigModule;
  "system/places.js": typeof systemPlacesModule;
  "http/server.js": typeof httpServerModule;
  "identity/jwt.js": typeof identityJwtModule;
  "identity/remote.js": typeof identityRemoteModule;
  "identity/task_tokens.js": typeof identityTaskTokensModule;
  "policy/engine.js": typeof policyEngineModule;
  "policy/instance.js": typeof policyInstanceModule;
  "replay/page/html.js": typeof replayPageHtmlModule;
  "service.js": typeof serviceModule;
  "store/followers.js": typeof storeFollowersModule;
  "store/memory.js": typeof storeMemoryModule;
  "store/sqlite.js": typeof storeSqliteModule;
  "system/logger.js": typeof systemLoggerModule;
  "service/trust.js": typeof serviceTrustModule;
  "system/read_file.js": typeof systemReadFileModule;
  "service/adjustments.js": typeof serviceAdjustmentsModule;
  "service/descriptors.js": typeof serviceDescriptorsModule;
  "service/feed_bundles.js": typeof serviceFeedBundlesModule;
  "service/fleet.js": typeof serviceFleetModule;
  "service/followed_lessons.js": typeof serviceFollowedLessonsModule;
  "service/recorded_profile.js": typeof serviceRecordedProfileModule;
  "service/handed_in_records.js": typeof serviceHandedInModule;
  "service/tls.js": typeof serviceTlsModule;
}

/** The service's modules, as they are or with a control taken out. */
export type Tree = <K extends keyof Modules>(file: K) => Promise<Modules[K]>;

export interface Threat {
  /** The first thing that got through, in words; null where nothing did. What it throws fails every test. */
  check: (tree: Tree) => Promise<string | null>;
  /** Each way to take the control out. */
  without: Readonly<Record<string, readonly Edit[]>>;
  /** Milliseconds that each test may take. @default 120000 */
  ms_max?: number;
}

const COPIES = asset(".work");

/** The service's modules as they are. */
export function wholeTree(): Tree {
  return withEdits("", []);
}

/**
 * The service's modules with a control taken out.
 * @param folder for the modules that differ
 */
export function withEdits(folder: string, edits: readonly Edit[]): Tree {
  const copies = new Copies(folder, edits);
  return async <K extends keyof Modules>(file: K) => (await copies.load(file)) as Modules[K];
}

/** @param control in words, as the tests' title */
export function threat(id: ThreatId, control: string, { check, without, ms_max = 600_000 }: Threat): void {
  describe(`threat ${id}: ${control}`, function () {
    this.timeout(ms_max);
    let copies: string;
    before(() => {
      mkdirSync(COPIES, { recursive: true });
      copies = mkdtempSync(join(COPIES, "threat-"));
    });
    after(() => {
      rmSync(copies, { recursive: true, force: true });
    });

    it("lets nothing through", async () => {
      expect(await check(wholeTree())).to.equal(null);
    });

    for (const [index, [what, edits]] of Object.entries(without).entries()) {
      it(`lets something through without ${what}`, async () => {
        const tree = withEdits(join(copies, String(index)), edits);
        expect(await check(tree), "the check finds nothing although the control is out").to.be.a("string");
      });
    }
  });
}

/** The code of a problem or refusal, whichever tree's it is; other errors are thrown on. */
export function codeIn(error: unknown): string {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  throw error;
}

/** The code that a call ends in; "accepted" where it ends well. */
export async function codeOf(call: () => unknown): Promise<string> {
  try {
    await call();
    return "accepted";
  } catch (error) {
    return codeIn(error);
  }
}

/** Numbers from 0 to below `below`, the same ones for the same seed (mulberry32). */
export function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}
