/**
 * `opa.yaml`: documents that other products ask an OPA for, with inputs of their own: who acts in each, what it is in the words of a vocabulary, and
 * how the product wants to be answered. Entries are those of the MCP guard's `guard.yaml`. What isn't in it is refused.
 */
import { Type, type Static, type TProperties } from "../../contract/type.js";
import { NAME_PATTERN, type DecideRequest } from "../../contract/index.js";
import {
  MappingError,
  actionOf,
  isObject,
  readMapped,
  readSource,
  valueOf,
  type Mapped,
  type ArgumentOrigin,
} from "../../mapping/call_mapping.js";
import { CallRefusal } from "../../mapping/call_refusal.js";
import { readBytes } from "../../system/read_file.js";
import { schemas } from "../../system/schemas.js";
import { readYamlAs } from "../../system/yaml.js";

const RULES_MAX = 1000;

const section = <P extends TProperties>(properties: P, description: string) =>
  Type.Object(properties, { additionalProperties: false, description });
const source = (description: string) => Type.Unknown({ description });

const OpaMappingSchema = section(
  {
    documents: Type.Record(
      Type.String({ pattern: "^(?!remit(?:/|$))[A-Za-z0-9_.-]{1,128}(?:/[A-Za-z0-9_.-]{1,128}){0,15}$" }),
      section(
        {
          agent: source("Who acts: a place in the input, such as `context.identity.user`, or `{is: …}`"),
          purpose: source("What for"),
          task: Type.Optional(source("On which task; none if the input doesn't say it")),
          session: Type.Optional(source("In which session; none if the input doesn't say it")),
          ignore: Type.Array(Type.Unknown(), {
            default: [],
            maxItems: 256,
            description: "Places in every input of it that nothing is decided by; any other that isn't named is refused",
          }),
          result: Type.Unknown({
            default: "$allowed",
            description:
              "The answer: any JSON, with `$allowed`, `$decision_id`, `$tell` (a sentence for the agent) and `$input.<place>` for what stands there",
          }),
          rules: Type.Array(Type.Record(Type.String(), Type.Unknown()), {
            minItems: 1,
            maxItems: RULES_MAX,
            description:
              "What inputs are: perhaps `when` something stands in them, then an entry as of `guard.yaml`; the first that fits counts",
          }),
        },
        "A document",
      ),
      {
        additionalProperties: false,
        minProperties: 1,
        maxProperties: 256,
        description: "By the path below `/v1/data`, such as `trino/allow`",
      },
    ),
  },
  "opa.yaml",
);

type ReadOpaMapping = Static<typeof OpaMappingSchema>;
type ReadDocument = ReadOpaMapping["documents"][string];

const WhenSchema = Type.Record(Type.String({ minLength: 1, maxLength: 256 }), Type.Union([Type.String(), Type.Number(), Type.Boolean()]), {
  additionalProperties: false,
  minProperties: 1,
  maxProperties: 16,
});

const validate = schemas({ useDefaults: true }).compile<ReadOpaMapping>(OpaMappingSchema);
const validWhen = schemas().compile<Static<typeof WhenSchema>>(WhenSchema);

type ResultJson = string | number | boolean | null | readonly ResultJson[] | { readonly [name: string]: ResultJson };

/** Parts of an answer. */
export interface DocumentVerdict {
  allowed: boolean;
  decision_id: string;
  tell: string;
}

type DocumentRule = { when: readonly { from: readonly string[]; is: string | number | boolean }[] } & { mapped: Mapped };

type ResultPart = (verdict: DocumentVerdict, input: unknown) => ResultJson;

/** A document with inputs of a product's own. */
export class MappedDocument {
  readonly #who: Readonly<Record<"agent" | "purpose" | "task" | "session", ArgumentOrigin | null>>;
  readonly #rules: readonly DocumentRule[];
  readonly #result: ResultPart;
  /** Path of `$allowed` in the result. */
  readonly #allowedAt: readonly string[];

