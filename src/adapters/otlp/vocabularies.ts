/**
 * Tool calls in other vocabularies, told in that of the GenAI conventions: OpenInference (`openinference.span.kind`), OpenLLMetry
 * (`traceloop.*`) and the Vercel AI SDK up to 6 (`ai.toolCall.*`). A span of the GenAI or MCP conventions stays as it is, but for arguments that it says
 * nowhere else.
 */
import { scan } from "../../decision/scan.js";
import type { Attributes, AttributeValue, Span } from "./read.js";

const OPERATION = "gen_ai.operation.name";
const ARGUMENTS = "gen_ai.tool.call.arguments";
const ENTITY_INPUT = "traceloop.entity.input";
const INPUT_LIMITS = { depth_max: 32, members_max: 1024 };

interface Vocabulary {
  isTool: (attributes: Attributes) => boolean;
  /** The attribute that has the tool's name. */
  name: string;
  arguments: string;
  call?: string;
}

const VOCABULARIES: readonly Vocabulary[] = [
  { isTool: (of) => of["openinference.span.kind"] === "TOOL", name: "tool.name", arguments: "input.value", call: "tool_call.id" },
  {
    isTool: (of) => of["operation.name"] === "ai.toolCall",
    name: "ai.toolCall.name",
    arguments: "ai.toolCall.args",
    call: "ai.toolCall.id",
  },
  { isTool: (of) => of["traceloop.span.kind"] === "tool", name: "traceloop.entity.name", arguments: ENTITY_INPUT },
];
/** Attributes that other vocabularies have for the agent and its conversation, on the span or on one above it. */
const ALIASES: readonly (readonly [theirs: string, ours: string])[] = [
  ["agent.name", "gen_ai.agent.name"],
  ["session.id", "gen_ai.conversation.id"],
];

/** Returns a span with what it says in another vocabulary told in that of the GenAI conventions. */
export function inGenAi(span: Span): Span {
  const { attributes } = span;
  const said: Record<string, AttributeValue> = {};
  const add = (name: string, value: AttributeValue | undefined): void => {
    if (value !== undefined && attributes[name] === undefined) said[name] = value;
  };
  const isGenAi = attributes[OPERATION] !== undefined || attributes["mcp.method.name"] !== undefined;
  const vocabulary = isGenAi ? undefined : VOCABULARIES.find(({ isTool }) => isTool(attributes));
  if (vocabulary !== undefined) {
    add(OPERATION, "execute_tool");
    add("gen_ai.tool.name", attributes[vocabulary.name]);
    add(ARGUMENTS, inputOf(attributes[vocabulary.arguments]));
    if (vocabulary.call !== undefined) add("gen_ai.tool.call.id", attributes[vocabulary.call]);
  }
  if (attributes[OPERATION] === "execute_tool") add(ARGUMENTS, inputOf(attributes[ENTITY_INPUT]));
  for (const [theirs, ours] of ALIASES) add(ours, attributes[theirs]);
  if (Object.keys(said).length === 0) return span;
  return { ...span, attributes: Object.assign(Object.create(null) as Record<string, AttributeValue>, attributes, said) };
}

/** LangChain's callbacks give a tool's input along with what is around it; of that the arguments are `inputs`. */
function inputOf(value: AttributeValue | undefined): AttributeValue | undefined {
  if (typeof value !== "string" || !/^\s*\{[^]*"inputs"/.test(value)) return value;
  try {
    const { inputs, input_str } = JSON.parse(scan(Buffer.from(value), INPUT_LIMITS)) as { inputs?: unknown; input_str?: unknown };
    const isAround = input_str !== undefined && typeof inputs === "object" && inputs !== null;
    return isAround ? JSON.stringify(inputs) : value;
  } catch {
    return value;
  }
}

/** Name of an attribute for the tool that a span is about; tools that a model is offered have longer names. */
const TOOL_NAME = /^(?!llm\.)(?:[a-z0-9_-]+\.)?tool[._]?(?:call[._]?)?name$/i;

/** The attribute by which a span that nothing here understands looks like a tool's call; null if none does. */
export function toolAttribute({ attributes }: Span): string | null {
  return Object.keys(attributes).find((name) => TOOL_NAME.test(name)) ?? null;
}
