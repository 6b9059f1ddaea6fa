import { createHash } from "node:crypto";
import { expect } from "chai";
import { canonical } from "../../src/contract/index.js";
import { page } from "../../src/review/page/page.js";
import type { Review } from "../../src/review/report.js";
import { COMPILER_BUILD_MS_MAX } from "../build/support.js";
import { AGENT } from "../replay/desk.js";
import { FROM, TO, agentFact, fact, note, reviewOf, week } from "./made.js";

const TAGS = new Set(
  "html head meta title style body main header h1 h2 h3 p dl dt dd b div span ul ol li nav a section table thead tbody tr th td code details summary svg g rect line text i footer".split(
    " ",
  ),
);
const VOID = new Set(["meta", "rect", "line"]);
const ATTRIBUTES = new Set(
  "lang charset http-equiv content name class id href scope role aria-label aria-hidden viewBox width height x y x1 x2 y1 y2 rx text-anchor fill-opacity".split(
    " ",
  ),
);

interface Parsed {
  tags: Map<string, number>;
  attributes: [name: string, value: string][];
  text: string;
}

/**
 * Reads a page whose every tag, attribute and quote is as this page's own templates write them.
 * @throws Error for anything else: a tag that no template has, one that isn't closed, an attribute without quotes, a bare `<` or `&`
 */
