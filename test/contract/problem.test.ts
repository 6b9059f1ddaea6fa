import { expect } from "chai";
import {
  BUILTIN_REASONS,
  FLOOR_CODES,
  PROBLEMS,
  Problem,
  clip,
  pointerSteps,
  pointerToken,
  type ProblemCode,
} from "../../src/contract/index.js";

const codes = Object.keys(PROBLEMS) as ProblemCode[];

describe("problems: RFC 9457", () => {
  for (const code of codes) {
    it(`${code} becomes a body with its own type, title and status`, () => {
      const { status, title, hint } = PROBLEMS[code];
      const body = new Problem(code).toJSON();
      expect(body).to.deep.equal({
        type: `urn:remit:problem:${code}`,
        title,
        status,
        code,
        ...(hint === undefined ? {} : { hint }),
      });
      expect(code).to.match(/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/);
      expect(status).to.be.within(400, 503);
      expect(title, "lower case, no stop, one line").to.match(/^[a-z][^\n]*[^.\n]$|^no |^`/);
    });
  }

  it("has no two codes with one title", () => {
    const titles = codes.map((code) => PROBLEMS[code].title);
    expect(new Set(titles).size).to.equal(titles.length);
  });

  it("shares no code with the reasons of decisions", () => {
    for (const code of codes) expect(BUILTIN_REASONS.has(code), code).to.be.false;
  });

  it("carries what it was told, and its own hint before the table's", () => {
    const problem = new Problem("path_not_canonical", {
      field: "/resource/id",
      expected: "plain segments",
      item: 3,
      hint: "another",
    });
    expect(problem.toJSON()).to.include({
      field: "/resource/id",
      expected: "plain segments",
      item: 3,
      hint: "another",
      status: 400,
    });
    expect(problem.message).to.equal("a path-shaped id is not canonical: expected plain segments");
  });

  it("keeps its cause out of what a caller sees", () => {
    const problem = new Problem("internal", {}, { cause: new Error("/etc/secret: no such file") });
    expect((problem.cause as Error).message).to.include("/etc/secret");
    expect(JSON.stringify(problem)).not.to.match(/secret|stack|cause/);
    expect(problem).to.be.instanceOf(Error).and.to.have.property("name", "Problem");
  });

  const tokens: [name: string, token: string][] = [
    ["plain", "plain"],
    ["", ""],
    ["a/b", "a~1b"],
    ["a~b", "a~0b"],
    ["~1", "~01"],
    ["/~/", "~1~0~1"],
    ["x".repeat(200), "x".repeat(128)],
    ["/".repeat(200), "~1".repeat(128)],
    [`${"x".repeat(127)}\u{1f600}`, "x".repeat(127)],
    [`${"x".repeat(126)}\u{1f600}`, `${"x".repeat(126)}\u{1f600}`],
  ];
  for (const [name, token] of tokens) {
    it(`spells ${JSON.stringify(name).slice(0, 24)} as a pointer's step`, () => {
      expect(pointerToken(name)).to.equal(token);
    });
  }

  it("reads the names that a pointer leads through, whatever is in them", () => {
    const names = ["a/b", "a~b", "~1", "/~/", "", "0"];
    expect(pointerSteps(names.map((name) => `/${pointerToken(name)}`).join(""))).to.deep.equal(names);
    expect(pointerSteps("")).to.deep.equal([]);
  });

  it("clips at every length without leaving half a character", () => {
    const text = "a\u{1f600}b\u{10ffff}\u00e9";
    for (let max = 0; max <= text.length; max++) {
      const clipped = clip(text, max);
      expect(text.startsWith(clipped)).to.be.true;
      expect(clipped.length).to.be.within(max - 1, max);
      expect(Buffer.from(clipped).toString()).to.equal(clipped);
    }
  });
});

describe("built-in reasons", () => {
  it("has a deny for each floor code, with a sentence for the agent that names nothing", () => {
    for (const code of FLOOR_CODES) {
      const reason = BUILTIN_REASONS.get(code);
      expect(reason?.effect, code).to.equal("deny");
      expect(reason?.tell_agent, code).to.match(/^[A-Z][^{}]*\.$/);
    }
  });

  it("never lets a built-in reason other than a grant permit", () => {
    const permitting = [...BUILTIN_REASONS].filter(([, { effect }]) => effect === "allow").map(([code]) => code);
    expect(permitting).to.deep.equal(["granted"]);
  });

  it("names in its templates only what a message can show", () => {
    const shown = new Set([
      "agent",
      "purpose",
      "task",
      "verb",
      "type",
      "id",
      "resource",
      "caller",
      "grant",
      "skew_ms",
      "limit_ms",
      "limit",
      "risk",
      "why",
      "argument",
      "role",
      "writer",
      "used",
      "adds",
      "max",
    ]);
    for (const [code, { message }] of BUILTIN_REASONS) {
      for (const [, name = ""] of message.matchAll(/\{([^}]*)\}/g)) expect(shown.has(name), `${code}: ${name}`).to.be.true;
    }
  });
});
