/** A task's plan, read once: which of its steps a call is, and which values a step has returned. */
import { stepReference, type PolicyInput, type StepReference, type TaskPlan, type ValueWriter } from "../contract/index.js";

/** Sources that a step expects of one argument. */
export interface PlannedSources {
  readonly writers: ReadonlySet<string>;
  /** One bit for each place that a step returns values at. */
  readonly marks: number;
  /** The marks of places where any value will do. */
  readonly any: number;
}

export interface PlannedStep {
  readonly name: string | null;
  readonly arguments: ReadonlyMap<string, PlannedSources>;
  readonly is: (request: PolicyInput["request"]) => boolean;
}

const read = new WeakMap<TaskPlan, ReadPlan>();

export class ReadPlan {
  readonly #steps: readonly PlannedStep[];
  /** Each place that a step returns values at, as a source without `[]`; its number is its bit. */
  readonly #places: readonly StepReference[];

  private constructor(plan: TaskPlan) {
    const sources = new Set(plan.flatMap(({ arguments: given = {} }) => Object.values(given).flat()));
    const references = [...sources].flatMap((source) => stepReference(source) ?? []);
    const places = new Map(references.map((reference) => [placeOf(reference), reference]));
    this.#places = [...places.values()];
    const bits = new Map([...places.keys()].map((place, i) => [place, 1 << i]));
    const marksOf = (from: readonly StepReference[]): number => from.reduce((all, one) => all | (bits.get(placeOf(one)) ?? 0), 0);
    this.#steps = plan.map(({ step, verb, type, id, arguments: given = {} }) => ({
      name: step ?? null,
      arguments: new Map(
        Object.entries(given).map(([name, from]) => {
          const steps = from.flatMap((source) => stepReference(source) ?? []);
          const writers = new Set(from.filter((source) => stepReference(source) === null) as ValueWriter[]);
          return [name, { writers, marks: marksOf(steps), any: marksOf(steps.filter(({ any }) => any)) }];
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
    for (const [i, { step, field }] of this.#places.entries())
      if (steps.includes(step) && (field === null || field === bare || field === last)) marks |= 1 << i;
    return marks;
  }
}

function placeOf({ step, field }: StepReference): string {
  return field === null ? step : `${step}.${field}`;
}
