import { expect } from "chai";
import fc from "fast-check";
import { Problem, type ProblemCode } from "../../src/contract/index.js";
import { scan, type ScanLimits } from "../../src/decision/scan.js";
import { JSON_CORPUS } from "./json_corpus.js";
import { WIDE, outcome, walk, hasLoneSurrogate, hasUnsafeInteger } from "./scan_support.js";

const code = (body: Buffer | string, limits = WIDE): ProblemCode | "y" => {
  const got = outcome(body, limits);
  return got instanceof Problem ? got.code : "y";
};

const nested = (levels: number, open = "[", close = "]"): string => open.repeat(levels) + close.repeat(levels);
const list = (length: number): string => `[${Array(length).fill("0").join()}]`;
const object = (keys: number): string => `{${Array.from({ length: keys }, (_, i) => `"k${i}":0`).join()}}`;

describe("scan: the bytes of a request", () => {
  describe(`a corpus of ${JSON_CORPUS.length} texts`, () => {
    for (const { name, body, verdict } of JSON_CORPUS) {
      it(`${verdict === "y" ? "accepts" : `refuses with ${verdict}`}: ${name}`, () => {
        expect(code(body)).to.equal(verdict);
      });
    }

    it("holds at least 400 cases, each once, most of them bad", () => {
      const texts = new Set(JSON_CORPUS.map(({ body }) => body.toString("hex")));
      expect(texts.size).to.equal(JSON_CORPUS.length);
      expect(JSON_CORPUS.length).to.be.at.least(400);
      expect(JSON_CORPUS.filter(({ verdict }) => verdict === "y").length).to.be.below(JSON_CORPUS.length / 2);
    });

    it("refuses every text whose name says that it is no JSON, or left to implementations", () => {
      const of = (...groups: string[]): typeof JSON_CORPUS =>
        JSON_CORPUS.filter(({ name }) => groups.some((group) => name.startsWith(group)));
      expect(of("y_", "n_", "i_")).to.have.lengthOf(JSON_CORPUS.length);
      expect(of("n_", "i_").filter(({ verdict }) => verdict === "y")).to.deep.equal([]);
      expect(of("y_").filter(({ verdict }) => verdict !== "y")).to.deep.equal([]);
    });

    it("hands over, byte for byte, what it accepts", () => {
      for (const { body, verdict, name } of JSON_CORPUS) {
        if (verdict !== "y") continue;
        expect(Buffer.from(scan(body, WIDE)).equals(body), name).to.be.true;
      }
    });

    it("agrees with JSON.parse on all it accepts, and JSON.parse with it on what is no JSON", () => {
      for (const { body, verdict, name } of JSON_CORPUS) {
        const parse = (): unknown => JSON.parse(body.toString());
        if (verdict === "y") expect(parse, name).not.to.throw();
        if (verdict === "json_invalid" && body.length > 0) expect(parse, name).to.throw(SyntaxError);
      }
    });

    it("refuses every strict prefix of a text that isn't a number", () => {
      const text = '{"a":[1,{"b":"\\ud83d\\ude00"},true,null],"c":{"d":-1.5e3}}';
      for (let end = 0; end < text.length; end++) expect(code(text.slice(0, end)), text.slice(0, end)).not.to.equal("y");
    });
  });

  describe("limits", () => {
    const table: [name: string, limits: ScanLimits, body: string, wanted: ProblemCode | "y"][] = [];
    for (const depth_max of [1, 2, 31, 32, 500]) {
      const limits = { depth_max, members_max: 256 };
      for (const [open, close, shape] of [
        ["[", "]", "arrays"],
        ['{"a":', "}", "objects"],
        ['[{"a":', "}]", "both"],
      ] as const) {
        const unit = shape === "both" ? 2 : 1;
        const levels = (n: number): string =>
          n % unit === 0
            ? open.repeat(n / unit) + "0" + close.repeat(n / unit)
            : `[${open.repeat((n - 1) / unit)}0${close.repeat((n - 1) / unit)}]`;
        if (depth_max > 1) table.push([`${shape}, depth ${depth_max} - 1`, limits, levels(depth_max - 1), "y"]);
        table.push([`${shape}, depth ${depth_max}`, limits, levels(depth_max), "y"]);
        table.push([`${shape}, depth ${depth_max} + 1`, limits, levels(depth_max + 1), "json_too_deep"]);
      }
    }
    for (const members_max of [1, 2, 3, 256]) {
      const limits = { depth_max: 32, members_max };
      for (const [make, shape] of [
        [list, "elements"],
        [object, "keys"],
      ] as const) {
        table.push([`${members_max} - 1 ${shape}`, limits, make(members_max - 1), "y"]);
        table.push([`${members_max} ${shape}`, limits, make(members_max), "y"]);
        table.push([`${members_max} + 1 ${shape}`, limits, make(members_max + 1), "json_too_wide"]);
        table.push([`${members_max} + 1 ${shape} inside`, limits, `[${make(members_max + 1)}]`, "json_too_wide"]);
      }
    }
    const three = { depth_max: 2, members_max: 3 };
    table.push(["width is counted for each array alone", three, "[[0,0,0],[0,0,0],[0,0,0]]", "y"]);
    table.push(["width is counted on after a nested array", three, "[[0,0,0],0,0,0]", "json_too_wide"]);
    table.push(["width is counted on after a nested object", three, '{"a":{"a":0},"b":0,"c":0,"d":0}', "json_too_wide"]);
    table.push(["depth is given back at each end", three, "[[0],[0],[0]]", "y"]);
    table.push(["depth is given back by empty ones", three, '{"a":[],"b":{},"c":[]}', "y"]);
    table.push(["empty ones at the limit", three, "[[],{}]", "y"]);
    table.push(["empty ones beyond the limit", three, "[[[]]]", "json_too_deep"]);
    for (const [name, limits, body, wanted] of table) {
      it(`${wanted === "y" ? "accepts" : wanted}: ${name}`, () => {
        expect(code(body, limits)).to.equal(wanted);
      });
    }

    it("holds nothing over from one call to the next, refused or not", () => {
      for (const bad of [nested(33), '{"a":{"b":1,"b":2}}', '{"a":[{"b":', "[1e400]", list(257)]) {
        expect(outcome(bad)).to.be.instanceOf(Problem);
        expect(code(nested(32))).to.equal("y");
        expect(code('{"a":1,"b":{"a":2}}')).to.equal("y");
      }
    });

    it("reads a number of any length in one pass", () => {
      // Quadratic work on this one would take minutes, not a test's time.
      const long = `[0.1${"0".repeat(1_000_000)}1]`;
      expect(code(long)).to.equal("number_not_exact");
      expect(code(`[1.${"0".repeat(1_000_000)}]`)).to.equal("y");
      expect(code(`[${"9".repeat(1_000_000)}]`)).to.equal("number_not_exact");
    });
  });

  describe("what a problem says", () => {
    const places: [body: string, field: string][] = [
      ['{"a":1,"a":2}', "/a"],
      ['{"a":{"b":1,"b":2}}', "/a/b"],
      ['{"x":0,"a":[0,{"b":1,"b":2}]}', "/a/1/b"],
      ['[[],[{},{"b":1,"c":[],"b":2}]]', "/1/1/b"],
      ['{"a/b":{"c~d":1,"c~d":2}}', "/a~1b/c~0d"],
      ['{"a":{"z":1},"b":{"c":{"":1,"":2}}}', "/b/c/"],
      ['{"\\u0061":{"b":1,"\\u0062":2}}', "/a/b"],
    ];
    for (const [body, field] of places) {
      it(`points at ${field} in ${body}`, () => {
        const problem = outcome(body) as Problem;
        expect([problem.code, problem.detail.field]).to.deep.equal(["json_duplicate_key", field]);
      });
    }

    it("clips a long key, and never through the middle of a character", () => {
      const key = "x".repeat(127) + "\u{1f600}" + "y".repeat(1000);
      const problem = outcome(JSON.stringify([0]).replace("0", `{"${key}":1,"${key}":2}`)) as Problem;
      expect(problem.detail.field).to.equal(`/0/${"x".repeat(127)}`);
    });

    const offsets: [body: string, byte: number][] = [
      ["[1,]", 3],
      ['{"a":1,}', 7],
      ["[01]", 3],
      ["[tru]", 1],
      ['["\u00e9\n"]', 4],
      ["[1e400]", 1],
      ["[] x", 3],
    ];
    for (const [body, byte] of offsets) {
      it(`names byte ${byte} of ${JSON.stringify(body)}`, () => {
        expect((outcome(body) as Problem).detail.expected).to.match(new RegExp(` at byte ${byte}$`));
      });
    }

    it("expects a value, and no word in particular, where something else begins like a word", () => {
      for (const body of ["not json", "tru", "False", "nul", "x"])
        expect((outcome(body) as Problem).detail.expected, body).to.equal("a value at byte 0");
    });

    it("repeats nothing of a value", () => {
      for (const body of ['{"agent_token":"s3cret"x}', '["s3cret\n"]', '{"s3cret":1e400}', '["s3cret', "s3cret"]) {
        expect(JSON.stringify(outcome(body)), body).not.to.include("s3cret");
      }
    });
  });

  describe("properties", () => {
    it("lets nothing through that the engine would read differently", () => {
      fc.assert(
        fc.property(hostileText, (text) => {
          const got = outcome(text);
          if (got instanceof Problem) return;
          const value: unknown = JSON.parse(got);
          const again = JSON.stringify(value);
          expect(outcome(again), again).to.equal(again);
          expect(hasUnsafeInteger(value) || hasLoneSurrogate(value) || hasNonFinite(value), text).to.be.false;
          expect(keysIn(value)).to.equal(keysSpelled(got));
        }),
        { numRuns: 3000 },
      );
    });

    it("answers any bytes with a text that JSON.parse takes or with a problem", () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
          agreesWithParse(Buffer.from(bytes));
        }),
        { numRuns: 3000 },
      );
    });

    it("answers any mutation of a good request with a text that JSON.parse takes or with a problem", () => {
      const good = Buffer.from(
        '{"agent":"support-7","verb":"read","resource":{"type":"invoice","id":"I-9","attributes":{"customer":"bob","n":-1.5e3}},' +
          '"arguments":{"text":"\\ud83d\\ude00 \\u00e9 \u00e9","list":[1,2,{"a":null,"b":true}]},"at_least":4711}',
      );
      const edit = fc.record({
        at: fc.nat(good.length),
        cut: fc.nat(3),
        put: fc.oneof(
          fc.uint8Array({ maxLength: 3 }),
          fc
            .constantFrom('"', "\\", "{", "}", "[", "]", ",", ":", "0", "e9", "\\u", "\ud83d", "\u0000", '"a":', "\ufeff")
            .map((s) => Buffer.from(s)),
        ),
      });
      fc.assert(
        fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
          let body = good;
          for (const { at, cut, put } of edits) body = Buffer.concat([body.subarray(0, at), put, body.subarray(at + cut)]);
          agreesWithParse(body);
        }),
        { numRuns: 5000 },
      );
    });

    it("finds a repeated key at any depth in any spelling", () => {
      const key = fc.string({ unit: "grapheme", maxLength: 6 }).filter((k) => !hasLoneSurrogate(k));
      fc.assert(
        fc.property(
          fc.uniqueArray(key, { minLength: 1, maxLength: 8 }),
          fc.nat(),
          fc.nat(),
          fc.array(fc.constantFrom("[", "{"), { maxLength: 6 }),
          fc.infiniteStream(fc.nat(3)),
          (keys, which, where, around, spelling) => {
            const spell = (text: string): string => spelled(text, () => Number(spelling.next().value));
            const members = keys.map((k) => `${spell(k)}:0`);
            const wrap = (inner: string): string =>
              around.reduce((text, open) => (open === "[" ? `[0,${text}]` : `{${spell("a")}:${text},"b":{"a":0}}`), inner);
            expect(code(wrap(`{${members.join()}}`))).to.equal("y");
            const twice = [...members];
            const again = keys[which % keys.length] ?? "";
            twice.splice(where % (twice.length + 1), 0, `${spell(again)}:{"x":1}`);
            expect(code(wrap(`{${twice.join()}}`))).to.equal("json_duplicate_key");
          },
        ),
        { numRuns: 2000 },
      );
    });

    it("tells apart keys whose hashes collide", () => {
      // Found by search: FNV-1a gives both of these keys one hash.
      const [a, b] = collidingKeys();
      expect(code(`{"${a}":1,"${b}":2}`)).to.equal("y");
      expect(code(`{"${a}":1,"${b}":2,"${a}":3}`)).to.equal("json_duplicate_key");
    });

    it("refuses keys that were made to collide, before telling them apart costs more than reading the body", () => {
      const keys = madeToCollide(80);
      const text = `{${keys.map((key) => `"${key}":1`).join()}}`;
      expect(code(text)).to.equal("json_too_wide");
      const spread = keys.slice(0, 40).map((_, i) => `{"${keys[2 * i] ?? ""}":1,"${keys[2 * i + 1] ?? ""}":2}`);
      expect(code(`[${spread.join()}]`), "spread over many objects").to.equal("json_too_wide");
      expect(code(`[${spread.slice(0, 16).join()}]`), "a few").to.equal("y");
      expect(code(`{"${keys[0] ?? ""}":1}`), "the next body starts afresh").to.equal("y");
    });

    it("accepts a number if and only if reading and writing it changes nothing", () => {
      const digits = (max: number): fc.Arbitrary<string> => fc.stringMatching(new RegExp(`^[0-9]{1,${max}}$`));
      const numeral = fc
        .tuple(
          fc.constantFrom("", "-"),
          fc.oneof(
            fc.constant("0"),
            fc.stringMatching(/^[1-9][0-9]{0,20}$/),
            fc.bigInt({ min: 2n ** 53n - 4n, max: 2n ** 53n + 4n }).map(String),
          ),
          fc.oneof(
            fc.constant(""),
            digits(25).map((d) => `.${d}`),
            fc.constantFrom(".0", ".5", ".25", ".1", ".000"),
          ),
          fc.oneof(
            fc.constant(""),
            fc.integer({ min: -340, max: 340 }).map((e) => `e${e}`),
            fc.constantFrom("e+2", "E-2", "e00", "e1"),
          ),
        )
        .map((parts) => parts.join(""));
      const printed = fc.double({ noNaN: true, noDefaultInfinity: true }).map(String);
      fc.assert(
        fc.property(fc.oneof(numeral, printed), (text) => {
          expect(code(`[${text}]`), text).to.equal(isExact(text) ? "y" : "number_not_exact");
        }),
        { numRuns: 10_000 },
      );
    });
  });
});

