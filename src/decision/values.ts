/**
 * The request's values against the vocabulary: checked, and filled so that every field the vocabulary names is present,
 * null where unknown. Each type's reader is put together once, when a bundle is activated.
 */
import {
  EMAIL_PATTERN,
  ID_LENGTH_MAX,
  Problem,
  durationMs,
  isCanonicalId,
  isCanonicalPath,
  momentMs,
  pointerToken,
  type Fields,
  type ResourceType,
  type Value,
  type ValueType,
  type Values,
  type VerbSpec,
  type Vocabulary,
} from "../contract/index.js";

/** `field` is the JSON pointer of the value being read. */
type ReadValue = (value: unknown, field: string) => Value;
export type ReadFields = (values: unknown, field: string) => Values;

export interface TypeReader {
  spec: ResourceType;
  attributes: ReadFields;
  arguments: ReadFields;
  /** Role → the type it must have. */
  related: ReadonlyMap<string, string>;
  checkId(id: string, field: string): void;
}

/** A vocabulary made ready to read requests by. Maps, since the names looked up in them come from the wire. */
export interface VocabularyReader {
  verbs: ReadonlyMap<string, VerbSpec>;
  types: ReadonlyMap<string, TypeReader>;
  subjects: readonly string[];
  /** Reads attributes of facts: what no longer fits the vocabulary is unknown, since a bundle may be newer than the facts. */
  task: (attributes: Readonly<Values>) => Values;
  agent: (attributes: Readonly<Values>) => Values;
}

export function vocabularyReader(vocabulary: Vocabulary): VocabularyReader {
  const types = Object.entries(vocabulary.types).map(([name, spec]): [string, TypeReader] => [
    name,
    {
      spec,
      attributes: fieldsReader(spec.attributes),
      arguments: fieldsReader(spec.arguments),
      related: new Map(inKeyOrder(spec.related)),
      checkId: spec.id === "path" ? checkPath : checkId,
    },
  ]);
  return {
    verbs: new Map(Object.entries(vocabulary.verbs)),
    types: new Map(types),
    subjects: [...vocabulary.task.subjects].sort(),
    task: fittingFields(vocabulary.task.attributes),
    agent: fittingFields(vocabulary.agent.attributes),
  };
}

export function checkId(id: string, field: string): void {
  if (!isCanonicalId(id)) throw new Problem("identifier_not_canonical", { field, expected: "a canonical identifier" });
}

function checkPath(id: string, field: string): void {
  checkId(id, field);
  if (!isCanonicalPath(id)) throw new Problem("path_not_canonical", { field, expected: "`/`-separated plain segments" });
}

/**
 * Reads an object with these fields and no others; a field left out is null.
 * @throws Problem `field_unknown`, `field_type`, `field_invalid`, `identifier_not_canonical`
 */
export function fieldsReader(fields: Fields): ReadFields {
  const readers = inKeyOrder(fields).map(([name, type]) => ({ name, read: valueReader(type) }));
  const known = new Set(Object.keys(fields));
  return (values, field) => {
    const filled: Values = {};
    if (values === undefined || values === null) {
      for (const { name } of readers) filled[name] = null;
      return filled;
    }
    if (typeof values !== "object" || Array.isArray(values)) {
      throw new Problem("field_type", { field, expected: "an object" });
    }
    const given = values as Record<string, unknown>;
    for (const name of Object.keys(given)) {
      if (!known.has(name)) {
        const expected = known.size === 0 ? "no fields" : `one of ${[...known].join(", ")}`;
        throw new Problem("field_unknown", { field: `${field}/${pointerToken(name)}`, expected });
      }
    }
    for (const { name, read } of readers) {
      // A vocabulary may call a field `constructor`: only what the request itself holds counts.
      filled[name] = Object.hasOwn(given, name) ? read(given[name], `${field}/${name}`) : null;
    }
    return filled;
  };
}

/** Returns the members in the order of their keys. What is read in this order is written in it too: a record is canonical (RFC 8785). */
function inKeyOrder<T>(record: Record<string, T>): [string, T][] {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
}

function fittingFields(fields: Fields): (values: Readonly<Values>) => Values {
  const readers = inKeyOrder(fields).map(([name, type]) => ({ name, read: valueReader(type) }));
  return (values) => {
    const filled: Values = {};
    for (const { name, read } of readers) {
      try {
        filled[name] = Object.hasOwn(values, name) ? read(values[name], name) : null;
      } catch (cause) {
        if (!(cause instanceof Problem)) throw cause;
        filled[name] = null;
      }
    }
    return filled;
  };
}

const EMAIL = new RegExp(EMAIL_PATTERN);

function valueReader(type: ValueType): ReadValue {
  const read = presentReader(type);
  return (value, field) => (value === null ? null : read(value, field));
}

function presentReader(type: ValueType): ReadValue {
  switch (type.kind) {
    case "id":
      return (value, field) => {
        const id = text(value, field);
        if (id.length === 0 || id.length > ID_LENGTH_MAX) throw invalid(field, `1 to ${ID_LENGTH_MAX} characters`);
        checkId(id, field);
        return id;
      };
    case "email":
      return (value, field) => {
        const email = text(value, field);
        if (!EMAIL.test(email)) throw invalid(field, "an e-mail address");
        checkId(email, field);
        return email;
      };
    case "date":
      return (value, field) => {
        const date = text(value, field);
        if (date.length !== 10 || momentMs(date) === null) throw invalid(field, "a date such as 2026-03-01");
        return date;
      };
    case "time":
      return (value, field) => {
        const time = text(value, field);
        if (time.length === 10 || momentMs(time) === null) throw invalid(field, "a time in UTC such as 2026-03-01T09:30:00Z");
        return time;
      };
    case "duration":
      return (value, field) => {
        const duration = text(value, field);
        if (durationMs(duration) === null) throw invalid(field, "a duration such as 90s, 36h or 30d");
        return duration;
      };
    case "string":
      return (value, field) => {
        const string = text(value, field);
        if (string.length > type.max) throw invalid(field, `at most ${type.max} characters`);
        return string;
      };
    case "enum": {
      const values = new Set(type.values);
      return (value, field) => {
        const word = text(value, field);
        if (!values.has(word)) throw invalid(field, `one of ${type.values.join(", ")}`);
        return word;
      };
    }
    case "integer":
      return (value, field) => {
        if (!Number.isSafeInteger(value)) throw wrongType(field, "an integer within ±(2^53 - 1)");
        return value as number;
      };
    case "number":
      return (value, field) => {
        if (!Number.isFinite(value)) throw wrongType(field, "a number");
        return value as number;
      };
    case "boolean":
      return (value, field) => {
        if (typeof value !== "boolean") throw wrongType(field, "true or false");
        return value;
      };
    case "list": {
      const read = presentReader(type.of);
      return (value, field) => {
        if (!Array.isArray(value)) throw wrongType(field, "a list");
        if (value.length > type.max) throw invalid(field, `at most ${type.max} elements`);
        return value.map((element, i) => read(element, `${field}/${i}`));
      };
    }
    case "object": {
      const read = fieldsReader(type.fields);
      return (value, field) => {
        if (value === null) throw wrongType(field, "an object");
        return read(value, field);
      };
    }
  }
}

function text(value: unknown, field: string): string {
  if (typeof value !== "string") throw wrongType(field, "a string");
  return value;
}

function wrongType(field: string, expected: string): Problem {
  return new Problem("field_type", { field, expected });
}

function invalid(field: string, expected: string): Problem {
  return new Problem("field_invalid", { field, expected });
}
