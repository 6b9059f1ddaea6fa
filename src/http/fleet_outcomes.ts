/** Outcomes of decisions in a cluster. Any node takes a report; the node that decided records it. */
import { Problem, ReportOutcome, type OutcomeAnswer } from "../contract/index.js";
import type { OutcomeReports } from "../decision/outcomes.js";
import { schemas } from "../system/schemas.js";
import { answerIn, isFound, mayBeElsewhere, othersOf, replyOf, type AskedNodes, type NodeReply } from "./asked_nodes.js";

interface Report {
  id: string;
  caller: string;
  asked: ReportOutcome;
}

/** Begins a question that reports an outcome. */
export const REPORT = "outcome ";
const isReport = schemas().compile<ReportOutcome>(ReportOutcome);

export class FleetOutcomes {
  readonly #own: Pick<OutcomeReports, "report">;
  readonly #nodes: AskedNodes;

  constructor(own: Pick<OutcomeReports, "report">, nodes: AskedNodes) {
    this.#own = own;
    this.#nodes = nodes;
  }

  /** Records an outcome as `OutcomeReports.report` does. @throws Problem of that, and `index_unavailable` if the node that decided may be one that doesn't answer */
  async report(id: string, caller: string, asked: ReportOutcome): Promise<OutcomeAnswer> {
    const own = await this.#reported({ id, caller, asked });
    if (own !== null) return answerIn(own);
    const question = REPORT + JSON.stringify({ id, caller, asked } satisfies Report);
    const { answers, missing } = await this.#nodes.ask(question, othersOf(this.#nodes), isFound);
    for (const text of answers.values()) if (text !== null) return answerIn(JSON.parse(text) as NodeReply<OutcomeAnswer>);
    throw new Problem(mayBeElsewhere(missing, this.#nodes) ? "index_unavailable" : "decision_not_found");
  }

  /** Records what another node was told of a decision of this one. @param question what stands behind `REPORT` @returns JSON; null if it isn't of this one */
  async answer(question: string): Promise<string | null> {
    const { id, caller, asked } = JSON.parse(question) as Partial<Report>;
    if (typeof id !== "string" || typeof caller !== "string" || !isReport(asked)) return null;
    const told = await this.#reported({ id, caller, asked });
    return told && JSON.stringify(told);
  }

  #reported({ id, caller, asked }: Report): Promise<NodeReply<OutcomeAnswer> | null> {
    return replyOf(() => this.#own.report(id, caller, asked), "decision_not_found");
  }
}