/** Independent of the scanner's own comparison: both decimals as fractions of big integers, by cross multiplication. */
function isExact(text: string): boolean {
  const value = Number(text);
  if (!Number.isFinite(value)) return false;
  const [a, b] = [fraction(text), fraction(String(value))];
  if (a.top * b.bottom !== b.top * a.bottom) return false;
  const whole = a.top % a.bottom === 0n;
  const size = a.top < 0n ? -a.top : a.top;
  return !whole || size / a.bottom < 2n ** 53n;
}

function fraction(text: string): { top: bigint; bottom: bigint } {
  const match = /^(-?)(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (match === null) throw new Error(`not a numeral: ${text}`);
  const [, sign = "", whole = "", part = "", power = "0"] = match;
  const top = BigInt(sign + whole + part);
  const exponent = Number(power) - part.length;
  return exponent >= 0 ? { top: top * 10n ** BigInt(exponent), bottom: 1n } : { top, bottom: 10n ** BigInt(-exponent) };
}

/** A string literal for this text; `choose` picks among the spellings of each character. */
function spelled(text: string, choose: () => number): string {
  const units = Array.from(text).flatMap((character) => {
    const escaped = [...Array(character.length).keys()].map((i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`);
    const plain = JSON.stringify(character).slice(1, -1);
    return (
      [plain, escaped.join(""), escaped.join("").replace(/[a-f]/g, (c) => c.toUpperCase()), character === "/" ? "\\/" : plain][choose()] ??
      plain
    );
  });
  return `"${units.join("")}"`;
}
const hasNonFinite = (value: unknown): boolean => walk(value, (leaf) => typeof leaf === "number" && !Number.isFinite(leaf));

function keysIn(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce((sum: number, member) => sum + keysIn(member), own);
}

/** Keys as the text spells them, by another road than any parser's: strings that a colon follows. */
function keysSpelled(text: string): number {
  return [...text.matchAll(/"(?:[^"\\]|\\.)*"([\s]*:)?/gs)].filter(([, colon]) => colon !== undefined).length;
}

function agreesWithParse(body: Buffer): void {
  const got = outcome(body);
  if (got instanceof Problem) {
    expect(got.status).to.equal(400);
    return;
  }
  const value: unknown = JSON.parse(body.toString());
  expect(keysIn(value)).to.equal(keysSpelled(got));
  expect(Buffer.from(got).equals(body)).to.be.true;
}

/** JSON-like texts, put together from pieces that trouble parsers. */
const hostileText = fc
  .letrec<{ value: string }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      fc.constantFrom("0", "-0", "1e400", "1e-400", "9007199254740993", "0.1", "1.0", "1E2", "true", "null", "[]", "{}", "01", "+1", "NaN"),
      fc.constantFrom('"a"', '"\\ud800"', '"\\ud83d\\ude00"', '"\\u0000"', '"\u2028"', '"\\x"', '"__proto__"', '"\u202e"'),
      fc.array(tie("value"), { maxLength: 4 }).map((items) => `[${items.join()}]`),
      fc
        .array(fc.tuple(fc.constantFrom('"a"', '"\\u0061"', '"b"', '"__proto__"', '"\\ud800"', '""', '"c"'), tie("value")), {
          maxLength: 4,
        })
        .map((entries) => `{${entries.map((entry) => entry.join(":")).join()}}`),
    ),
  }))
  .value.map((text) => text);

function collidingKeys(): [string, string] {
  const seen = new Map<number, string>();
  for (let i = 0; ; i++) {
    const key = i.toString(36);
    let hash = 0x811c9dc5;
    for (const byte of Buffer.from(key)) hash = Math.imul(hash ^ byte, 0x01000193);
    const other = seen.get(hash);
    if (other !== undefined) return [other, key];
    seen.set(hash, key);
  }
}

/** Keys of one hash: beginnings from the hash's start, endings backwards from where it is to end, joined in the middle. */
function madeToCollide(count: number): string[] {
  const prime = 0x01000193;
  let inverse = 1;
  for (let i = 0; i < 5; i++) inverse = Math.imul(inverse, 2 - Math.imul(prime, inverse));
  const letter = (n: number, i: number): string => String.fromCharCode(0x30 + ((n >> (5 * i)) & 31));
  const beginnings = new Map<number, string>();
  for (let n = 0; n < 1 << 18; n++) {
    const text = [0, 1, 2].map((i) => String.fromCharCode(0x3f + ((n >> (6 * i)) & 63)).replace("\\", "!")).join("");
    let hash = 0x811c9dc5;
    for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, prime);
    beginnings.set(hash, text);
  }
  const keys: string[] = [];
  for (let n = 0; keys.length < count; n++) {
    let hash = 12_345;
    let ending = "";
    for (let i = 0; i < 5; i++) {
      ending = letter(n, i) + ending;
      hash = Math.imul(hash, inverse) ^ ending.charCodeAt(0);
    }
    const beginning = beginnings.get(hash);
    if (beginning !== undefined) keys.push(beginning + ending);
  }
  return keys;
}
