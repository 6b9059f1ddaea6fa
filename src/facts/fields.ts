/** Checks of what the vocabulary names. */
import { SUBJECT_IDS_MAX, fieldsSchema, type Fields, type Vocabulary } from "../contract/index.js";
import { schemas, type Validator } from "../system/schemas.js";
import { checkCanonical, refuse } from "./problems.js";

const NAMED_MAX = 24;

/** `a, b, c`, as far as it helps. */
export function named(words: Iterable<string>): string {
  const all = [...words];
  if (all.length === 0) return "there are none";
  return all.length > NAMED_MAX ? `${all.slice(0, NAMED_MAX).join(", ")}, …` : all.join(", ");
}

/** @throws Problem `fact_invalid`, `identifier_not_canonical` */
export function checkSubjects(vocabulary: Vocabulary, subjects: Record<string, readonly string[]>): void {
  for (const [type, ids] of Object.entries(subjects)) {
    if (!vocabulary.task.subjects.includes(type)) {
      refuse(`/subjects/${type}`, `a subject type of the vocabulary: ${named(vocabulary.task.subjects)}`);
    }
    if (ids.length > SUBJECT_IDS_MAX) refuse(`/subjects/${type}`, `at most ${SUBJECT_IDS_MAX} ids of a type`);
    for (const id of ids) checkCanonical(id, `/subjects/${type}`);
  }
}

const ajv = schemas();
const validators = new WeakMap<Fields, Validator>();

/** @throws Problem `fact_invalid` */
export function checkAttributes(fields: Fields, attributes: Record<string, unknown>): void {
  let valid = validators.get(fields);
  if (valid === undefined) validators.set(fields, (valid = ajv.compile(fieldsSchema(fields))));
  if (valid(attributes)) return;
  const [error] = valid.errors ?? [];
  const unknown = error?.keyword === "additionalProperties";
  const params = (error?.params ?? {}) as { allowedValues?: unknown[] };
  const words = params.allowedValues?.map(String) ?? (unknown ? Object.keys(fields) : null);
  const expected = words === null ? error?.message : `one of the vocabulary's: ${named(words)}`;
  const name = unknown ? `/${String((error.params as Record<string, unknown>)["additionalProperty"])}` : "";
  refuse(`/attributes${error?.instancePath ?? ""}${name}`, expected ?? "what the vocabulary says of it");
}
