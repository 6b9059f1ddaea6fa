/**
 * Questions that the nodes of a cluster ask one another and answer: records, findings, outcomes and receipts of decisions that only one of
 * them has made, what is to be learned from its records, and what a stage has come to.
 */
import type { Adjustments } from "../behavior/adjustments.js";
import type { FindingNews } from "../contract/index.js";
import type { OutcomeReports } from "../decision/outcomes.js";
import type { OwnNotices } from "../findings/own_notices.js";
import { answering } from "../http/asked_nodes.js";
import type { FindingsFilter } from "../findings/findings.js";
import type { BundlesPort, HttpDeps } from "../http/deps.js";
import { OwnFindings } from "../http/findings_desk.js";
import { FINDINGS, FleetFindings } from "../http/fleet_findings.js";
import { FleetOutcomes, REPORT } from "../http/fleet_outcomes.js";
import { FleetRecords, RECEIPT } from "../http/fleet_records.js";
import { FleetStage, STAGE } from "../http/fleet_stage.js";
import type { FindingsRoom } from "../http/rooms.js";
import { receiptOf } from "../http/routes/receipts.js";
import { FOLLOW, StreamQuestions } from "../http/stream_questions.js";
import type { System } from "../system/index.js";
import { report } from "../system/log_events.js";
import type { Logger } from "../system/logger.js";
import type { ClusterNode } from "./cluster.js";
import { FollowedLessons, LESSONS } from "./followed_lessons.js";
import type { ServiceProfile, SharedProfile } from "./profile.js";

/** @param node null for a service that decides alone, which asks nobody */
export function wireFleet(
  node: ClusterNode | null,
  own: Pick<HttpDeps, "search" | "log" | "logKeys" | "timers"> & {
    outcomes: OutcomeReports;
    findings: FindingsRoom;
    bundles: BundlesPort;
    /** Null if nothing is learned here. */
    profile: SharedProfile | null;
  },
): Pick<HttpDeps, "fleet" | "fleetStage" | "outcomes" | "desk" | "following"> {
  const desk = new OwnFindings(own.findings);
  if (node === null) return { outcomes: own.outcomes, desk };
  const { asked } = node;
  const fleet = new FleetRecords(own.search, asked);
  const outcomes = new FleetOutcomes(own.outcomes, asked);
  const findings = new FleetFindings(desk, asked);
  const streams = new StreamQuestions({ ...own, findings: own.findings.findings, node: node.name });
  const stage = new FleetStage(own.bundles, () => node.bundles.named?.staged?.digest ?? null, asked);
  // From the start on: what was learned before somebody asks is given from memory too.
  const lessons = own.profile?.lessons();
  node.serve(
    answering(
      {
        [REPORT]: (question) => outcomes.answer(question),
        [FINDINGS]: (question) => findings.answer(question),
        [FOLLOW]: (question) => streams.answer(question),
        [RECEIPT]: async (id) => {
          const receipt = await receiptOf(own, id);
          return receipt && JSON.stringify(receipt);
        },
        [STAGE]: (digest) => Promise.resolve(stage.answer(digest)),
        [LESSONS]: async (after) => (lessons === undefined ? null : JSON.stringify(await lessons.after(Number(after)))),
      },
      (question) => fleet.answer(question),
    ),
  );
  const following = {
    nodes: asked,
    own: (question: string) => streams.answer(question),
    wholeNews: (news: readonly FindingNews[], filter: FindingsFilter) => findings.wholeNews(news, filter),
  };
  return { fleet, fleetStage: stage, outcomes, desk: findings, following };
}

/** Begins to learn what the other nodes decide. Returns null if there are none, or if nothing is learned. */
export function followLessons(
  node: ClusterNode | null,
  profile: SharedProfile | null,
  adjustments: Pick<Adjustments, "settled">,
  system: System,
  logger: Logger,
): FollowedLessons | null {
  if (node === null || profile === null) return null;
  return new FollowedLessons({
    nodes: node.asked,
    profile,
    system,
    isHome: (agent) => node.isHome(agent),
    isCurrent: () => node.holdsLease,
    settled: (act, assessed, outcome) => {
      adjustments.settled(act, assessed, { decision: outcome === "log" ? "allow" : outcome });
    },
    unread: (nodes) => {
      if (nodes.length === 0) report(logger, "lessons_followed", {});
      else report(logger, "lessons_unread", { nodes });
    },
  });
}

/**
 * Has what several agents of a group have in common opened as a finding, by one of all nodes that have learned it: the group's home.
 * @param node null for a service that decides alone
 */
export function noteShared(
  profile: Pick<ServiceProfile, "whenShared">,
  node: Pick<ClusterNode, "isHome"> | null,
  notices: Pick<OwnNotices, "shared">,
): void {
  profile.whenShared((shared) => {
    if (node?.isHome(shared.value) !== false) notices.shared(shared);
  });
}

/**
 * Returns whether this process may let an agent back: of several nodes its home alone, and only if it knows what all have decided. A node
 * that learns nothing would take every agent for calm.
 * @param node null for a service that decides alone
 * @param followed null if nothing is learned of other nodes
 */
export function mayRestore(
  node: Pick<ClusterNode, "isHome"> | null,
  followed: Pick<FollowedLessons, "isBehind"> | null,
  agent: string,
): boolean {
  return node === null || (node.isHome(agent) && followed?.isBehind === false);
}
