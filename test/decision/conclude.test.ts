import { expect } from "chai";
import fc from "fast-check";
import { BUILTIN_REASONS, FLOOR_CODES, SEVERITIES, type Catalogue, type CatalogueEntry, type FloorCode } from "../../src/contract/index.js";
import { conclude, concludeFloor, unasked, type GrantFound, type Scene } from "../../src/decision/conclude.js";
import type { ActivePolicy } from "../../src/decision/ports.js";
import { ALLOWED, CATALOGUE, NOW, REQUEST, World, policyOf } from "./world.js";
import { POLICY, scene, conclusionOf, allow, unsaidFlag, flag, log, deny, modify } from "./conclude_support.js";
import { isSameReasons } from "../../src/replay/compare.js";
import type { Conclusion } from "../../src/decision/question.js";
import { CHARACTER } from "../characters.js";

const codes = ({ reasons }: Conclusion): string[] => reasons.map(({ code }) => code);

const allowed = { ...ALLOWED };
const flagged = { decision: "flag", proceed: true, reasons: [flag], obligations: [] };
const denied = { decision: "deny", proceed: false, reasons: [deny], obligations: [] };

const said = (reasons: number, text: string): object => ({
  ...denied,
  reasons: Array.from({ length: reasons }, (_, i) => ({ ...deny, params: { x: `${i}${text}` } })),
});

const NOTIFY = { type: "notify", channel: "a" } as const;
/** Characters of a param with which a flag is as long as it may be: beside it are its code, message, and the param's name and quotes. */
const ROOM = 16 * 1024 - "unrelated".length - "invoice I-1 belongs to ada, the task is about ada".length - 3;

