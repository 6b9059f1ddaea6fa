/** Requests made up from a bundle's own vocabulary and purposes, to try a policy before it decides for anyone. */
import {
  BEHAVIOR_CHANNELS,
  NOTHING_ODD,
  ROLES,
  type Assessment,
  type Fields,
  type InputResource,
  type PolicyInput,
  type Purpose,
  type Value,
  type ValueType,
  type Values,
  type Vocabulary,
} from "../contract/index.js";

/**
 * Inputs (JSON text) for the (purpose, type, verb) triples that entries name, and for one that none does, at most `max`;
 * each once with every value known and once with none.
 * @param nowMs milliseconds since the epoch, for `facts.time`
 */
export function rehearsalInputs(vocabulary: Vocabulary, purposes: ReadonlyMap<string, Purpose>, nowMs: number, max: number): string[] {
  const inputs: string[] = [];
  for (const action of actions(vocabulary, purposes)) {
    for (const known of [true, false]) {
      if (inputs.length === max) return inputs;
      inputs.push(JSON.stringify(input(vocabulary, action, known, nowMs)));
    }
  }
  return inputs;
}

const AS_ODD_AS_CAN_BE: Assessment = {
  channels: Object.fromEntries(BEHAVIOR_CHANNELS.map((channel) => [channel, 9])),
  confidence: 1,
  reasons: ["rehearsal"],
  risk: 100,
};

interface Action {
  purpose: string;
  type: string;
  verb: string;
}

function* actions(vocabulary: Vocabulary, purposes: ReadonlyMap<string, Purpose>): Generator<Action> {
  // One of each purpose first, so that a bound leaves no purpose out.
  for (const purpose of purposes.keys()) {
    for (const type of Object.keys(vocabulary.types).slice(0, 1)) {
      for (const verb of Object.keys(vocabulary.verbs).slice(0, 1)) yield { purpose, type, verb };
    }
  }
  for (const [purpose, { allow, flag, never }] of purposes) {
    for (const entries of [allow, flag, never]) {
      for (const [type, verbs] of Object.entries(entries)) {
        for (const verb of Object.keys(verbs)) yield { purpose, type, verb };
      }
    }
  }
}

function input(vocabulary: Vocabulary, { purpose, type, verb }: Action, known: boolean, nowMs: number): PolicyInput {
  const { arguments: fields = {}, related = {} } = vocabulary.types[type] ?? {};
  const id = vocabulary.verbs[verb]?.collection === true ? null : "rehearsal";
  return {
    request: {
      agent: "rehearsal",
      purpose,
      task: "rehearsal",
      verb,
      resource: resource(vocabulary, type, id, known),
      related: Object.fromEntries(Object.entries(related).map(([role, of]) => [role, resource(vocabulary, of, "rehearsal", known)])),
      arguments: values(fields, known),
      context: { session: null, source: null, trace: null },
    },
    facts: {
      time: { ms: nowMs, claim_ms: null },
      caller: { id: "rehearsal" },
      principal: known ? "rehearsal" : null,
      agent: {
        id: "rehearsal",
        version: "1",
        owner: "rehearsal",
        attributes: values(vocabulary.agent.attributes, known),
      },
      task: {
        id: "rehearsal",
        subjects: Object.fromEntries(vocabulary.task.subjects.map((name) => [name, known ? ["rehearsal"] : null])),
        attributes: values(vocabulary.task.attributes, known),
        depth: 0,
        root: "rehearsal",
      },
      grants: [],
      behavior: known ? AS_ODD_AS_CAN_BE : NOTHING_ODD,
      flow: known && vocabulary.flow !== undefined ? FLOW : null,
    },
  };
}

/** A task that has read a stranger's word, and an action that has one value of each role. */
const FLOW: PolicyInput["facts"]["flow"] = {
  effect: "commit",
  complete: true,
  instructed: true,
  others: true,
  full: [],
  labels: ["rehearsal"],
  limits: {},
  arguments: Object.fromEntries(
    ROLES.map((role) => [
      role,
      {
        ...{ role, kind: "name", writer: "anyone", introduced: "anyone", inside: false, excluded: false, secret: true },
        sources: [{ writer: "anyone", record: null, path: "rehearsal", named: true, alone: true }],
      },
    ]),
  ),
};

function resource(vocabulary: Vocabulary, type: string, id: string | null, known: boolean): InputResource {
  return { type, id, attributes: values(vocabulary.types[type]?.attributes ?? {}, known) };
}

function values(fields: Fields, known: boolean): Values {
  return Object.fromEntries(Object.entries(fields).map(([name, type]) => [name, known ? value(type) : null]));
}

function value(type: ValueType): Value {
  switch (type.kind) {
    case "id":
      return "rehearsal";
    case "email":
      return "rehearsal@example.com";
    case "date":
      return "2026-03-01";
    case "time":
      return "2026-03-01T09:30:00Z";
    case "duration":
      return "36h";
    case "string":
      return "";
    case "integer":
    case "number":
      return 1;
    case "boolean":
      return true;
    case "enum":
      return type.values[0] ?? "";
    case "list":
      return [value(type.of)];
    case "object":
      return values(type.fields, true);
  }
}
