import { expect } from "chai";
import { BEHAVIOR_CHANNELS, BEHAVIOR_DEFAULTS, type BehaviorPolicy } from "../../src/contract/index.js";
import { behaviorWords } from "../../src/bundle/diff.js";
import { compactErrors, expectOnly, purposes, support } from "./support.js";

type Compiled = { behavior: BehaviorPolicy | undefined; notes: ReturnType<typeof purposes>["notes"] };

/** @param text what stands behind `behavior:`, on line 5 */
function behavior(text: string): Compiled {
  const { value, notes } = purposes(support(`behavior: ${text}`));
  return { behavior: value.purposes["support"]?.behavior, notes };
}

const DEFAULTS = BEHAVIOR_DEFAULTS;
const { narrowed } = DEFAULTS;

describe("a purpose's `behavior`", () => {
  it("is the usual one where nothing is said", () => {
    const { value, notes } = purposes(support("allow: []"));
    expect(notes).to.deep.equal([]);
    expect(value.purposes["support"]?.behavior).to.deep.equal(DEFAULTS);
  });

  // prettier-ignore
  const GOOD: [string, Partial<BehaviorPolicy>][] = [
    ["{}", {}],
    ["{log: 25, flag: 60, hold: 60, narrow: 60, suspend: 85}", {}],
    ["{flag: 40}", { flag: 40 }],
    ["{log: never}", { log: null }],
    ["{narrow: never, suspend: never}", { narrow: null, suspend: null }],
    ["{log: never, flag: never, hold: never, narrow: never, suspend: never}", { log: null, flag: null, hold: null, narrow: null, suspend: null }],
    ["{log: 1, flag: 1, hold: 1, narrow: 2, suspend: 2, narrowed: {below: 1}}", { log: 1, flag: 1, hold: 1, narrow: 2, suspend: 2, narrowed: { ...narrowed, below: 1 } }],
    ["{suspend: 100}", { suspend: 100 }],
    ["{flag: never, log: 60}", { flag: null, log: 60 }],
    ["{suspend: never, narrow: 90}", { suspend: null, narrow: 90 }],
    ["{hold: 30, narrow: 70}", { hold: 30, narrow: 70 }],
    ["{channels: {}}", {}],
    ["{channels: {order: {flag: 3}}}", { channels: { order: { then: "flag", at: 3 } } }],
    ["{channels: {order: {log: 2.5}, fan_out: {flag: 9}}}", { channels: { order: { then: "log", at: 2.5 }, fan_out: { then: "flag", at: 9 } } }],
    ["{narrowed: {}}", {}],
    ["{narrowed: {actions_per_minute: 1}}", { narrowed: { ...narrowed, actions_per_minute: 1 } }],
    ["{narrowed: {below: 59}}", { narrowed: { ...narrowed, below: 59 } }],
    ["{narrowed: {for: 90s}}", { narrowed: { ...narrowed, for_ms: 90_000 } }],
    ["{narrowed: {for: 15m}}", {}],
    ["{narrowed: {actions_per_minute: 60, below: 20, for: 24h}}", { narrowed: { actions_per_minute: 60, below: 20, for_ms: 86_400_000 } }],
  ];
  for (const [text, wanted] of GOOD) {
    it(`reads ${text}`, () => {
      const { behavior: got, notes } = behavior(text);
      expect(notes).to.deep.equal([]);
      expect(got).to.deep.equal({ ...DEFAULTS, ...wanted });
    });
  }

  it("knows every channel there is", () => {
    for (const channel of BEHAVIOR_CHANNELS) expect(behavior(`{channels: {${channel}: {log: 2}}}`).notes).to.deep.equal([]);
  });

  const WRONG: [string, string, string?][] = [
    // What isn't known.
    ["never", "`behavior` must be a mapping"],
    ["null", "`behavior` must be a mapping"],
    ["[flag]", "`behavior` must be a mapping"],
    ["{suspned: 85}", "unknown key in `behavior` `suspned`", "did you mean `suspend`?"],
    ["{deny: 85}", "unknown key in `behavior` `deny`"],
    ["{risk: 85}", "unknown key in `behavior` `risk`"],
    ["{constructor: 85}", "unknown key in `behavior` `constructor`"],
    // Risks.
    ["{flag: 0}", "`flag` must be a risk from 1 to 100, or `never`"],
    ["{flag: 101}", "`flag` must be a risk from 1 to 100, or `never`"],
    ["{flag: -1}", "`flag` must be a risk from 1 to 100, or `never`"],
    ["{flag: 59.5}", "`flag` must be a risk from 1 to 100, or `never`"],
    ['{flag: "60"}', "`flag` must be a risk from 1 to 100, or `never`"],
    ["{flag: null}", "`flag` must be a risk from 1 to 100, or `never`"],
    ["{flag: always}", "`flag` must be a risk from 1 to 100, or `never`"],
    ["{flag: false}", "`flag` must be a risk from 1 to 100, or `never`"],
    ["{flag: [60]}", "`flag` must be a risk from 1 to 100, or `never`"],
    ["{log: Never}", "`log` must be a risk from 1 to 100, or `never`"],
    ["{narrow: {at: 60}}", "`narrow` must be a risk from 1 to 100, or `never`"],
    // Steps that would never come about.
    ["{flag: 90}", "`flag` is 90 and `suspend` is 85 where nothing is said: the graver step comes first"],
    ["{hold: 90}", "`hold` is 90 and `suspend` is 85 where nothing is said"],
    ["{narrow: 90}", "`narrow` is 90 and `suspend` is 85 where nothing is said"],
    ["{flag: 20}", "`log` is 25 where nothing is said and `flag` is 20: the graver step comes first"],
    ["{hold: 24}", "`log` is 25 where nothing is said and `hold` is 24"],
    ["{suspend: 50, flag: 50, hold: 50}", "`narrow` is 60 where nothing is said and `suspend` is 50"],
    ["{log: 80, flag: 85, hold: 85, narrow: never, suspend: 70}", "`flag` is 85 and `suspend` is 70"],
    // Channels.
    ["{channels: order}", "`channels` must be a mapping"],
    ["{channels: {ordre: {flag: 3}}}", "unknown channel `ordre`", "did you mean `order`?"],
    ["{channels: {order: 3}}", "channel `order` must be a mapping"],
    ["{channels: {order: {}}}", "channel `order` must say one of log, flag", "write {flag: 3}"],
    ["{channels: {order: {log: 2, flag: 3}}}", "channel `order` must say one of log, flag"],
    ["{channels: {order: {deny: 3}}}", "unknown key in channel `order` `deny`", "known: log, flag"],
    ["{channels: {order: {flag: 0}}}", "`flag` of a channel must be from 1 to 9", "once in a thousand"],
    ["{channels: {order: {flag: 9.5}}}", "`flag` of a channel must be from 1 to 9"],
    ["{channels: {order: {flag: 3.25}}}", "with one digit behind the point at most"],
    ["{channels: {order: {flag: never}}}", "`flag` of a channel must be from 1 to 9"],
    ['{channels: {order: {flag: "3"}}}', "`flag` of a channel must be from 1 to 9"],
    // What narrowing leaves.
    ["{narrowed: 10}", "`narrowed` must be a mapping"],
    ["{narrowed: {rate: 10}}", "unknown key in `narrowed` `rate`"],
    ["{narrowed: {actions_per_minute: 0}}", "`actions_per_minute` must be a whole number from 1 to 10000"],
    ["{narrowed: {actions_per_minute: 1.5}}", "`actions_per_minute` must be a whole number from 1 to 10000"],
    ["{narrowed: {below: 0}}", "`below` must be a whole number from 1 to 100"],
    ["{narrowed: {below: 60}}", "narrowing at 60 that ends below 60 would end at once", "less than `narrow`"],
    ["{narrow: 30}", "narrowing at 30 that ends below 40 would end at once"],
    ["{narrow: 30, narrowed: {below: 35}}", "narrowing at 30 that ends below 35 would end at once"],
    ["{narrowed: {for: 15}}", "`for` must be from 10s to 24h", "write 90s, 15m or 2h"],
    ["{narrowed: {for: 9s}}", "`for` must be from 10s to 24h"],
    ["{narrowed: {for: 25h}}", "`for` must be from 10s to 24h"],
    ["{narrowed: {for: 500ms}}", "`for` must be from 10s to 24h"],
    ["{narrowed: {for: 1.5h}}", "`for` must be from 10s to 24h"],
    ["{narrowed: {for: 1d}}", "`for` must be from 10s to 24h"],
    ["{narrow: never, narrowed: {below: 20}}", "`narrowed` says what narrowing leaves, and `narrow` is never"],
  ];
  for (const [text, message, hint] of WRONG) {
    it(`refuses ${text}`, () => {
      const { notes } = behavior(text);
      expectOnly(notes, { what: text, source: text, line: 5, message, ...(hint !== undefined && { hint }) });
    });
  }

  it("finds every mistake in one go, each on its line", () => {
    const lines = ["behavior:", "  flag: 200", "  channels:", "    ordre: {flag: 3}", "  narrowed:", "    for: 1d"];
    const { notes } = purposes(support(lines.join("\n")));
    expect(compactErrors(notes)).to.deep.equal([
      "6 `flag` must be a risk from 1 to 100, or `never`",
      "8 unknown channel `ordre`",
      "10 `for` must be from 10s to 24h",
    ]);
  });

  it("may not be what a reason is called by", () => {
    for (const code of ["unusual", "unusual_flagged", "unusual_held", "unusual_denied"]) {
      const { notes } = purposes(support(`allow:\n  - {read: invoice, code: ${code}}`));
      expectOnly(notes, {
        what: code,
        source: "",
        line: 6,
        message: `code \`${code}\` is given by the service itself`,
      });
    }
  });

  const WORDS: [string, string][] = [
    ["{}", "log 25, flag 60, hold 60, narrow 60 to 10/min until below 40 for 15m, suspend 85"],
    ["{narrow: never, suspend: never}", "log 25, flag 60, hold 60, narrow never, suspend never"],
    [
      "{channels: {order: {flag: 3}, rate: {log: 2}}}",
      "log 25, flag 60, hold 60, narrow 60 to 10/min until below 40 for 15m, suspend 85, order flag 3, rate log 2",
    ],
    ["{narrowed: {for: 90s}}", "log 25, flag 60, hold 60, narrow 60 to 10/min until below 40 for 90s, suspend 85"],
    ["{narrowed: {for: 120m}}", "log 25, flag 60, hold 60, narrow 60 to 10/min until below 40 for 2h, suspend 85"],
  ];
  for (const [text, words] of WORDS) {
    it(`is told in words: ${text}`, () => {
      expect(behaviorWords(behavior(text).behavior)).to.equal(words);
    });
  }
});
