import { readFileSync } from "node:fs";
import { expect } from "chai";
import type { Vocabulary } from "../../../src/contract/index.js";
import { planFor, plannerText, readPlannerAnswer, type PlanWords } from "../../../src/guards/mcp/planner.js";
import { readMapped } from "../../../src/mapping/call_mapping.js";
import { asset } from "../../../src/system/paths.js";
import { YamlError } from "../../../src/system/yaml.js";

const text = { kind: "string", max: 200 } as const;
const type = (roles: Record<string, "destination" | "content" | "locator" | "commitment">) =>
  ({
    ...{ id: "name", about: {}, attributes: {}, related: {}, arguments: { to: text, body: text, day: text } },
    flow: { roles, writes: {} },
  }) as Vocabulary["types"][string];
const VOCABULARY: Vocabulary = {
  verbs: {
    read: { class: "read", collection: false, effect: "look" },
    search: { class: "read", collection: true, effect: "look" },
    send: { class: "send", collection: true, effect: "add" },
    book: { class: "write", collection: true, effect: "commit" },
  },
  task: { subjects: [], attributes: {} },
  agent: { attributes: {} },
  types: {
    mail: type({ to: "destination", id: "locator" }),
    room: type({ "day.from": "commitment" }),
    note: type({}),
  },
  flow: { slots: [], own: [], members: [], secret: [] },
};
const TOOLS = new Map(
  Object.entries({
    read_mail: { read: "mail", id: "mail_id" },
    find_mail: { search: "mail", ignore: ["query"] },
    list_mail: { search: "mail" },
    send_mail: { send: "mail", arguments: { to: "to", body: "body" } },
    book_room: { book: "room", arguments: { day: "day" } },
  }).map(([name, entry]) => [name, readMapped(entry)]),
);
const WORDS: PlanWords = { tools: TOOLS, possible: [...TOOLS.values(), readMapped({ read: "note" })], vocabulary: VOCABULARY };
const LOOKS = [
  { verb: "read", type: "mail" },
  { verb: "search", type: "mail" },
  { verb: "read", type: "note" },
];
const answer = (yaml: string) => readPlannerAnswer(yaml, "answer.yaml", WORDS);

