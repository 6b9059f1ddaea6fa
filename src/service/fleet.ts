/**
 * Questions that the nodes of a cluster ask one another and answer: records, findings, outcomes and receipts of decisions that only one of
 * them has made.
 */
import type { OutcomeReports } from "../decision/outcomes.js";
import { answering } from "../http/asked_nodes.js";
import type { HttpDeps } from "../http/deps.js";
import { OwnFindings } from "../http/findings_desk.js";
import { FINDINGS, FleetFindings } from "../http/fleet_findings.js";
import { FleetOutcomes, REPORT } from "../http/fleet_outcomes.js";
import { FleetRecords, RECEIPT } from "../http/fleet_records.js";
import type { FindingsRoom } from "../http/rooms.js";
import { receiptOf } from "../http/routes/receipts.js";
import { FOLLOW, StreamQuestions } from "../http/stream_questions.js";
import type { ClusterNode } from "./cluster.js";

/** @param node null for a service that decides alone, which asks nobody */
export function wireFleet(
  node: ClusterNode | null,
  own: Pick<HttpDeps, "search" | "log" | "logKeys" | "timers"> & { outcomes: OutcomeReports; findings: FindingsRoom },
): Pick<HttpDeps, "fleet" | "outcomes" | "desk" | "following"> {
  const desk = new OwnFindings(own.findings);
  if (node === null) return { outcomes: own.outcomes, desk };
  const { asked } = node;
  const fleet = new FleetRecords(own.search, asked);
  const outcomes = new FleetOutcomes(own.outcomes, asked);
  const findings = new FleetFindings(desk, asked);
  const streams = new StreamQuestions({ ...own, findings: own.findings.findings, node: node.name });
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
      },
      (question) => fleet.answer(question),
    ),
  );
  return { fleet, outcomes, desk: findings, following: { nodes: asked, own: (question) => streams.answer(question) } };
}
