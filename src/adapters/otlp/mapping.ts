/**
 * `otel.yaml`: whose agents traces tell of, and what a tool's call, a prompt, a resource or another operation is in the words of
 * a vocabulary. Entries are those of the MCP guard's `guard.yaml`, so that one can be copied to the other.
 */
import { Type, type Static, type TProperties } from "../../contract/type.js";
import { NAME_PATTERN } from "../../contract/index.js";
import { MappingError, readMapped, type Mapped } from "../../mapping/call_mapping.js";
import { UriPattern } from "../../mapping/uri_pattern.js";
import { nearestWord } from "../../contract/nearest.js";
import { readBytes } from "../../system/read_file.js";
import { schemas } from "../../system/schemas.js";
import { readYamlAs } from "../../system/yaml.js";

const name = (description: string) => Type.String({ pattern: NAME_PATTERN, description });
const section = <P extends TProperties>(properties: P, description: string) =>
  Type.Object(properties, { additionalProperties: false, description });
const Attribute = Type.String({ minLength: 1, maxLength: 256 });
/** Key in one line. It has a pattern alone: a record checks its keys by nothing else. */
const OwnKey = Type.String({ pattern: "^[^\\u0000-\\u001f\\u007f]{1,256}$" });
/** Read by `readMapped`: its verb is a key. */
const Entry = Type.Record(Type.String(), Type.Unknown());
const entries = (description: string) =>
  Type.Record(OwnKey, Entry, { additionalProperties: false, default: {}, description, maxProperties: 10_000 });

const OtelMappingSchema = section(
  {
    purpose: Type.Optional(name("What agents are for that `agents` doesn't say it of")),
    asks: Type.Boolean({ default: true, description: "Whether agents are to ask before they act: what they did without is a finding" }),
    agents: Type.Record(
      OwnKey,
      section(
        {
          agent: name("Its id here"),
          purpose: Type.Optional(name("What it is for")),
          asks: Type.Optional(Type.Boolean({ description: "As above, of this agent" })),
        },
        "One agent",
      ),
      {
        additionalProperties: false,
        default: {},
        maxProperties: 10_000,
        description:
          "By `gen_ai.agent.id`, `gen_ai.agent.name` or `service.name`. One that isn't here has its `gen_ai.agent.id` or `service.name` as id",
      },
    ),
    task: Type.Optional(
      Type.Array(Attribute, {
        minItems: 1,
        maxItems: 16,
        description: "Attributes that may hold the task's id, such as `gen_ai.conversation.id`; the first that is there counts",
      }),
    ),
    tools: entries("Tool → what a call of it is"),
    prompts: entries("MCP prompt → what getting it is"),
    resources: Type.Array(Entry, {
      default: [],
      maxItems: 256,
      description: "MCP resources: `uri` with `{variables}`, and what reading one is; the first that fits counts",
    }),
    operations: entries(
      "Other values of `gen_ai.operation.name`, such as `invoke_agent`, `chat` or `retrieval` → what it is. Left out, it is passed over",
    ),
  },
  "What traces mean",
);
type Read = Static<typeof OtelMappingSchema>;

export interface OtelMapping extends Omit<Read, "tools" | "prompts" | "resources" | "operations" | "agents"> {
  agents: ReadonlyMap<string, Read["agents"][string]>;
  tools: ReadonlyMap<string, Mapped>;
  prompts: ReadonlyMap<string, Mapped>;
  operations: ReadonlyMap<string, Mapped>;
  resources: readonly { uri: UriPattern; mapped: Mapped }[];
  /** Words that a vocabulary has to know, with their places: `otel.yaml:7: tools.get_customer.read`. */
  words: readonly MappedWord[];
}

export interface MappedWord {
  what: "verb" | "type" | "purpose";
  word: string;
  place: () => string;
}

/** Operations with entries of their own, which `operations` may not name. */
const CALLS = ["execute_tool"];

