/** A task's plan, read once: which of its steps a call is, and which values a step has returned. */
import {
  PLAN_WRITERS,
  stepReference,
  WORKED_OUT,
  type PolicyInput,
  type StepReference,
  type TaskPlan,
  type ValueWriter,
} from "../contract/index.js";

/** Sources that a step expects of one argument. */
export interface PlannedSources {
  readonly writers: ReadonlySet<ValueWriter>;
  /** True: an amount, a day or a time may have been worked out, and what is looked up known from elsewhere. */
  readonly workedOut: boolean;
  /** One bit for each reference to a step. */
  readonly marks: number;
  /** The marks of references of which any value will do. */
  readonly any: number;
}

export interface PlannedStep {
  /** Place in the plan, from 0. */
  readonly call: number;
  /** Most times that it may be made; null: as often as it is needed. */
  readonly times: number | null;
  readonly name: string | null;
  readonly arguments: ReadonlyMap<string, PlannedSources>;
  readonly is: (request: PolicyInput["request"]) => boolean;
}

const read = new WeakMap<TaskPlan, ReadPlan>();

export class ReadPlan {
  readonly #steps: readonly PlannedStep[];
  /** Each reference to a step; its place is its bit. Null: a source that no step gives. */
  readonly #references: readonly (StepReference | null)[];

  private constructor(plan: TaskPlan) {
    const sources = new Set(plan.flatMap(({ arguments: given = {} }) => Object.values(given).flat()));
    // Nodes of a cluster share marks, also with ones of earlier versions: each source has a bit of its own, in this order.
    const isWriter = (source: string): source is ValueWriter => (PLAN_WRITERS as readonly string[]).includes(source);
    const marks = new Map([...sources].filter((source) => !isWriter(source)).map((source, i) => [source, 1 << i]));
    this.#references = [...marks.keys()].map(stepReference);
    const marksOf = (from: readonly string[]): number => from.reduce((bits, source) => bits | (marks.get(source) ?? 0), 0);
    // A plan of before there was such a source may have a step of that name.
    const mayWorkOut = plan.every(({ step }) => step !== WORKED_OUT);
    this.#steps = plan.map(({ step, verb, type, id, times = null, arguments: given = {} }, call) => ({
      ...{ call, times },
      name: step ?? null,
      arguments: new Map(
        Object.entries(given).map(([name, from]) => {
          const any = marksOf(from.filter((source) => stepReference(source)?.any));
          return [
            name,
            { writers: new Set(from.filter(isWriter)), workedOut: mayWorkOut && from.includes(WORKED_OUT), marks: marksOf(from), any },
          ];
        }),
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
    for (const [i, reference] of this.#references.entries()) {
      if (reference === null || !steps.includes(reference.step)) continue;
      if (reference.field === null || reference.field === bare || reference.field === last) marks |= 1 << i;
    }
    return marks;
  }
}