/** Every one of these is a deny with `result_invalid`, whatever else it says. */
const INVALID: [name: string, result: unknown][] = [
  ["more than a record has room for, in characters", said(200, "x".repeat(100))],
  ["more than a record has room for, in bytes", said(35, "\u754c".repeat(405))],
  ["one character more than a record has room for", { ...flagged, reasons: [{ ...flag, params: { x: "y".repeat(ROOM + 1) } }] }],
  ["obligations that a record has no room for", { ...allowed, obligations: [{ type: "redact", fields: Array(64).fill("x".repeat(256)) }] }],
  [
    "reasons and obligations that a record has no room for together",
    { ...said(1, "\u754c".repeat(10_000)), obligations: modify(["\u754c".repeat(5000)]) },
  ],
  [
    "controls that a record has no room for",
    {
      ...denied,
      reasons: [
        { ...deny, params: { x: "\u0001".repeat(2500) } },
        { ...deny, params: { y: "\u754c".repeat(9500) } },
      ],
    },
  ],
  ["undefined", undefined],
  ["null", null],
  ["true", true],
  ["the word allow", "allow"],
  ["a number", 1],
  ["an empty list", []],
  ["OPA's own envelope", [{ result: allowed }]],
  ["a list of results", [allowed]],
  ["an empty object", {}],
  ["a promise", Promise.resolve(allowed)],
  ["no decision", { ...allowed, decision: undefined }],
  ["a decision in capitals", { ...allowed, decision: "Allow" }],
  ["a decision with a space", { ...allowed, decision: "allow " }],
  ["a decision `log`", { ...allowed, decision: "log" }],
  ["a decision `permit`", { ...allowed, decision: "permit" }],
  ["a decision that is true", { ...allowed, decision: true }],
  ["a list of decisions", { ...allowed, decision: ["allow"] }],
  ["no proceed", { decision: "allow", reasons: [allow], obligations: [] }],
  ["proceed as text", { ...allowed, proceed: "true" }],
  ["proceed as a number", { ...allowed, proceed: 1 }],
  ["proceed as null", { ...allowed, proceed: null }],
  ["no reasons", { decision: "allow", proceed: true, obligations: [] }],
  ["an empty list of reasons", { ...allowed, reasons: [] }],
  ["reasons as an object", { ...allowed, reasons: { "0": allow } }],
  ["reasons as null", { ...allowed, reasons: null }],
  ["a reason that is text", { ...allowed, reasons: ["read_own"] }],
  ["a reason that is null", { ...allowed, reasons: [allow, null] }],
  ["more reasons than the limit", { ...allowed, reasons: Array(257).fill(allow) }],
  ["no obligations", { decision: "allow", proceed: true, reasons: [allow] }],
  ["obligations as null", { ...allowed, obligations: null }],
  ["more obligations than the limit", { ...allowed, obligations: Array(65).fill({ type: "notify", channel: "a" }) }],
  ["an unknown field", { ...allowed, note: "hello" }],
  ["an unknown field `__proto__`", JSON.parse(JSON.stringify(allowed).replace("{", '{"__proto__":{"proceed":true},'))],
  ["a reason without effect", { ...allowed, reasons: [{ ...allow, effect: undefined }] }],
  ["a reason of unknown effect", { ...allowed, reasons: [{ ...allow, effect: "permit" }] }],
  ["a reason without code", { ...allowed, reasons: [{ ...allow, code: undefined }] }],
  ["a reason with an empty code", { ...allowed, reasons: [{ ...allow, code: "" }] }],
  ["a reason with a very long code", { ...allowed, reasons: [{ ...allow, code: "x".repeat(129) }] }],
  ["a code that nobody explains", { ...allowed, reasons: [{ ...allow, code: "made_up" }] }],
  ["a code that every object inherits", { ...allowed, reasons: [{ ...allow, code: "constructor" }] }],
  ["the code `__proto__`", { ...allowed, reasons: [{ ...allow, code: "__proto__" }] }],
  ["one unexplained code among others", { ...denied, reasons: [deny, { ...deny, code: "made_up" }] }],
  ["a reason of unknown severity", { ...allowed, reasons: [{ ...allow, severity: "fatal" }] }],
  ["a reason without severity", { ...allowed, reasons: [{ ...allow, severity: undefined }] }],
  ["a reason without params", { ...allowed, reasons: [{ ...allow, params: undefined }] }],
  ["params as a list", { ...allowed, reasons: [{ ...allow, params: [] }] }],
  ["params as null", { ...allowed, reasons: [{ ...allow, params: null }] }],
  ["a reason with a message of its own", { ...allowed, reasons: [{ ...allow, message: "you may" }] }],
  ["a flag whose proceed is text", { ...flagged, reasons: [{ ...flag, proceed: "true" }] }],
  ["a flag whose needs is text", { ...flagged, proceed: false, reasons: [{ ...flag, proceed: false, needs: "a" }] }],
  ["a flag whose needs holds a number", { ...flagged, proceed: false, reasons: [{ ...flag, needs: [1] }] }],
  ["an unknown obligation", { ...allowed, obligations: [{ type: "explode" }] }],
  ["an obligation without its field", { ...allowed, obligations: [{ type: "redact" }] }],
  ["an obligation that redacts nothing", { ...allowed, obligations: [{ type: "redact", fields: [] }] }],
  ["an obligation with a field more", { ...allowed, obligations: [{ type: "notify", channel: "a", also: "b" }] }],
  ["an obligation that modifies to an object", { ...allowed, obligations: [{ type: "modify", argument: "a", value: {} }] }],
  ["two values for one argument", { ...allowed, obligations: modify([1, 2]) }],
  ["two values that print alike", { ...allowed, obligations: modify([1, "1"]) }],
  // Of the right shape, and wrong.
  ["allow beside a deny", { ...allowed, reasons: [allow, deny] }],
  ["allow beside a flag", { ...allowed, reasons: [allow, flag] }],
  ["allow without an allow reason", { ...allowed, reasons: [log] }],
  ["allow with a deny alone", { ...allowed, reasons: [deny] }],
  ["allow that doesn't proceed", { ...allowed, proceed: false }],
  ["allow by what was written to refuse", { ...allowed, reasons: [{ ...allow, code: deny.code }] }],
  ["allow by what was written to flag", { ...allowed, reasons: [allow, { ...allow, code: flag.code }] }],
  ["allow by a rule that gave no reason", { ...allowed, reasons: [{ ...allow, code: "rule_without_metadata" }] }],
  ["allow because nothing permits", { ...allowed, reasons: [{ ...allow, code: "not_permitted" }] }],
  ["deny that proceeds", { ...denied, proceed: true }],
  ["deny without a deny reason", { ...denied, reasons: [allow] }],
  ["deny with a flag alone", { ...denied, reasons: [flag] }],
  ["flag without a flag reason", { ...flagged, reasons: [allow] }],
  ["flag beside a deny", { ...flagged, reasons: [flag, deny] }],
  ["flag that proceeds where the flag doesn't", { ...flagged, reasons: [{ ...flag, proceed: false }] }],
  ["flag that proceeds where the flag doesn't say", { ...flagged, reasons: [unsaidFlag] }],
  ["flag that proceeds where one of two doesn't", { ...flagged, reasons: [flag, { ...flag, proceed: false, params: { n: 2 } }] }],
  ["flag that proceeds where something is unknown", { ...flagged, reasons: [{ ...flag, needs: ["customer"] }] }],
  ["flag that proceeds over an allow and a waiting flag", { ...flagged, reasons: [allow, unsaidFlag] }],
  ["log alone", { decision: "flag", proceed: false, reasons: [log], obligations: [] }],
];

