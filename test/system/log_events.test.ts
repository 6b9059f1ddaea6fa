import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { expect } from "chai";
import { logEventsText } from "../../scripts/log_events.js";
import { CONSOLE_EVENTS } from "../../src/console/log_events.js";
import { ENGINE_EVENTS } from "../../src/embedded/log_events.js";
import { GUARD_EVENTS } from "../../src/guards/mcp/log_events.js";
import { LOG_EVENTS, report, type LogEvent } from "../../src/system/log_events.js";
import { logger } from "../../src/system/logger.js";
import { asset } from "../../src/system/paths.js";
import { system } from "../../src/system/index.js";

const EVENTS = new Map<string, LogEvent>(
  [LOG_EVENTS, GUARD_EVENTS, ENGINE_EVENTS, CONSOLE_EVENTS].flatMap((events) => Object.entries<LogEvent>(events)),
);
/** Where lines are made. */
const MAKERS = /(?:^|\/)log(?:ger|_events)\.ts$/;

describe("events of the operational log", () => {
  const sources = readdirSync(asset("src"), { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".ts"));
  const texts = new Map(sources.map((path) => [path, readFileSync(join(asset("src"), path), "utf8")]));

  it("are on the page that is made from them: run `node dist/scripts/log_events.js` when they aren't", () => {
    expect(readFileSync(asset("docs", "reference", "log-events.md"), "utf8")).to.equal(logEventsText());
  });

  it("have a meaning, and those that aren't for information say what to do", () => {
    for (const [name, { level, means, act, message }] of EVENTS) {
      expect(name).to.match(/^[a-z]+(?:_[a-z]+)+$/);
      expect(means, name).to.match(/^[A-Z`].*\.$/su);
      expect(message, name).to.match(/^(?!.*(?:what is usual|anew|can't be had))/u);
      if (level === "warn") expect(act, name).to.be.a("string");
    }
  });

  it("each have a name of their own", () => {
    const all = [LOG_EVENTS, GUARD_EVENTS, ENGINE_EVENTS, CONSOLE_EVENTS].flatMap((events) => Object.keys(events));
    expect(all).to.have.length(EVENTS.size);
  });

  it("are each written somewhere, and no program writes anything else", () => {
    const all = [...texts.entries()].filter(([path]) => !MAKERS.test(path));
    const unused = [...EVENTS.keys()].filter((name) => !all.some(([, text]) => text.includes(`"${name}"`)));
    expect(unused.filter((name) => !name.startsWith("sensor_"))).to.deep.equal([]);
    const others = all.filter(([, text]) => /\blog(?:ger)?\??\.(?:info|warn|error)\(/i.test(text)).map(([path]) => path);
    expect(others).to.deep.equal([]);
  });

  it("are one line of JSON: time, level, event, message, fields", () => {
    const stream = new PassThrough();
    report(logger({ ...system.clock, wall: () => 0 }, stream), "bundle_refused", { code: "bundle_older" });
    const { message } = LOG_EVENTS.bundle_refused;
    const line = { time: "1970-01-01T00:00:00.000Z", level: "error", event: "bundle_refused", message, code: "bundle_older" };
    expect(String(stream.read())).to.equal(`${JSON.stringify(line)}\n`);
  });
});
