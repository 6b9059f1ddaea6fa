/** Outcomes of decisions in a cluster. Any node takes a report; the node that decided records it. */
import { Problem, ReportOutcome, type OutcomeAnswer, type ProblemCode, type ProblemDetail } from "../contract/index.js";
import type { OutcomeReports } from "../decision/outcomes.js";
import { schemas } from "../system/schemas.js";
import { RECEIPT, isFound, othersOf, type AskedNodes, type FleetRecords } from "./fleet_records.js";

interface Report {
  id: string;
  caller: string;
  asked: ReportOutcome;
}

type OutcomeOrProblem = { answer: OutcomeAnswer } | { code: ProblemCode; detail: ProblemDetail };

/** Begins a question that reports an outcome; any other is of records. */
const REPORT = "outcome ";
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
    if (own !== null) return answerOf(own);
    const question = REPORT + JSON.stringify({ id, caller, asked } satisfies Report);
    const { answers, missing } = await this.#nodes.ask(question, othersOf(this.#nodes), isFound);
    for (const text of answers.values()) if (text !== null) return answerOf(JSON.parse(text) as OutcomeOrProblem);
    throw new Problem(missing.length > 0 ? "index_unavailable" : "decision_not_found");
  }

  /** Records what another node was told of a decision of this one. @returns JSON; null if it isn't of this one */
  async answer(question: string): Promise<string | null> {
    const { id, caller, asked } = JSON.parse(question.slice(REPORT.length)) as Partial<Report>;
    if (typeof id !== "string" || typeof caller !== "string" || !isReport(asked)) return null;
    const told = await this.#reported({ id, caller, asked });
    return told && JSON.stringify(told);
  }

  async #reported({ id, caller, asked }: Report): Promise<OutcomeOrProblem | null> {
    try {
      return { answer: await this.#own.report(id, caller, asked) };
    } catch (cause) {
      if (!(cause instanceof Problem)) throw cause;
      return cause.code === "decision_not_found" ? null : { code: cause.code, detail: cause.detail };
    }
  }
}

/** Answers what other nodes ask of this one. */
export function answering(
  records: FleetRecords,
  outcomes: FleetOutcomes,
  receiptOf: (id: string) => Promise<object | null>,
): (question: string) => Promise<string | null> {
  return async (question) => {
    if (question.startsWith(REPORT)) return outcomes.answer(question);
    if (!question.startsWith(RECEIPT)) return records.answer(question);
    const receipt = await receiptOf(question.slice(RECEIPT.length));
    return receipt && JSON.stringify(receipt);
  };
}

function answerOf(told: OutcomeOrProblem): OutcomeAnswer {
  if ("code" in told) throw new Problem(told.code, told.detail);
  return told.answer;
}
