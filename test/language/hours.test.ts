import { expect } from "chai";
import type { Hours } from "../../src/contract/index.js";
import { compactErrors, expectOnly, purposes, support, type Wrong } from "./support.js";

const OUTSIDE = "{then: log}";

function hours(open: string, outside = OUTSIDE): { hours: Hours | null; notes: ReturnType<typeof purposes>["notes"] } {
  const { value, notes } = purposes(support(`hours:\n  zone: Europe/Berlin\n  open: ${open}\n  outside: ${outside}`));
  return { hours: value.purposes["support"]?.hours ?? null, notes };
}

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const at = (day: number, hour: number, minute = 0): number => day * DAY + (hour * 60 + minute) * MINUTE;

describe("hours", () => {
  // Monday is day 0.
  const GOOD: [string, string, [number, number][]][] = [
    ["one day", '{mon: "08:00-18:00"}', [[at(0, 8), at(0, 18)]]],
    ["to the minute", '{tue: "08:15-17:59"}', [[at(1, 8, 15), at(1, 17, 59)]]],
    [
      "several days",
      '{mon-wed: "08:00-18:00"}',
      [
        [at(0, 8), at(0, 18)],
        [at(1, 8), at(1, 18)],
        [at(2, 8), at(2, 18)],
      ],
    ],
    [
      "days over the end of the week",
      '{sat-mon: "10:00-11:00"}',
      [
        [at(0, 10), at(0, 11)],
        [at(5, 10), at(5, 11)],
        [at(6, 10), at(6, 11)],
      ],
    ],
    ["one day as a range", '{fri-fri: "10:00-11:00"}', [[at(4, 10), at(4, 11)]]],
    [
      "a morning and an afternoon",
      '{mon: ["08:00-12:00", "13:00-18:00"]}',
      [
        [at(0, 8), at(0, 12)],
        [at(0, 13), at(0, 18)],
      ],
    ],
    ["over midnight", '{mon: "22:00-06:00"}', [[at(0, 22), at(1, 6)]]],
    [
      "over midnight every day of some, merged nowhere",
      '{mon-tue: "22:00-06:00"}',
      [
        [at(0, 22), at(1, 6)],
        [at(1, 22), at(2, 6)],
      ],
    ],
    [
      "over Sunday's midnight, in two parts",
      '{sun: "22:00-06:00"}',
      [
        [0, at(0, 6)],
        [at(6, 22), 7 * DAY],
      ],
    ],
    ["to midnight", '{wed: "18:00-24:00"}', [[at(2, 18), at(3, 0)]]],
    ["to midnight on Sunday", '{sun: "18:00-24:00"}', [[at(6, 18), 7 * DAY]]],
    ["to midnight, said as 00:00", '{wed: "18:00-00:00"}', [[at(2, 18), at(3, 0)]]],
    ["a whole day", '{thu: "00:00-24:00"}', [[at(3, 0), at(4, 0)]]],
    ["the whole week, merged", '{mon-sun: "00:00-24:00"}', [[0, 7 * DAY]]],
    ["spans that overlap, merged", '{mon: ["08:00-12:00", "11:00-13:00"]}', [[at(0, 8), at(0, 13)]]],
    ["spans that touch, merged", '{mon: ["08:00-12:00", "12:00-13:00"]}', [[at(0, 8), at(0, 13)]]],
    ["a span inside another, merged", '{mon: ["08:00-18:00", "09:00-10:00"]}', [[at(0, 8), at(0, 18)]]],
    ["a night into the next morning, merged", '{mon: "22:00-06:00", tue: "05:00-09:00"}', [[at(0, 22), at(1, 9)]]],
    [
      "Sunday's night into Monday's morning, merged",
      '{sun: "22:00-06:00", mon: "05:00-09:00"}',
      [
        [0, at(0, 9)],
        [at(6, 22), 7 * DAY],
      ],
    ],
    [
      "days in any order",
      '{sun: "10:00-11:00", mon: "10:00-11:00"}',
      [
        [at(0, 10), at(0, 11)],
        [at(6, 10), at(6, 11)],
      ],
    ],
  ];
  for (const [what, open, wanted] of GOOD) {
    it(`may be ${what}`, () => {
      const { hours: got, notes } = hours(open);
      expect(notes).to.deep.equal([]);
      expect(got?.open).to.deep.equal(wanted);
    });
  }

  const OUTSIDES: [string, Hours["outside"]][] = [
    ["{then: log}", { effect: "log", code: "support.off_hours", severity: "medium", params: {} }],
    ["{then: deny, code: closed, severity: high}", { effect: "deny", code: "closed", severity: "high", params: {} }],
    ["{then: flag, proceed: true}", { effect: "flag", code: "support.off_hours", severity: "medium", params: {}, proceed: true }],
    [
      "{then: flag, proceed: false, severity: low}",
      { effect: "flag", code: "support.off_hours", severity: "low", params: {}, proceed: false },
    ],
  ];
  for (const [text, wanted] of OUTSIDES) {
    it(`may say outside: ${text}`, () => {
      const { hours: got, notes } = hours('{mon: "08:00-18:00"}', text);
      expect(notes).to.deep.equal([]);
      expect(got).to.deep.equal({ zone: "Europe/Berlin", open: [[at(0, 8), at(0, 18)]], outside: wanted });
    });
  }

  // `open` stands on line 7, `outside` on line 8.
  const open = (what: string, text: string, message: string, hint?: string): Wrong => ({
    what,
    source: support(`hours:\n  zone: Europe/Berlin\n  open: ${text}\n  outside: ${OUTSIDE}`),
    line: 7,
    message,
    ...(hint === undefined ? {} : { hint }),
  });
  const outside = (what: string, text: string, message: string, hint?: string): Wrong => ({
    ...open(what, "", message, hint),
    source: support(`hours:\n  zone: Europe/Berlin\n  open: {mon: "08:00-18:00"}\n  outside: ${text}`),
    line: 8,
  });
  const WRONG: Wrong[] = [
    open("an unknown day", '{mno: "08:00-18:00"}', "unknown day `mno`", "did you mean `mon`?"),
    open("an unknown last day", '{mon-fir: "08:00-18:00"}', "unknown day `fir`", "did you mean `fri`?"),
    open("three days in a range", '{mon-tue-wed: "08:00-18:00"}', "unknown day"),
    open("a day in capitals", '{Mon: "08:00-18:00"}', "unknown day `Mon`", "did you mean `mon`?"),
    open("a day that every object has", '{constructor: "08:00-18:00"}', "unknown day `constructor`"),
    open("an hour without minutes", '{mon: "8-18"}', "`8-18` is not a span of hours", '"08:00-18:00"'),
    open("an hour of one digit", '{mon: "8:00-18:00"}', "`8:00-18:00` is not a span"),
    open("an hour that isn't", '{mon: "08:00-25:00"}', "`08:00-25:00` is not a span"),
    open("a minute that isn't", '{mon: "08:60-18:00"}', "`08:60-18:00` is not a span"),
    open("a start at 24:00", '{mon: "24:00-06:00"}', "`24:00-06:00` is not a span"),
    open("an end after 24:00", '{mon: "08:00-24:01"}', "`08:00-24:01` is not a span"),
    open("spaces around the dash", '{mon: "08:00 - 18:00"}', "is not a span of hours"),
    open("an empty span", '{mon: "08:00-08:00"}', "`08:00-08:00` is empty", '"00:00-24:00"'),
    open("a number", "{mon: 8}", "hours must be a word or a list of words"),
    open("an empty list", "{mon: []}", "hours must be a word or a list of words"),
    open("no day", "{}", "no hour is open", "leave `hours` out"),
    open("a list of days", "[mon]", "`open` must be a mapping"),
    outside("an unknown effect", "{then: allow}", "unknown `then` `allow`", "known: log, flag, deny"),
    outside("no effect", "{code: closed}", "`then` must be one of log, flag, deny"),
    outside("a flag that doesn't say whether it proceeds", "{then: flag}", "`proceed` of a flag must be true or false"),
    outside("a log that proceeds", "{then: log, proceed: true}", "only a flag says whether it proceeds"),
    outside("a deny that proceeds", "{then: deny, proceed: false}", "only a flag says whether it proceeds"),
    outside("an unknown key", "{then: log, serverity: low}", "unknown key in `outside` `serverity`", "did you mean `severity`?"),
    outside("a message about what no request has", '{then: log, message: "{customer}"}', "the message names `{customer}`"),
    outside("a word", "log", "`outside` must be a mapping"),
  ];
  for (const wrong of WRONG) {
    it(`are refused for ${wrong.what}`, () => {
      expectOnly(purposes(wrong.source).notes, wrong);
    });
  }

  it("name every mistake in one go", () => {
    const { notes } = purposes(support('hours:\n  open: {mno: "08:00-18:00", tue: "9-5"}\n  outsid: {}'));
    expect(compactErrors(notes)).to.deep.equal([
      "7 unknown key in `hours` `outsid`",
      "5 `zone` is missing",
      "6 unknown day `mno`",
      "6 `9-5` is not a span of hours",
      "6 no hour is open",
      "5 `outside` must be a mapping",
      "5 `then` must be one of log, flag, deny",
    ]);
  });
});