describe("what the agent is told of a flag", () => {
  const DEFAULT = "A person will look at this.";
  const cases: [what: string, proceed: boolean, sentence: string, told: string][] = [
    ["that goes on", true, DEFAULT, "This goes ahead, and a person will look at it."],
    ["that waits", false, DEFAULT, "This was not done. A person will look at it first."],
    ["whose author has said it", false, "Ask ada.", "Ask ada."],
  ];
  for (const [what, proceed, sentence, told] of cases) {
    it(`${what} says whether the action went ahead`, async () => {
      const world = new World();
      const reason = { effect: "flag" as const, code: "unrelated", severity: "medium" as const, params: {}, proceed };
      const policy = policyOf(() => ({ decision: "flag", proceed, reasons: [...ALLOWED.reasons, reason], obligations: [] }));
      const unrelated = { ...policy.catalogue["unrelated"], tell_agent: sentence } as Catalogue[string];
      world.active = { ...policy, catalogue: { ...policy.catalogue, unrelated } };
      expect((await world.decide()).answer.tell_agent).to.equal(told);
    });
  }
});

describe("a reason about who wrote a value", () => {
  const cases: [writer: string, whence: string][] = [
    ["user", "what the user excludes"],
    ["own", "the user's own facts"],
    ["service", "a service's record"],
    ["member", "what a member of the organisation wrote"],
    ["anyone", "what anyone could have written"],
    ["nowhere", "nothing that was read on the task"],
    ["unknown", "something that is no longer remembered"],
    ["constructor", "constructor"],
  ];
  const of = (writer: string, code = "flow_denied") => {
    const reason = { ...deny, code, params: { argument: "to", role: "destination", writer } };
    return conclusionOf({ ...denied, reasons: [reason] }).reasons;
  };
  for (const [writer, whence] of cases) {
    it(`says of ${writer} in plain words where it comes from`, () => {
      expect(of(writer)[0]?.message).to.equal(`to (destination) comes from ${whence}`);
    });
  }

  it("is the same to a replay as the sentence of before, and not as that of another argument", () => {
    const now = of("anyone");
    const was = (argument: string) => now.map((one) => ({ ...one, message: `${argument} (destination) is anyone's word` }));
    expect(isSameReasons(was("to"), now)).to.equal(true);
    expect(isSameReasons(was("cc"), now)).to.equal(false);
  });
});