function parse(source: string): Parsed {
  const parsed: Parsed = { tags: new Map(), attributes: [], text: "" };
  const open: string[] = [];
  let rest = source.replace(/^<!doctype html>\n/, "");
  while (rest !== "") {
    const text = /^[^<]+/.exec(rest)?.[0] ?? "";
    if (text !== "") {
      if (open.at(-1) !== "style" && (/&(?!(?:amp|lt|gt|quot|#39);)/.test(text) || text.includes(">")))
        throw new Error(`bare markup in ${text}`);
      parsed.text += text;
      rest = rest.slice(text.length);
      continue;
    }
    const [whole = "", closing = "", name = "", said = "", self = ""] =
      /^<(\/?)([a-z0-9]+)((?:\s+[a-zA-Z0-9-]+="[^"<>]*")*)\s*(\/?)>/.exec(rest) ?? [];
    if (whole === "" || !TAGS.has(name)) throw new Error(`no tag of ours: ${rest.slice(0, 80)}`);
    rest = rest.slice(whole.length);
    if (closing === "/") {
      if (open.pop() !== name) throw new Error(`${name} is closed where it isn't open`);
      continue;
    }
    parsed.tags.set(name, (parsed.tags.get(name) ?? 0) + 1);
    for (const [, attribute = "", value = ""] of said.matchAll(/([a-zA-Z0-9-]+)="([^"]*)"/g)) {
      if (!ATTRIBUTES.has(attribute)) throw new Error(`no attribute of ours: ${attribute}`);
      parsed.attributes.push([attribute, value]);
    }
    if (self === "" && !VOID.has(name)) open.push(name);
  }
  if (open.length > 0) throw new Error(`${open.join(", ")} aren't closed`);
  return parsed;
}

/** WCAG 2, 1.4.3. */
function contrast(a: string, b: string): number {
  const [light = 0, dark = 0] = [a, b].map(luminance).sort((one, other) => other - one);
  return (light + 0.05) / (dark + 0.05);
}

function luminance(colour: string): number {
  const digits = colour.length === 4 ? colour.slice(1).replaceAll(/./g, "$&$&") : colour.slice(1);
  const [r = 0, g = 0, b = 0] = [0, 2, 4].map((at) => {
    const part = parseInt(digits.slice(at, at + 2), 16) / 255;
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

const HOSTILE = [
  `<script>alert(1)</script>`,
  `"><img src=x onerror=alert(1)>`,
  `' onmouseover='alert(1)`,
  `</style><script>alert(1)</script>`,
  `javascript:alert(1)`,
  `https://evil.example/x?<b>`,
  `\u202egnp.exe\u202c`,
  `\x1b[31mred\x1b[0m`,
  `a\u0000b\u2028c`,
  `&lt;b&gt;&amp;`,
  `=HYPERLINK("http://evil.example")`,
  `${"x".repeat(20_000)}<i>`,
] as const;

describe("a review's page", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);

  let found: Review;
  let source: string;
  let parsed: Parsed;
  before(async () => {
    const { log, content } = await week(({ log: into }) => {
      fact(into, FROM + 1, "agent_created", "agent", agentFact("idle-1"));
      fact(into, FROM + 2, "grant_created", "grant", {
        id: "G-1",
        agent: AGENT.id,
        task: null,
        entry: { read: "mailbox" },
        reason: "case 4711",
        requested_by: "hal",
        approved_by: "lead@example.com",
        not_before: new Date(FROM).toISOString(),
        expires: new Date(TO * 2).toISOString(),
        uses: 2,
        ended: null,
      });
    });
    found = reviewOf({ log, content });
    source = page(found);
    parsed = parse(source);
  });

  it("is well-formed, and every template's tags are closed", () => {
    expect(parsed.tags.get("html")).to.equal(1);
    expect(parsed.tags.get("svg")).to.be.above(6);
    expect(parsed.tags.get("table")).to.be.above(8);
  });

  it("takes nothing from elsewhere and runs nothing: its policy of content says so, and its style alone fits", () => {
    expect(parsed.tags.has("script") || source.includes("<link") || source.includes("url(") || source.includes("@import")).to.equal(false);
    for (const [name, value] of parsed.attributes) if (name === "href") expect(value).to.match(/^#[a-z]+$/);
    const [, style = ""] = /<style>(.*?)<\/style>/s.exec(source) ?? [];
    const hash = createHash("sha256").update(style).digest("base64");
    expect(parsed.attributes).to.deep.include([
      "content",
      `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`,
    ]);
    expect(source).not.to.match(/\sstyle=/);
  });

  it("can be read without seeing: plots have names, headings an order, tables their heads, links a place to lead to", () => {
    const plots = [...source.matchAll(/<svg[^>]*>/g)].map(([tag]) => tag);
    for (const plot of plots)
      expect(plot)
        .to.match(/role="img"/)
        .and.match(/aria-label="[^"]{10,}"/);
    const levels = [...source.matchAll(/<h([1-6])/g)].map(([, level]) => Number(level));
    expect(levels[0]).to.equal(1);
    for (const [i, level] of levels.entries()) expect(level - (levels[i - 1] ?? 1)).to.be.at.most(1);
    for (const [head] of source.matchAll(/<th[\s>][^>]*>/g)) expect(head).to.contain('scope="col"');
    const ids = new Set([...source.matchAll(/ id="([a-z]+)"/g)].map(([, id]) => id));
    for (const [, to] of source.matchAll(/href="#([a-z]+)"/g)) expect(ids).to.include(to);
    expect(source).to.match(/<html lang="en">/);
  });

  it("has words that stand out from what is behind them, by day and by night", () => {
    const themes = [...source.matchAll(/:root \{([^}]*)\}/g)].map(
      ([, body = ""]) => new Map([...body.matchAll(/--([a-z-]+): (#[0-9a-f]{3,6})/g)].map(([, name = "", colour = ""]) => [name, colour])),
    );
    // The plain style's day, night and paper; then the review's.
    const [day, night, paper, ...own] = themes;
    for (const [i, base] of [day, night, paper].entries()) {
      const theme = new Map([...(base ?? []), ...(own[i] ?? [])]);
      for (const behind of ["paper", "card"])
        for (const words of ["ink", "soft", "deny", "flag-ink", "ok", "freer-ink", "stricter-ink"])
          if (theme.has(words) && theme.has(behind))
            expect(contrast(theme.get(words) ?? "", theme.get(behind) ?? ""), `${words} on ${behind}, theme ${i}`).to.be.at.least(4.5);
    }
    expect(own).to.have.lengthOf(3);
  });

  it("says what the JSON says, and by which digest of it", () => {
    const digest = createHash("sha256").update(canonical(found)).digest("hex");
    expect(parsed.text).to.contain(`sha256:${digest}`);
    for (const said of [
      "idle-1",
      "G-1",
      "case 4711",
      "lead@example.com",
      "mail_is_private",
      "never used",
      "allows read account about the task",
      "log.example/desk",
      found.rests_on.through.root ?? "",
    ])
      expect(parsed.text).to.contain(said);
    for (const part of ["Name", "Role", "Date", "Signature", "keep as it is", "withdraw"]) expect(parsed.text).to.contain(part);
  });

  it("says first what has to be known before it is signed", async () => {
    const made = await week();
    made.log.changeLine(9, () => "nothing");
    const { text } = parse(page(reviewOf(made)));
    expect(text.indexOf("Not complete.")).to.be.within(1, text.indexOf("What needs a decision"));
    expect(text).to.contain("it is not a JSON object");
  });

  it("of nothing at all is a page all the same", async () => {
    const { log } = await week();
    const nothing = { log, content: (await week()).content };
    expect(parse(page(reviewOf(nothing, { from_ms: TO * 2, to_ms: TO * 2 + 1000, bundles: [] }))).text).to.contain("0decisions");
  });

  for (const hostile of HOSTILE) {
    it(`shows ${JSON.stringify(hostile.slice(0, 40))} as the text that it is, wherever a record says it`, async () => {
      const made = await week(({ log }) => {
        const at = FROM + 1;
        fact(
          log,
          at,
          hostile,
          "agent",
          agentFact(hostile, { owner: hostile, name: hostile, version: hostile, status: hostile, purposes: [hostile] }),
          { caller: hostile, reason: hostile },
        );
        fact(log, at, "grant_created", "grant", {
          id: hostile,
          agent: hostile,
          task: hostile,
          entry: { [hostile]: hostile },
          reason: hostile,
          requested_by: hostile,
          approved_by: hostile,
          not_before: new Date(FROM).toISOString(),
          expires: new Date(TO).toISOString(),
          uses: 1,
          ended: { at: hostile, reason: hostile },
        });
        note(log, at, {
          kind: "bundle",
          change: hostile,
          from: "path",
          code: hostile,
          policy: { bundle: hostile, revision: hostile, sequence: 1, digest: hostile },
        });
        note(log, at, { kind: "refusal", code: hostile, count: 1 });
        note(log, at, { kind: hostile });
        note(log, at, { kind: "service", change: hostile, durability: hostile, keys: [hostile], origin: hostile });
      });
      const { request, facts } = (JSON.parse(made.log.lines()[3] ?? "") as { input: { request: object; facts: object } }).input;
      made.log.change(4 + 8, (record) => {
        const { answer } = record as { answer: { reasons: object[] } };
        const reasons = answer.reasons.map((reason) => ({ ...reason, code: hostile, message: hostile }));
        return {
          ...record,
          answer: { ...answer, reasons, finding: hostile, policy: { bundle: hostile, revision: hostile, sequence: 1, digest: hostile } },
          input: {
            facts,
            request: {
              ...request,
              agent: hostile,
              purpose: hostile,
              verb: hostile,
              resource: { type: hostile, id: hostile, attributes: {} },
            },
          },
        };
      });
      const review = reviewOf(made);
      const source = page(review);
      const { text } = parse(source);
      expect(source.length).to.be.below(500_000);
      expect(JSON.stringify(review)).to.contain(JSON.stringify(hostile.slice(0, 5)).slice(1, -1));
      expect(text).not.to.match(/[\u202a-\u202e\u2066-\u2069\u0000\u001b\u2028]/);
    });
  }
});
