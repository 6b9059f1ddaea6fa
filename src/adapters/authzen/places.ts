/** Places in a request, as the configuration names them: read, and named to the caller that wrote the request. */
import { pointerSteps, pointerToken, Problem } from "../../contract/index.js";
import type { Config } from "../../system/config.js";
import type { AuthzenQuestion } from "./read.js";

export type PlaceSource = NonNullable<NonNullable<Config["authzen"]>["purpose"]>;

export interface QuestionPlace {
  /** Undefined where nothing is there. */
  get: (question: AuthzenQuestion) => unknown;
  /** JSON pointer to where it is, or would be looked for first; null: no request says it. */
  at: (question: AuthzenQuestion) => string | null;
}

/** Places by the name that a decision has for them, such as an attribute. */
export type NamedPlaces = readonly (readonly [name: string, place: QuestionPlace])[];

/** Returns true if the place holds the subject's id when a request says no more of the subject than its id. */
export function isSubjectId(source: PlaceSource): boolean {
  if (Array.isArray(source)) return source.some(isSubjectId);
  return source === "subject.id" || source === "/subject/id";
}

export function placeOf(source: PlaceSource): QuestionPlace {
  if (Array.isArray(source)) return firstOf(source.map(placeOf));
  if (typeof source === "object") return { get: () => source.is, at: () => null };
  return below(source.startsWith("/") ? pointerSteps(source) : source.split("."));
}

function firstOf(places: readonly QuestionPlace[]): QuestionPlace {
  const found = (question: AuthzenQuestion): QuestionPlace | undefined => places.find(({ get }) => !isNothing(get(question)));
  return {
    get: (question) => found(question)?.get(question),
    at: (question) => (found(question) ?? places[0])?.at(question) ?? null,
  };
}

function below(steps: readonly string[]): QuestionPlace {
  const pointer = `/${steps.map(pointerToken).join("/")}`;
  return {
    get(question) {
      let value: unknown = question;
      for (const step of steps) {
        if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return undefined;
        value = (value as Record<string, unknown>)[step];
      }
      return value;
    },
    at: () => pointer,
  };
}

/** @param from where what isn't mapped is, under its own name; null: nowhere */
export function namedPlaces(
  fields: object,
  mapped: Readonly<Record<string, PlaceSource>> = {},
  from: readonly string[] | null,
): NamedPlaces {
  const names = new Set([...Object.keys(fields), ...Object.keys(mapped)]);
  return [...names].flatMap((name) => {
    const source = Object.hasOwn(mapped, name) ? mapped[name] : undefined;
    if (source !== undefined) return [[name, placeOf(source)] as const];
    return from === null ? [] : [[name, below([...from, name])] as const];
  });
}

export function valuesOf(named: NamedPlaces, question: AuthzenQuestion): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [name, { get }] of named) {
    const value = get(question);
    if (value !== undefined) values[name] = value;
  }
  return values;
}

/** @throws Problem `field_missing`, `field_type` */
export function textAt({ get, at }: QuestionPlace, question: AuthzenQuestion, what: string): string {
  const value = get(question);
  if (typeof value === "string") return value;
  const place = at(question);
  const field = place === null ? {} : { field: place };
  if (isNothing(value)) throw new Problem("field_missing", { ...field, expected: what });
  throw new Problem("field_type", { ...field, expected: `${what} as a string` });
}

/** @throws Problem `field_type` */
export function textIfAt(place: QuestionPlace, question: AuthzenQuestion, what: string): string | null {
  return isNothing(place.get(question)) ? null : textAt(place, question, what);
}

function isNothing(value: unknown): boolean {
  return value === undefined || value === null;
}