describe("conclude: from what the policy answered to what is said", () => {
  describe(`${INVALID.length} results that are refused`, () => {
    for (const [name, result] of INVALID) {
      it(name, () => {
        const conclusion = conclusionOf(result);
        expect(conclusion).to.deep.include({ decision: "deny", proceed: false, obligations: [], wait: null });
        expect(conclusion.tell_agent).to.equal(BUILTIN_REASONS.get("result_invalid")?.tell_agent);
        expect(conclusion.reasons).to.deep.equal([
          {
            effect: "deny",
            code: "result_invalid",
            severity: "high",
            message: "the policy's answer does not have the agreed shape",
            params: {},
          },
        ]);
      });
    }
  });

  const good: [name: string, result: unknown, wanted: Partial<Conclusion>][] = [
    ["allow", allowed, { decision: "allow", proceed: true, wait: null }],
    ["allow with a log", { ...allowed, reasons: [log, allow] }, { decision: "allow", proceed: true, wait: null }],
    ["flag", flagged, { decision: "flag", proceed: true, wait: null }],
    ["flag over an allow", { ...flagged, reasons: [allow, flag] }, { decision: "flag", proceed: true, wait: null }],
    [
      "flag that waits",
      { ...flagged, proceed: false, reasons: [{ ...flag, proceed: false }] },
      { decision: "flag", proceed: false, wait: { for: "approval" } },
    ],
    ["flag that doesn't say", { ...flagged, proceed: false, reasons: [unsaidFlag] }, { proceed: false, wait: { for: "approval" } }],
    [
      "flags that would, a policy that won't",
      { ...flagged, proceed: false },
      { decision: "flag", proceed: false, wait: { for: "approval" } },
    ],
    [
      "flag that waits for what is unknown",
      { ...flagged, proceed: false, reasons: [{ ...flag, proceed: false, needs: ["b", "a"] }] },
      { wait: { for: "context", needs: ["a", "b"] } },
    ],
    [
      "two flags that wait for what is unknown",
      {
        ...flagged,
        proceed: false,
        reasons: [
          { ...flag, proceed: false, needs: ["b", "a"] },
          { ...flag, severity: "low", proceed: false, needs: ["c", "a"] },
        ],
      },
      { wait: { for: "context", needs: ["a", "b", "c"] } },
    ],
    [
      "one flag that goes on and one that waits for what is unknown",
      { ...flagged, proceed: false, reasons: [flag, { ...flag, severity: "low", proceed: false, needs: ["a"] }] },
      { wait: { for: "context", needs: ["a"] } },
    ],
    [
      "one that waits for a person and one for what is unknown",
      {
        ...flagged,
        proceed: false,
        reasons: [
          { ...flag, proceed: false },
          { ...flag, severity: "low", proceed: false, needs: ["a"] },
        ],
      },
      { wait: { for: "approval" } },
    ],
    [
      "a log and an allow beside one that waits for what is unknown",
      { ...flagged, proceed: false, reasons: [log, allow, { ...flag, proceed: false, needs: ["a"] }] },
      { wait: { for: "context", needs: ["a"] } },
    ],
    ["one obligation, twice", { ...allowed, obligations: [NOTIFY, { ...NOTIFY }] }, { obligations: [NOTIFY] }],
    [
      "as much as a record has room for, in characters",
      { ...flagged, reasons: [{ ...flag, params: { x: "y".repeat(ROOM) } }] },
      { decision: "flag" },
    ],
    [
      "as much as a record has room for, in bytes",
      { ...flagged, reasons: [{ ...flag, params: { x: "\u754c".repeat(13_500) } }] },
      { decision: "flag" },
    ],
    [
      "needs that name nothing",
      { ...flagged, proceed: false, reasons: [{ ...flag, proceed: false, needs: [] }] },
      { wait: { for: "approval" } },
    ],
    ["deny", denied, { decision: "deny", proceed: false, wait: null, obligations: [] }],
    ["deny over all", { ...denied, reasons: [allow, flag, log, deny] }, { decision: "deny", proceed: false, wait: null }],
    [
      "deny with obligations, which nobody has to meet",
      { ...denied, obligations: [{ type: "notify", channel: "a" }] },
      { obligations: [] },
    ],
    ["one value for one argument, twice", { ...allowed, obligations: modify([1, 1]) }, { decision: "allow", proceed: true }],
    ["as many reasons as the limit", { ...allowed, reasons: Array(256).fill(allow) }, { decision: "allow" }],
  ];
  for (const [name, result, wanted] of good) {
    it(`takes ${name}`, () => {
      expect(codes(conclusionOf(result))).not.to.include("result_invalid");
      expect(conclusionOf(result)).to.deep.include(wanted);
    });
  }

  it("says `evaluation_failed`, and nothing of why, where the policy threw", () => {
    const conclusion = conclude(
      [{ evaluation: { ok: false, code: "evaluation_failed", detail: "p.rego:17:1" }, scene: scene(), grants: [] }],
      POLICY,
    );
    expect(conclusion).to.deep.include({ decision: "deny", proceed: false, wait: null });
    expect(codes(conclusion)).to.deep.equal(["evaluation_failed"]);
    expect(JSON.stringify(conclusion)).not.to.include("rego");
  });

  describe("an answer that is given again", () => {
    const frozen = (result: object): object => {
      for (const member of Object.values(result)) if (typeof member === "object" && member !== null) frozen(member as object);
      return Object.freeze(result);
    };
    const again = (of: object): object => JSON.parse(JSON.stringify(of)) as object;

    it("is checked again where any part of it can have changed meanwhile", () => {
      for (const freeze of [(result: object) => result, Object.freeze, frozen]) {
        const result = freeze(again(allowed)) as { reasons: { effect: string; code: string }[] };
        expect(conclusionOf(result).decision).to.equal("allow");
        const [reason] = result.reasons;
        const changed = Reflect.set(reason ?? {}, "effect", "deny");
        expect(codes(conclusionOf(result)), freeze.name).to.deep.equal([changed ? "result_invalid" : allow.code]);
      }
    });

    it("is checked again by another bundle, which may not have its reasons", () => {
      const result = frozen(again(allowed));
      expect(conclusionOf(result).proceed).to.be.true;
      const other = { ...POLICY, catalogue: {} };
      expect(conclusionOf(result, other)).to.deep.include({ decision: "deny", proceed: false });
      expect(codes(conclusionOf(result, other))).to.deep.equal(["result_invalid"]);
    });

    it("stays refused", () => {
      for (const [, result] of INVALID) {
        if (typeof result !== "object" || result === null) continue;
        const kept = frozen(result);
        for (let i = 0; i < 3; i++) expect(codes(conclusionOf(kept))).to.deep.equal(["result_invalid"]);
      }
    });

    it("names each action as it is", () => {
      const result = frozen(again(allowed));
      const messages = ["I-1", "I-2"].map((id) => {
        const of = scene({ resource: { ...REQUEST.resource, id } });
        return conclude([{ evaluation: { ok: true, result, fuel: 1 }, scene: of, grants: [] }], POLICY).reasons[0]?.message;
      });
      expect(messages).to.deep.equal([`${REQUEST.resource.type} I-1`, `${REQUEST.resource.type} I-2`]);
    });

    it("comes to what nobody else has a part of", () => {
      const needing = { ...unsaidFlag, params: { of: ["x"] }, needs: ["customer"] };
      const obligations = [{ type: "redact", fields: ["a", "b"] }];
      const result = frozen(again({ ...flagged, proceed: false, reasons: [needing], obligations }));
      const first = conclusionOf(result);
      const before = JSON.stringify(first);
      spoil(first);
      expect(JSON.stringify(conclusionOf(result))).to.equal(before);
    });

    function spoil(value: object): void {
      for (const member of Object.values(value)) if (typeof member === "object" && member !== null) spoil(member as object);
      for (const name of Object.keys(value)) expect(Reflect.set(value, name, "spoiled"), name).to.be.true;
    }
  });

  it("says one thing, to the byte, in whatever order the engine gives it", () => {
    const reason = fc.record({
      effect: fc.constantFrom("allow", "flag", "log", "deny"),
      code: fc.constantFrom("read_own", "unrelated", "odd_hour", "read_only"),
      severity: fc.constantFrom(...SEVERITIES),
      params: fc.dictionary(fc.constantFrom("a", "b", "c"), fc.nat(2)),
    });
    fc.assert(
      fc.property(
        fc.array(reason, { minLength: 1, maxLength: 8 }),
        fc.array(fc.constantFrom("a", "b", "c", "d"), { maxLength: 5 }),
        fc.infiniteStream(fc.nat()),
        (reasons, channels, order) => {
          const obligations = channels.map((channel) => ({ type: "notify", channel }));
          const shuffle = <T>(items: T[]): T[] =>
            items
              .map((item) => ({ item, key: Number(order.next().value) }))
              .sort((a, b) => a.key - b.key)
              .map(({ item }) => item);
          const result = { decision: decisionOf(reasons), proceed: false, reasons, obligations };
          const other = { ...result, reasons: shuffle(reasons), obligations: shuffle(obligations) };
          const [a, b] = [conclusionOf(result), conclusionOf(other)];
          expect(JSON.stringify(b)).to.equal(JSON.stringify(a));
        },
      ),
      { numRuns: 1000 },
    );
  });

  it("orders two reasons alike whichever of their params the engine names first", () => {
    const [ab, ba] = [
      { a: 1, b: 2 },
      { b: 2, a: 1 },
    ];
    const other = { a: 1, b: 1 };
    const first = (params: object): unknown =>
      conclusionOf({
        ...denied,
        reasons: [
          { ...deny, params },
          { ...deny, params: other },
        ],
      }).reasons[0]?.params;
    expect(first(ab)).to.deep.equal(other);
    expect(first(ba)).to.deep.equal(other);
  });

  it("puts the deciding effect first, the gravest of it first", () => {
    const reasons = [
      allow,
      log,
      { ...flag, severity: "critical" },
      { ...deny, severity: "low" },
      { ...deny, severity: "critical", code: "unrelated" },
      { ...deny, severity: "critical" },
      flag,
    ];
    const got = conclusionOf({ ...denied, reasons }).reasons.map(({ effect, severity, code }) => `${effect} ${severity} ${code}`);
    expect(got).to.deep.equal([
      "deny critical read_only",
      "deny critical unrelated",
      "deny low read_only",
      "flag critical unrelated",
      "flag high unrelated",
      "log low odd_hour",
      "allow info read_own",
    ]);
  });

  it("tells the agent the fixed sentence of the first reason, and nothing on an allow", () => {
    expect(conclusionOf(denied).tell_agent).to.equal("This data can't be changed.");
    expect(conclusionOf({ ...flagged, reasons: [allow, flag] }).tell_agent).to.equal("A person was asked.");
    expect(conclusionOf(allowed)).not.to.have.property("tell_agent");
  });

  it("leaves out of its reasons what only the policy and we need", () => {
    const { reasons } = conclusionOf({
      ...flagged,
      proceed: false,
      reasons: [{ ...flag, proceed: false, needs: ["a"] }],
    });
    expect(reasons.map((reason) => Object.keys(reason))).to.deep.equal([["code", "effect", "message", "params", "severity"]]);
  });

  describe("messages", () => {
    const said = (message: string, params: Record<string, unknown> = {}, request: object = {}, situation = {}): string => {
      const policy: ActivePolicy = {
        ...POLICY,
        catalogue: { ...CATALOGUE, read_own: { ...(CATALOGUE["read_own"] as CatalogueEntry), message } },
      };
      const result = { ...allowed, reasons: [{ ...allow, params }] };
      const conclusion = conclude([{ evaluation: { ok: true, result, fuel: 1 }, scene: scene(request, situation), grants: [] }], policy);
      return conclusion.reasons[0]?.message ?? "";
    };
    const bob = { resource: { type: "invoice", id: "I-9", attributes: { customer: "bob", amount_cents: 125000 } } };
    const full = {
      arguments: { note: "hi", tags: ["x", "y"], urgent: true, address: { city: "Ulm", zip: "89073" } },
      related: { pay_from: { type: "payment_method", id: "pm_1", attributes: { customer: "bob" } } },
    };
    const rendered: [template: string, params: Record<string, unknown>, request: object, wanted: string][] = [
      ["plain", {}, {}, "plain"],
      ["{agent} {purpose} {task} {verb} {type} {id} {caller}", {}, {}, "support-7 support T-1 read invoice I-1 gateway-1"],
      ["{customer} {amount_cents}", {}, bob, "bob 125000"],
      ["{task.customer} {task.topic} {agent.tier}", {}, {}, "ada billing 2"],
      ["{arguments.note} {arguments.tags} {arguments.urgent}", {}, full, "hi x, y true"],
      ["{arguments.address.city} {arguments.address}", {}, full, 'Ulm {"city":"Ulm","zip":"89073"}'],
      ["{related.pay_from.id} {related.pay_from.customer}", {}, full, "pm_1 bob"],
      ["{related.attached.id} {related.nothing.id} {related}", {}, full, "unknown unknown unknown"],
      ["{customer} {n}", { customer: "a param comes first", n: 0 }, bob, "a param comes first 0"],
      ["{a} {b} {c} {d}", { a: null, b: false, c: "", d: [] }, {}, "unknown false  "],
      ["{nothing} {agent.nothing} {task.nothing} {arguments.nothing}", {}, {}, "unknown unknown unknown unknown"],
      ["{constructor} {toString} {__proto__} {agent.constructor}", {}, {}, "unknown {toString} unknown unknown"],
      ["{amount_cents.constructor} {customer.length}", {}, bob, "unknown unknown"],
      ["{x}", { x: "{agent} $& $1 {x}" }, {}, "{agent} $& $1 {x}"],
      ["{Agent} { agent } {} {{agent}} {a-b}", {}, {}, "{Agent} { agent } {} {support-7} {a-b}"],
      ["{x}", { x: "a\nb\r\u001b[31mc\u0000\u007f\u0085" }, {}, "a\ufffdb\ufffd\ufffd[31mc\ufffd\ufffd\ufffd"],
      ["{x}", { x: "a\u202eb\u2066c\u200bd\ufeffe\u2028f\u2029" }, {}, "a\ufffdb\ufffdc\ufffdd\ufffde\ufffdf\ufffd"],
      ["{x}", { x: { y: "a\u202eb" } }, {}, '{"y":"a\ufffdb"}'],
      ["{x}", { x: ["a\nb", "c"] }, {}, "a\ufffdb, c"],
      ["{x}", { x: "y".repeat(201) }, {}, "y".repeat(200)],
      ["{x}", { x: `${"y".repeat(199)}\u{1f600}` }, {}, "y".repeat(199)],
      ["{x}", { x: Array(300).fill("y") }, {}, "y, ".repeat(67).slice(0, 200)],
      ["{x}", { x: "<script>alert(1)</script>" }, {}, "<script>alert(1)</script>"],
      ["{resource} {resource.id}", {}, {}, "invoice I-1 unknown"],
      ["{resource} {id}", {}, { verb: "search", resource: { type: "invoice", id: null } }, "invoice unknown"],
      ["{arguments.address.zip} {customer.name}", {}, { resource: { type: "invoice", id: "I-1" } }, "unknown unknown"],
    ];
    for (const [template, params, request, wanted] of rendered) {
      it(`${template} with ${JSON.stringify(params).slice(0, 60)}`, () => {
        expect(said(template, params, request)).to.equal(wanted);
      });
    }

    it("says unknown where there is no task or agent to look at", () => {
      const nobody = { agent: undefined, task: undefined };
      expect(said("{agent.tier} {task.topic} {task.customer}", {}, {}, nobody)).to.equal("unknown unknown unknown");
    });

    it("is one line of visible text, whatever the values are", () => {
      fc.assert(
        fc.property(fc.jsonValue({ stringUnit: CHARACTER }), (x) => {
          const message = said("{x}", { x });
          expect(message).not.to.match(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
          expect(message.length).to.be.at.most(200);
        }),
      );
    });
  });

  describe("what several tasks say", () => {
    const of = (...results: [object, Partial<Scene["situation"]>?, GrantFound[]?][]): Conclusion =>
      conclude(
        results.map(([result, situation = {}, grants = []]) => ({
          evaluation: { ok: true, result, fuel: 1 },
          scene: scene({}, situation),
          grants,
        })) as never,
        POLICY,
      );
    const above = { task_id: "T-0" };
    const odd = { ...log, severity: "medium" } as const;

    it("is every reason once, with the task that gave it first, and every obligation once", () => {
      const [own, other] = [
        { ...allowed, reasons: [log, allow], obligations: [NOTIFY] },
        { ...flagged, reasons: [log, odd, flag], obligations: [NOTIFY, { ...NOTIFY, channel: "b" }] },
      ];
      const { reasons, obligations, decision, proceed } = of([own], [other, above]);
      expect(reasons.map(({ code, severity, of: task = null }) => [code, severity, task])).to.deep.equal([
        ["unrelated", "high", "T-0"],
        ["odd_hour", "medium", "T-0"],
        ["odd_hour", "low", null],
        ["read_own", "info", null],
      ]);
      expect([decision, proceed, obligations]).to.deep.equal(["flag", true, [NOTIFY, { ...NOTIFY, channel: "b" }]]);
    });

    it("is refused where no enforcement point could meet it", () => {
      expect(codes(of([{ ...allowed, obligations: modify([1]) }], [{ ...allowed, obligations: modify([2]) }, above]))).to.deep.equal([
        "result_invalid",
      ]);
    });

    const refused = { ...denied, reasons: [{ ...deny, code: "not_permitted" }] };
    const used: GrantFound = { state: "used_up", input: { id: "G-1" } };
    const grants: [what: string, result: object, found: GrantFound[], codes: string[]][] = [
      ["a grant that is over, where nothing else permits", refused, [used], ["not_permitted", "grant_used_up"]],
      [
        "one that is over, whatever else denies",
        { ...denied, reasons: [deny, { ...deny, code: "not_permitted", severity: "low" }] },
        [used],
        ["read_only", "grant_used_up", "not_permitted"],
      ],
      ["none that is live", refused, [{ state: "live", input: { id: "G-1" } }], ["not_permitted"]],
      ["none where something is permitted", allowed, [used], ["read_own"]],
      ["none where something else denies", denied, [used], ["read_only"]],
    ];
    for (const [what, result, found, wanted] of grants)
      it(`names ${what}`, () => {
        const conclusion = of([result, {}, found]);
        expect(codes(conclusion)).to.deep.equal(wanted);
        const why = conclusion.reasons.find(({ code }) => code === "grant_used_up");
        if (why !== undefined) expect(why).to.deep.include({ effect: "deny", severity: "low", params: { grant: "G-1" } });
      });
  });

  describe("what the floor says", () => {
    it("has the limit of a narrowed agent with that reason alone", () => {
      const narrowed = { actions_per_minute: 10, permitted: 10, verb_class: "read", relation: "task" } as const;
      const params = (code: FloorCode): unknown => concludeFloor(code, POLICY, scene({}, { narrowed }), "T-1").reasons[0]?.params;
      expect([params("narrowed_rate"), params("narrowed_to_read")]).to.deep.equal([{ limit: 10 }, {}]);
    });

    for (const code of FLOOR_CODES) {
      it(`${code}: a deny with its own sentence`, () => {
        const narrowed = { actions_per_minute: 10, permitted: 10, verb_class: "read", relation: "task" } as const;
        const conclusion = concludeFloor(code, POLICY, scene({}, { narrowed }), "T-1");
        const { severity, tell_agent } = BUILTIN_REASONS.get(code) ?? {};
        expect(conclusion).to.deep.include({
          decision: "deny",
          proceed: false,
          obligations: [],
          wait: null,
          tell_agent,
        });
        expect(conclusion.reasons).to.have.lengthOf(1);
        expect(conclusion.reasons[0]).to.include({ effect: "deny", code, severity });
        expect(conclusion.reasons[0]?.message, "every name is filled")
          .to.match(/^[^{}]+$/)
          .and.not.include("unknown");
      });
    }

    it("says why something is unusual in whole phrases, as many as fit", () => {
      const why = (...phrases: string[]): string | undefined => {
        const flag = {
          effect: "flag",
          code: "unusual_flagged",
          severity: "high",
          params: { risk: 70, why: phrases },
          proceed: true,
        } as const;
        const result = { ...ALLOWED, decision: "flag", reasons: [...ALLOWED.reasons, flag] };
        const judged = { evaluation: { ok: true, result, fuel: 1 }, scene: scene(), grants: [] } as const;
        return conclude([judged], POLICY).reasons[0]?.message.replace(/^.*\(risk 70\): /, "");
      };
      const [short, long] = ["40 customers in 5 min; usual at most 4", "x".repeat(150)];
      expect(why(short)).to.equal(short);
      expect(why(short, "hour 03")).to.equal(`${short}; hour 03`);
      expect(why(short, long)).to.equal(`${short}; ${long}`);
      expect(why(long, short, "hour 03 has 0 % of its activity")).to.equal(`${long}; ${short}`);
      expect(why(long, long), "not half of it").to.equal(long);
      expect(why("x".repeat(300)))
        .to.match(/^x+\W*$/)
        .and.have.property("length")
        .at.most(210);
      expect(why()).to.equal("");
    });

    it("gives the skew and its limit, signed", () => {
      const late = concludeFloor("time_skew", POLICY, scene({}, { claim_ms: NOW - 90_000 }), "T-1");
      expect(late.reasons[0]?.params).to.deep.equal({ skew_ms: -90_000, limit_ms: 60_000 });
      expect(late.reasons[0]?.message).to.equal("the claimed time is -90000 ms from the host's clock, at most 60000 are allowed");
    });
  });
});

function decisionOf(reasons: { effect: string }[]): string | undefined {
  return ["deny", "flag", "allow"].find((decision) => reasons.some(({ effect }) => effect === decision)) ?? "allow";
}

describe("an action that was done without having been asked for", () => {
  const of = (result: unknown): [Conclusion, Conclusion] => {
    const conclusion = conclusionOf(result);
    return [conclusion, unasked(conclusion, POLICY, scene(), null)];
  };

  it("is concluded as if it had been, with a reason that a person looks into before what permits it", () => {
    const [asked, found] = of(allowed);
    expect({ ...found, reasons: asked.reasons }).to.deep.equal(asked);
    expect(found.reasons.map(({ effect, code, severity }) => [effect, code, severity])).to.deep.equal([
      ["log", "not_asked", "high"],
      ["allow", "read_own", "info"],
    ]);
    expect(found.reasons[0]?.message).to.match(/without having asked$/);
  });

  it("keeps what denies it first", () => {
    expect(codes(of(denied)[1])).to.deep.equal([...codes(of(denied)[0]), "not_asked"]);
    expect(codes(of({ ...flagged, reasons: [allow, flag] })[1])).to.deep.equal(["unrelated", "not_asked", "read_own"]);
  });
});