/** Sources of a value beside the arguments of a call or the variables of a URI. */
const OF_SPANS = ["$span", "$resource"];

/**
 * @param names that values can be taken from; null: any
 * @throws MappingError of what no span could say
 */
function readEntry(entry: Readonly<Record<string, unknown>>, names: readonly string[] | null): Mapped {
  const mapped = readMapped(entry);
  for (const [name, of] of mapped.known) {
    if (OF_SPANS.includes(name)) {
      if (of === "whole") throw new MappingError([], `\`${name}\` is all attributes; name one, as in \`[${name}, attribute]\``);
      continue;
    }
    if (names?.includes(name) ?? !name.startsWith("$")) continue;
    const known = [...(names ?? []), ...OF_SPANS];
    const meant = nearestWord(name, known);
    const hint = meant === null ? `begin with one of ${known.join(", ")}` : `did you mean \`${meant}\`?`;
    throw new MappingError([], `nothing is called \`${name}\` here; ${hint}`);
  }
  return mapped;
}

const validate = schemas({ useDefaults: true }).compile<Read>(OtelMappingSchema);

/** @throws YamlError naming the place */
export function readOtelMapping(file: string): OtelMapping {
  return parseOtelMapping(readBytes(file), file);
}

/** @param file the name that errors give @throws YamlError naming the place */
export function parseOtelMapping(source: string | Uint8Array, file: string): OtelMapping {
  const { value, errorAt } = readYamlAs<Read>(source, file, validate);
  const reading = <T>(at: (string | number)[], read: () => T): T => {
    try {
      return read();
    } catch (cause) {
      if (cause instanceof MappingError) throw errorAt([...at, ...cause.path], cause.message);
      throw cause;
    }
  };
  const named = (of: "tools" | "prompts" | "operations"): Map<string, Mapped> => {
    // The arguments of a call have whatever names; what isn't a call has none.
    const names = of === "operations" ? [] : null;
    return new Map(Object.entries(value[of]).map(([one, entry]) => [one, reading([of, one], () => readEntry(entry, names))]));
  };
  for (const call of CALLS) {
    if (Object.hasOwn(value.operations, call)) throw errorAt(["operations", call], "what tools mean stands under `tools`");
  }
  for (const [as, { purpose }] of Object.entries(value.agents)) {
    if (purpose === undefined && value.purpose === undefined)
      throw errorAt(["agents", as, "purpose"], "missing: there is no `purpose` for all of them");
  }
  const of = { tools: named("tools"), prompts: named("prompts"), operations: named("operations") };
  const resources = value.resources.map(({ uri, ...entry }, i) =>
    reading(["resources", i], () => {
      const pattern = new UriPattern(uri);
      return { uri: pattern, mapped: readEntry(entry, pattern.variables) };
    }),
  );
  const word = (what: MappedWord["what"], word: string, at: (string | number)[]): MappedWord => {
    return { what, word, place: () => `${file}:${errorAt(at, "").line ?? ""}: ${at.join(".")}` };
  };
  const wordsOf = ({ verb, type, related }: Mapped, at: (string | number)[]): MappedWord[] => [
    word("verb", verb, [...at, verb]),
    word("type", type, [...at, verb]),
    ...Object.entries(related).map(([role, thing]) => word("type", thing.type, [...at, "related", role, "type"])),
  ];
  return {
    ...value,
    ...of,
    agents: new Map(Object.entries(value.agents)),
    resources,
    words: [
      ...(value.purpose === undefined ? [] : [word("purpose", value.purpose, ["purpose"])]),
      ...Object.entries(value.agents).flatMap(([as, { purpose }]) =>
        purpose === undefined ? [] : [word("purpose", purpose, ["agents", as, "purpose"])],
      ),
      ...Object.entries(of).flatMap(([section, entries]) => [...entries].flatMap(([one, mapped]) => wordsOf(mapped, [section, one]))),
      ...resources.flatMap(({ mapped }, i) => wordsOf(mapped, ["resources", i])),
    ],
  };
}
