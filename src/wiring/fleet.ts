/** Questions that the nodes of a cluster ask one another and answer: records, outcomes and receipts of decisions that only one of them has made. */
import type { OutcomeReports } from "../decision/outcomes.js";
import type { HttpDeps } from "../http/deps.js";
import { FleetOutcomes, answering } from "../http/fleet_outcomes.js";
import { FleetRecords } from "../http/fleet_records.js";
import { receiptOf } from "../http/routes/receipts.js";
import type { ClusterNode } from "./cluster.js";

/** @param node null for a service that decides alone, which asks nobody */
export function wireFleet(
  node: ClusterNode | null,
  own: Pick<HttpDeps, "search" | "log" | "logKeys"> & { outcomes: OutcomeReports },
): Pick<HttpDeps, "fleet" | "outcomes"> {
  if (node === null) return { outcomes: own.outcomes };
  const fleet = new FleetRecords(own.search, node);
  const outcomes = new FleetOutcomes(own.outcomes, node);
  node.serve(answering(fleet, outcomes, (id) => receiptOf(own, id)));
  return { fleet, outcomes };
}