  /** @throws MappingError */
  constructor(given: ReadDocument) {
    const who = (name: "agent" | "purpose" | "task" | "session"): ArgumentOrigin | null =>
      given[name] === undefined ? null : readSource(given[name], [name]);
    this.#who = { agent: who("agent"), purpose: who("purpose"), task: who("task"), session: who("session") };
    const { purpose } = this.#who;
    if (purpose !== null && "is" in purpose && !new RegExp(NAME_PATTERN).test(String(purpose.is)))
      throw new MappingError(["purpose"], "must be a name of the vocabulary");
    const seen = Object.values(this.#who).flatMap((one) => (one !== null && "from" in one ? [one.from] : []));
    this.#rules = given.rules.map((rule, i) => ruleOf(rule, [...given.ignore, ...seen], i));
    const places: string[][] = [];
    this.#result = partOf(given.result, [], places);
    const [allowedAt] = places;
    if (allowedAt === undefined)
      throw new MappingError(["result"], "must have `$allowed` in it: else it would answer the same whatever is decided");
    this.#allowedAt = allowedAt;
  }

  /**
   * Returns the action that an input is.
   * @throws CallRefusal for what the mapping can't make an action of
   */
  actionOf(input: unknown): DecideRequest {
    if (!isObject(input)) throw new CallRefusal("arguments_invalid");
    const rule = this.#rules.find(({ when }) => when.every(({ from, is }) => valueOf({ from, as: "is" }, input) === is));
    if (rule === undefined) throw new CallRefusal("tool_unavailable");
    const [agent, purpose, task, session] = (["agent", "purpose", "task", "session"] as const).map((name) => this.#textOf(name, input));
    if (agent === undefined || purpose === undefined)
      throw new CallRefusal("argument_missing", { argument: agent === undefined ? "agent" : "purpose" });
    return {
      ...{ agent, purpose },
      ...(task !== undefined && { task }),
      ...(session !== undefined && { context: { session } }),
      ...actionOf(rule.mapped, input),
    };
  }

  /** Returns the answer, as JSON. */
  resultText(input: unknown, verdict: DocumentVerdict): string {
    return JSON.stringify(this.#result(verdict, input));
  }

  /** Returns true if a result, given by an OPA with a policy of its own, permits. */
  permits(result: unknown): boolean {
    let found = result;
    for (const step of this.#allowedAt) found = isObject(found) && Object.hasOwn(found, step) ? found[step] : undefined;
    return found === true;
  }

  #textOf(name: "agent" | "purpose" | "task" | "session", input: Readonly<Record<string, unknown>>): string | undefined {
    const from = this.#who[name];
    const value = from === null ? undefined : valueOf(from, input);
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "string")
      throw new CallRefusal("argument_invalid", { argument: from !== null && "from" in from ? from.from.join(".") : name });
    return value;
  }
}

/** @throws MappingError */
function ruleOf({ when, ...entry }: Readonly<Record<string, unknown>>, seen: readonly unknown[], i: number): DocumentRule {
  const at = (cause: unknown): unknown =>
    cause instanceof MappingError ? new MappingError(["rules", String(i), ...cause.path], cause.message) : cause;
  try {
    if (when !== undefined && !validWhen(when))
      throw new MappingError(["when"], "must be places in the input with a text, a number, true or false each");
    const conditions = Object.entries(when ?? {}).map(([path, is]) => ({ from: path.split("."), is }));
    if (conditions.some(({ from }) => from.includes(""))) throw new MappingError(["when"], "must be places in the input");
    const own: unknown = entry["ignore"];
    if (own !== undefined && !Array.isArray(own)) throw new MappingError(["ignore"], "must be a list of places");
    // What a rule is chosen by has been seen, and so has who acts.
    const ignore = [...((own ?? []) as unknown[]), ...seen, ...conditions.map(({ from }) => from)];
    return { when: conditions, mapped: readMapped({ ...entry, ignore }) };
  } catch (cause) {
    throw at(cause);
  }
}

/** @param places of `$allowed`, which are added to it @throws MappingError */
function partOf(given: unknown, at: readonly string[], places: string[][]): ResultPart {
  if (typeof given === "string" && given.startsWith("$")) {
    if (given === "$allowed") {
      places.push([...at]);
      return ({ allowed }) => allowed;
    }
    if (given === "$decision_id") return ({ decision_id }) => decision_id;
    if (given === "$tell") return ({ tell }) => tell;
    const path = given.startsWith("$input.") ? given.slice("$input.".length).split(".") : [];
    if (path.length === 0 || path.includes(""))
      throw new MappingError(["result", ...at], "known are `$allowed`, `$decision_id`, `$tell` and `$input.<place>`");
    return (_, input) => (isObject(input) ? ((valueOf({ from: path, as: "is" }, input) ?? null) as ResultJson) : null);
  }
  if (Array.isArray(given)) {
    const parts = given.map((one, i) => partOf(one, [...at, String(i)], places));
    return (verdict, input) => parts.map((part) => part(verdict, input));
  }
  if (isObject(given)) {
    const parts = Object.entries(given).map(([name, one]) => [name, partOf(one, [...at, name], places)] as const);
    return (verdict, input) => Object.fromEntries(parts.map(([name, part]) => [name, part(verdict, input)]));
  }
  return () => given as ResultJson;
}

export type OpaMapping = ReadonlyMap<string, MappedDocument>;

/** @throws YamlError naming the place */
export function readOpaMapping(file: string): OpaMapping {
  return parseOpaMapping(readBytes(file), file);
}

/** @param file the name that errors give @throws YamlError naming the place */
export function parseOpaMapping(text: string | Uint8Array, file: string): OpaMapping {
  const { value, errorAt } = readYamlAs<ReadOpaMapping>(text, file, validate);
  return new Map(
    Object.entries(value.documents).map(([path, given]) => {
      try {
        return [path, new MappedDocument(given)];
      } catch (cause) {
        if (cause instanceof MappingError) throw errorAt(["documents", path, ...cause.path], cause.message);
        throw cause;
      }
    }),
  );
}