describe("a plan from a model", () => {
  it("is asked for with the brief, the tools as they were approved, and the instruction, and nothing else", () => {
    const tool = { name: "send_mail", description: "Send a mail", inputSchema: { type: "object" }, annotations: { title: "Send" } };
    const asked = plannerText([tool, { name: "list_mail", outputSchema: { type: "array" } }], "Write to ada");
    expect(asked.startsWith(readFileSync(asset("templates", "planner.md"), "utf8"))).to.equal(true);
    expect(asked.split("## Tools\n")[1]).to.equal(
      [
        '\n{"name":"send_mail","description":"Send a mail","parameters":{"type":"object"}}',
        '{"name":"list_mail","returns":{"type":"array"}}\n',
        "## Instruction\n",
        "Write to ada\n",
      ].join("\n"),
    );
  });

  it("comes in the words of the policy, for arguments that have a role, with all that only looks, once", () => {
    const made = answer(`
- {step: found, tool: find_mail, arguments: {query: [user]}}
- {step: mail, tool: read_mail, arguments: {mail_id: ["found.id[]", user, user]}}
- {tool: send_mail, times: 1, arguments: {to: [mail.sender], body: [mail]}}
- {tool: book_room, arguments: {day: [user, nowhere]}}
`);
    expect(made?.plan).to.deep.equal([
      { step: "found", verb: "search", type: "mail" },
      { step: "mail", verb: "read", type: "mail", arguments: { id: ["found.id[]", "user"] } },
      { verb: "send", type: "mail", times: 1, arguments: { to: ["mail.sender"] } },
      { verb: "book", type: "room", arguments: { day: ["user", "nowhere"] } },
      ...LOOKS,
    ]);
    expect(made?.left_out).to.deep.equal(["`query` of `find_mail`: it has no role", "`body` of `send_mail`: it has no role"]);
  });

  it("leaves out that a place is worked out, and says so", () => {
    const made = answer("[{tool: send_mail, arguments: {to: [user, nowhere]}}, {tool: send_mail, arguments: {to: [nowhere]}}]");
    expect(made?.plan.slice(0, 2)).to.deep.equal([
      { verb: "send", type: "mail", arguments: { to: ["user"] } },
      { verb: "send", type: "mail" },
    ]);
    expect(made?.left_out[0]).to.equal("`nowhere` for `to` of `send_mail`: its role isn't `commitment`");
  });

  it("may stand in a fence, or be JSON, and is none where the planner leaves the calls to what is read", () => {
    const plan = [{ verb: "search", type: "mail" }, ...LOOKS];
    for (const said of ["", "Here is the plan: it has one call.\n"])
      expect(answer(`${said}\`\`\`yaml\n- {tool: list_mail}\n\`\`\`\n${said}`)?.plan).to.deep.equal(plan);
    expect(answer('[{"tool": "list_mail"}]')?.plan).to.deep.equal(plan);
    for (const none of ["null", "```\nnull\n```", "~", "# it is for the page to say\nnull"]) expect(answer(none)).to.equal(null);
  });

  const bad: [what: string, yaml: string, problem: RegExp, hint?: RegExp][] = [
    ["prose", "Here is the plan that you asked for", /a list of calls, or null/, /YAML alone/],
    ["two fences", "```yaml\n- {tool: list_mail}\n```\nor\n```yaml\n- {tool: find_mail}\n```", /answer/],
    ["a mapping", "{tool: list_mail}", /list/],
    ["no calls", "[]", /1/],
    ["too many calls", `[${"{tool: list_mail},".repeat(65)}]`, /64/],
    ["more calls than fit beside those that look", `[${"{tool: list_mail},".repeat(62)}]`, /at most 64 calls; 3 of 65/],
    ["a call without a tool", "[{step: a}]", /tool/],
    ["a tool that there isn't", "[{tool: send_mial}]", /no tool `send_mial`/, /did you mean `send_mail`/],
    ["a tool that is unlike any", "[{tool: transfer_money}]", /no tool `transfer_money`/, /there are: read_mail, find_mail/],
    ["a tool that every object has", "[{tool: constructor}]", /no tool `constructor`/],
    ["a parameter that there isn't", "[{tool: send_mail, arguments: {too: [user]}}]", /no parameter `too`/, /did you mean `to`/],
    ["a word that there isn't", "[{tool: list_mail, often: 2}]", /often/],
    ["half a time", "[{tool: send_mail, times: 0.5}]", /times/],
    ["no source", "[{tool: send_mail, arguments: {to: []}}]", /arguments/],
    ["a step that there isn't", "[{tool: send_mail, arguments: {to: [memo]}}]", /a step of the plan/],
    ["strangers as a source", "[{tool: send_mail, arguments: {to: [anyone]}}]", /a step of the plan/],
    ["two steps of one name", "[{step: a, tool: list_mail}, {step: a, tool: list_mail}]", /another name/],
    ["two documents", "[{tool: list_mail}]\n---\n[{tool: list_mail}]", /one document/],
    ["an anchor", "- &a {tool: list_mail}\n- *a", /anchors|aliases/],
  ];
  for (const [what, yaml, problem, hint] of bad)
    it(`is refused with ${what}, naming the place`, () => {
      try {
        answer(yaml);
      } catch (cause) {
        if (!(cause instanceof YamlError)) throw cause;
        expect(cause.message).to.match(/^answer\.yaml/);
        expect(cause.message).to.match(problem);
        if (hint !== undefined) expect(cause.hint).to.match(hint);
        return;
      }
      expect.fail("it was taken");
    });

  it("names the line of the answer as the model gave it, with the fence", () => {
    expect(() => answer("```yaml\n- {tool: list_mail}\n- {tool: wipe}\n```")).to.throw(/answer\.yaml:3/);
  });

  it("is refused by what its reader throws", () => {
    expect(() => planFor([{ tool: "wipe" }], WORDS, (path, message) => new RangeError(`${path.join(".")} ${message}`))).to.throw(
      RangeError,
      "0.tool",
    );
  });
});
