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
    close: { class: "write", collection: false, effect: "alter" },
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
    reply_mail: { send: "mail", arguments: { to: "to", body: "body" } },
    close_mail: { close: "mail", id: "mail_id" },
    close_inbox: { close: "mail", id: { is: "inbox" } },
    close_seventh: { close: "mail", id: { is: 7 } },
    book_room: { book: "room", arguments: { day: "day", body: "body" } },
  }).map(([name, entry]) => [name, readMapped(entry)]),
);
const WORDS: PlanWords = {
  tools: TOOLS,
  beside: [readMapped({ read: "note" }), readMapped({ read: "mail", id: "id" }), readMapped({ send: "mail" })],
  vocabulary: VOCABULARY,
};
const answer = (yaml: string) => readPlannerAnswer(yaml, "answer.yaml", WORDS);

describe("a plan from a model", () => {
  it("is asked for with the brief, the tools as they were approved but for `$schema`, and the instruction, and nothing else", () => {
    const $schema = "https://json-schema.org/draft/2020-12/schema";
    const inputSchema = { $schema, type: "object" };
    const tool = { name: "send_mail", description: "Send a mail", inputSchema, annotations: { title: "Send" } };
    const asked = plannerText([tool, { name: "list_mail", outputSchema: { $schema, type: "array" } }], "Write to ada");
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

  it("comes in the words of the policy, for arguments that have a role, with what only looks and isn't told of, where no call says more, once", () => {
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
      { verb: "read", type: "note" },
    ]);
    expect(made?.left_out).to.deep.equal(["`query` of `find_mail`: it has no role", "`body` of `send_mail`: it has no role"]);
  });

  it("keeps what a look may be asked with from elsewhere", () => {
    const made = answer("[{tool: read_mail, arguments: {mail_id: [user, nowhere]}}]");
    expect(made?.plan[0]).to.deep.equal({ verb: "read", type: "mail", arguments: { id: ["user", "nowhere"] } });
    expect(made?.left_out).to.deep.equal([]);
  });

  it("leaves out that a place is worked out beside other sources, and says so", () => {
    const made = answer("[{tool: send_mail, arguments: {to: [user, nowhere]}}]");
    expect(made?.plan[0]).to.deep.equal({ verb: "send", type: "mail", arguments: { to: ["user"] } });
    expect(made?.left_out).to.deep.equal(["`nowhere` for `to` of `send_mail`: its role isn't `commitment`"]);
  });

  it("asks of a joined id's last part what it asks of an id, and of the others as arguments", () => {
    const entry = { close: "mail", id: { joined: ["to", { path: "file", in: "/" }] }, arguments: { to: "to" } };
    const words = { ...WORDS, tools: new Map([["close_in", readMapped(entry)]]), beside: [] };
    const made = readPlannerAnswer("- {tool: close_in, arguments: {to: [user], file: [user]}}", "answer.yaml", words);
    expect(made?.plan).to.deep.equal([{ verb: "close", type: "mail", arguments: { to: ["user"], id: ["user"] } }]);
  });

  it("has the id that a mapping always gives, and no id where a call gives it", () => {
    const made = answer("[{tool: close_inbox}, {tool: close_seventh}, {tool: close_mail, arguments: {mail_id: [user]}}]");
    expect(made?.plan.slice(0, 3)).to.deep.equal([
      { verb: "close", type: "mail", id: "inbox" },
      { verb: "close", type: "mail", id: "7" },
      { verb: "close", type: "mail", arguments: { id: ["user"] } },
    ]);
  });

  const ALSO: [what: string, yaml: string, also: string[]][] = [
    ["another tool of the same words", "[{tool: send_mail}]", ["`reply_mail` beside `send_mail`: both are `send mail`"]],
    ["none that the answer names", "[{tool: send_mail}, {tool: reply_mail}]", []],
    ["none that only looks", "[{tool: find_mail}, {tool: book_room}]", []],
    ["none of another constant id", "[{tool: close_inbox}]", ["`close_mail` beside `close_inbox`: both are `close mail`"]],
    [
      "one of any id",
      "[{tool: close_mail, arguments: {mail_id: [user]}}]",
      ["`close_inbox` beside `close_mail`: both are `close mail`", "`close_seventh` beside `close_mail`: both are `close mail`"],
    ],
  ];
  for (const [what, yaml, also] of ALSO)
    it(`says which tools it permits beside the named ones: ${what}`, () => {
      expect(answer(yaml)?.also_permits).to.deep.equal(also);
    });

  it("may stand in a fence, or be JSON, and is none where the planner leaves the calls to what is read", () => {
    const plan = [
      { verb: "search", type: "mail" },
      { verb: "read", type: "note" },
      { verb: "read", type: "mail" },
    ];
    for (const said of ["", "Here is the plan: it has one call.\n"])
      expect(answer(`${said}\`\`\`yaml\n- {tool: list_mail}\n\`\`\`\n${said}`)?.plan).to.deep.equal(plan);
    expect(answer('[{"tool": "list_mail"}]')?.plan).to.deep.equal(plan);
    for (const none of ["null", "```\nnull\n```", "~", "# it is for the page to say\nnull", "--- null # none"])
      expect(answer(none)).to.equal(null);
  });

  const bad: [what: string, yaml: string, problem: RegExp, hint?: RegExp][] = [
    ["prose", "Here is the plan that you asked for", /a list of calls, or null/, /YAML alone/],
    [
      "two fences",
      "```yaml\n- {tool: list_mail}\n```\nor\n```yaml\n- {tool: find_mail}\n```",
      /yaml:5: the answer has several fences/,
      /YAML alone, or in one fence/,
    ],
    ["a fence without an end", "```yaml\n- {tool: list_mail}\n", /yaml:1: the fence has no end/, /YAML alone, or in one fence/],
    ...["", " \n\t\n", "# I am not sure\n", "---\n", "```yaml\n```", "```\n# nothing\n```", "Here it is:\n```\n\n```\n"].map(
      (yaml): (typeof bad)[number] => [`nothing (${JSON.stringify(yaml)})`, yaml, /yaml: the answer is empty: the model said nothing$/],
    ),
    ["a mapping", "{tool: list_mail}", /list/],
    ["no calls", "[]", /1/],
    ["too many calls", `[${"{tool: list_mail},".repeat(65)}]`, /64/],
    [
      "a place that is only worked out",
      "[{tool: send_mail, arguments: {to: [nowhere]}}]",
      /0\.arguments\.to: `nowhere` is the only source of `to` of `send_mail`/,
    ],
    [
      "an id that is only worked out, of a call that changes something",
      "[{tool: close_mail, arguments: {mail_id: [nowhere]}}]",
      /`nowhere` is the only source of `mail_id` of `close_mail`/,
      /name where its value stands/,
    ],
    [
      "arguments of which none has a role",
      "[{tool: book_room, arguments: {body: [user]}}]",
      /0\.arguments: no argument of `book_room` is left: `body` has no role/,
      /give it a role in the vocabulary, or leave it out of the answer/,
    ],
    ["a call without a tool", "[{step: a}]", /tool/],
    ["a tool that there isn't", "[{tool: send_mial}]", /no tool `send_mial`/, /did you mean `send_mail`/],
    ["a tool that is unlike any", "[{tool: transfer_money}]", /no tool `transfer_money`/, /there are: read_mail, find_mail/],
    ["a tool that every object has", "[{tool: constructor}]", /no tool `constructor`/],
    ["a parameter of a tool that has none", "[{tool: list_mail, arguments: {to: [user]}}]", /no parameter `to`/, /it has none/],
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
        expect(cause.message).to.match(/^answer\.yaml:\d|^answer\.yaml: the answer is empty/);
        expect(cause.message).to.match(problem);
        if (hint !== undefined) expect(cause.hint).to.match(hint);
        return;
      }
      expect.fail("it was taken");
    });

  it("is refused with all that is wrong at once, a line each, and one list of what there is", () => {
    const yaml = "- {tool: send_mial}\n- {tool: send_mail, arguments: {too: [user], body: [user]}}\n- {tool: pay}\n- {tool: transfer}\n";
    const tools = [...TOOLS.keys()].join(", ");
    expect(() => answer(yaml)).to.throw(
      YamlError,
      [
        "answer.yaml:1: 0.tool: there is no tool `send_mial`; did you mean `send_mail`?",
        "answer.yaml:2: 1.arguments.too: `send_mail` has no parameter `too`; did you mean `to`?",
        `answer.yaml:3: 2.tool: there is no tool \`pay\`; there are: ${tools}`,
        "answer.yaml:4: 3.tool: there is no tool `transfer`",
      ].join("\n"),
    );
  });

  it("is refused where what only looks doesn't fit beside it, and the guards' configurations are named", () => {
    expect(() => answer(`[${"{tool: list_mail},".repeat(63)}]`)).to.throw(
      YamlError,
      /^the guards' configurations: at most 64 calls fit in a plan: the answer has 63, and 2 are added since they only look; map fewer/,
    );
  });

  it("names the line of the answer as the model gave it, with the fence", () => {
    expect(() => answer("```yaml\n- {tool: list_mail}\n- {tool: wipe}\n```")).to.throw(/answer\.yaml:3/);
  });

  it("is refused by what its reader throws", () => {
    expect(() => planFor([{ tool: "wipe" }], WORDS, ([fault]) => new RangeError(fault?.at?.join(".")))).to.throw(RangeError, "0.tool");
  });
});
