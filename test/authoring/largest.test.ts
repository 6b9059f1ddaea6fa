import { expect } from "chai";
import { boundsOf, largestInputs, type PolicyAction } from "../../src/authoring/largest.js";
import { Sheet } from "../../src/bundle/source.js";
import { compileVocabulary } from "../../src/bundle/vocabulary.js";
import { REQUEST_LIMITS, type PolicyInput, type Value, type Vocabulary } from "../../src/contract/index.js";
import { readAction } from "../../src/decision/read.js";
import { scan } from "../../src/decision/scan.js";
import { vocabularyReader } from "../../src/decision/values.js";

const ACTION: PolicyAction = { purpose: "p", type: "file", verb: "update" };

function words(file: string, more = ""): Vocabulary {
  const text = `verbs: {update: {class: write, effect: alter}, search: {class: read, collection: true}}
task: {subjects: [customer], attributes: {instruction: {string: {max: 8000}}}}
agent: {attributes: {teams: {list: id, max: 300}}}
types: {file: {${file}}, folder: {attributes: {tags: {list: id, max: 40}}}}
${more}`;
  return compileVocabulary(new Sheet("vocabulary.yaml", text));
}

const WIDE = `id: path, related: {to: folder}, attributes: {owner: email, state: [open, closed]}, roles: {edits: content}, arguments: {
  edits: {list: {object: {old: {string: {max: 4096}}, new: {string: {max: 4096}}, tags: {list: id, max: 20}}}, max: 100},
  content: {string: {max: 60000}}, names: {list: id, max: 1000}, day: date, hours: duration, at: time, much: integer, dry: boolean}`;

const argumentsOf = (inputs: readonly PolicyInput[], name: string): Value[] => inputs.map(({ request }) => request.arguments[name] ?? null);
const bytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

describe("the largest actions", () => {
  const vocabulary = words(WIDE, "flow: {instruction: task.instruction}");
  const inputs = [...largestInputs(vocabulary, ACTION)];

  it("fit into a request, and nearly fill it", () => {
    for (const { request } of inputs)
      expect(bytes(request)).to.be.within(REQUEST_LIMITS.body_bytes_max * 0.9, REQUEST_LIMITS.body_bytes_max);
  });

  it("are such as a service reads", () => {
    for (const verb of ["update", "search"])
      for (const { request } of largestInputs(vocabulary, { ...ACTION, verb })) {
        const body = Buffer.from(JSON.stringify({ ...request, context: {} }));
        const read = readAction(JSON.parse(scan(body, REQUEST_LIMITS)), vocabularyReader(vocabulary), () => expect.fail("no token"));
        expect(read.request.arguments).to.deep.equal(request.arguments);
        expect(read.request.resource.id === null).to.equal(verb === "search");
      }
  });

  it("have the facts of a task and an agent that one request each could set", () => {
    for (const { facts } of inputs) {
      expect(bytes(facts.task)).to.be.below(REQUEST_LIMITS.body_bytes_max);
      expect(bytes(facts.agent)).to.be.below(REQUEST_LIMITS.body_bytes_max);
      expect(facts.agent.attributes["teams"]).to.have.lengthOf(REQUEST_LIMITS.members_max);
    }
    const [{ facts } = expect.fail()] = inputs;
    expect(facts.task.attributes["instruction"]).to.have.lengthOf(8000);
    expect(facts.task.subjects["customer"]).to.have.lengthOf(100);
  });

  it("have all elements of a list before long ones", () => {
    const [edits] = argumentsOf(inputs, "edits");
    expect(edits).to.have.lengthOf(100);
  });

  it("give each field that doesn't fit its turn to be as large as it can be", () => {
    expect(Math.max(...argumentsOf(inputs, "content").map((text) => (text as string).length))).to.be.above(15_000);
    const names = argumentsOf(inputs, "names").map((list) => [(list as Value[]).length, bytes(list)] as const);
    expect(names.map(([length]) => length)).to.include(REQUEST_LIMITS.members_max);
    expect(Math.max(...names.map(([, size]) => size))).to.be.above(50_000);
  });

  it("have everything in full where it fits", () => {
    for (const { request } of largestInputs(words("arguments: {content: {string: {max: 4096}}, ids: {list: id, max: 10}}"), ACTION)) {
      expect(request.arguments["content"]).to.have.lengthOf(4096);
      expect(request.arguments["ids"]).to.have.lengthOf(10);
    }
  });

  it("show sources of values where the vocabulary has words for them", () => {
    const wordless = { ...vocabulary };
    delete wordless.flow;
    for (const { facts } of inputs) expect(Object.values(facts.flow?.arguments ?? {})).to.have.lengthOf(64);
    for (const { facts } of largestInputs(wordless, ACTION)) expect(facts.flow).to.equal(null);
  });

  it("depend on bounds that are named as the vocabulary has them, the largest first", () => {
    const bounds = boundsOf(vocabulary, ACTION).map(({ place, type }) => [place, type.max]);
    expect(bounds.slice(0, 4)).to.deep.equal([
      ["types.file.arguments.edits", 100],
      ["types.file.arguments.names", 1000],
      ["agent.attributes.teams", 300],
      ["types.file.arguments.content", 60_000],
    ]);
    expect(bounds).to.deep.include.members([
      ["types.file.arguments.edits.old", 4096],
      ["types.file.arguments.edits.tags", 20],
      ["types.folder.attributes.tags", 40],
      ["task.attributes.instruction", 8000],
    ]);
  });
});
