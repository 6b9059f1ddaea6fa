/** A task's plan, read once: which of its steps a call is, and which values a step has returned. */
import { stepReference, type PolicyInput, type StepReference, type TaskPlan, type ValueWriter } from "../contract/index.js";

/** Sources that a step expects of one argument. */
export interface PlannedSources {
  readonly writers: ReadonlySet<string>;
  /** One bit for each reference to a step. */
  readonly marks: number;
}

export interface PlannedStep {
  readonly name: string | null;
  readonly arguments: ReadonlyMap<string, PlannedSources>;
  readonly is: (request: PolicyInput["request"]) => boolean;
}

const read = new WeakMap<TaskPlan, ReadPlan>();

export class ReadPlan {
  readonly #steps: readonly PlannedStep[];
  /** Each reference to a step; its place is its bit. */
  readonly #references: readonly StepReference[];

  private constructor(plan: TaskPlan) {
    const sources = new Set(plan.flatMap(({ arguments: given = {} }) => Object.values(given).flat()));
    const marks = new Map([...sources].filter((source) => stepReference(source) !== null).map((source, i) => [source, 1 << i]));
    this.#references = [...marks.keys()].map((source) => stepReference(source) ?? { step: source, field: null });
    this.#steps = plan.map(({ step, verb, type, id, arguments: given = {} }) => ({
      name: step ?? null,
      arguments: new Map(
        Object.entries(given).map(([name, from]) => [
          name,
          {
            writers: new Set(from.filter((source) => !marks.has(source)) as ValueWriter[]),
            marks: from.reduce((bits, source) => bits | (marks.get(source) ?? 0), 0),
          },
        ]),
      ),
      is: ({ verb: asked, resource }) => asked === verb && resource.type === type && (id === undefined || resource.id === id),
    }));
  }

  static of(plan: TaskPlan): ReadPlan {
    let known = read.get(plan);
    if (known === undefined) read.set(plan, (known = new ReadPlan(plan)));
    return known;
  }

  stepsFor(request: PolicyInput["request"]): PlannedStep[] {
    return this.#steps.filter((step) => step.is(request));
  }

  /**
   * Returns the marks of a value that these steps returned.
   * @param path place within the answer, such as `messages[].sender`
   */
  marksAt(steps: readonly string[], path: string): number {
    const bare = path.replaceAll(/\[\]|\{\}/g, "");
    const last = bare.slice(bare.lastIndexOf(".") + 1);
    let marks = 0;
    for (const [i, { step, field }] of this.#references.entries())
      if (steps.includes(step) && (field === null || field === bare || field === last)) marks |= 1 << i;
    return marks;
  }
}
