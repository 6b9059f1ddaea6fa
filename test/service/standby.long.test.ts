import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { parse, stringify } from "yaml";
import { CHECKPOINT } from "../../src/audit/log/seal.js";
import { readUnverified } from "../../src/audit/tree/checkpoint.js";
import { asset } from "../../src/system/paths.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { KEY, NAME, STRANGER, archive, bundleBytes, content, publicPem, signed } from "../bundle/support.js";
import { AGENT, REQUEST } from "../http/running.js";
import { until } from "../store/support.js";
import { Copies } from "../threats/copies.js";
import { cut, type Edit } from "../threats/cut.js";
import { Child, placeIn, type Json, type Place } from "./child.js";

/** Long for a process that has nothing left to do. */
const ENDS_WITHIN_MS = 10_000;
/** Files are looked at all the time while it waits, or once. */
const POLL_MS = { often: 50, once: 3_600_000 };
const READY = '"message":"a bundle is ready"';
const STANDING_BY = '"message":"standing by"';
const LISTENING = '"message":"listening"';

/** A place, and the processes in it, which end with it. */
class Desk {
  readonly place: Place;
  readonly #children: Child[] = [];

  private constructor(place: Place) {
    this.place = place;
  }

  static async at(folder: string, poll: keyof typeof POLL_MS, main: string | undefined): Promise<Desk> {
    writeFileSync(join(folder, "bundle.pem"), publicPem(KEY));
    const bundle = { path: "bundle.tar.gz", name: NAME, keys: ["bundle.pem"], poll_ms: POLL_MS[poll] };
    const desk = new Desk(placeIn(folder, { bundle, behavior: { enabled: false } }, main));
    desk.put("bundle.tar.gz", await bundleBytes({ expires: null, sequence: 12 }));
    return desk;
  }

  /** Whole or not at all, as who publishes does. */
  put(name: string, content: Buffer | string): void {
    const path = join(this.place.folder, name);
    writeFileSync(`${path}.new`, content);
    renameSync(`${path}.new`, path);
  }

  configure(change: (config: Record<string, Json>) => void): void {
    const config = parse(readFileSync(this.place.config, "utf8")) as Record<string, Json>;
    change(config);
    writeFileSync(this.place.config, stringify(config));
  }

  child(...options: string[]): Child {
    const child = new Child(this.place, {}, options);
    this.#children.push(child);
    return child;
  }

  /** One that serves, with an agent. */
  async active(): Promise<Child> {
    const child = this.child("--standby");
    await child.ready();
    await child.told("POST", "/agents", { id: REQUEST.agent, ...AGENT });
    return child;
  }

  /** One that has all it needs and waits; or that serves. */
  async standby(): Promise<Child> {
    const child = this.child("--standby");
    await child.says(STANDING_BY, LISTENING);
    await child.says(READY, LISTENING);
    return child;
  }

  async pair(): Promise<[active: Child, standby: Child]> {
    return [await this.active(), await this.standby()];
  }

  async end(): Promise<void> {
    for (const child of this.#children) await child.kill();
  }
}

async function decided(child: Child): Promise<unknown> {
  const { outcome, body } = await child.told("POST", "/decide", REQUEST);
  return body["decision"] ?? outcome;
}

/** Why a service doesn't run the bundle at its path; or the one that it runs. */
async function bundleOf(child: Child): Promise<string> {
  const { body } = await child.told("GET", "/bundles");
  const refused = body["refused"] as Json | null;
  return refused === null ? JSON.stringify(body["running"]) : String(refused["code"]);
}

/** After the other was killed. */
async function takenOver(active: Child, standby: Child): Promise<Child> {
  await active.kill();
  await standby.says(LISTENING);
  return standby;
}

interface Check {
  poll: keyof typeof POLL_MS;
  /** What isn't as it should be, in words; null: nothing. */
  wrong: (desk: Desk) => Promise<string | null>;
  without: Readonly<Record<string, readonly Edit[]>>;
}

const BLIND: readonly Edit[] = [cut.call("system/lock.js", "open", ["exec", "BEGIN EXCLUSIVE"])];

const CHECKS: Readonly<Record<string, Check>> = {
  "takes over from one that is killed, and denies what was revoked just before": {
    poll: "often",
    async wrong(desk) {
      const [active, standby] = await desk.pair();
      const before = await decided(active);
      if (before !== "allow") return `before, it was answered ${String(before)}`;
      const { body } = await active.told("POST", "/revocations", { scope: { agent: "a-1" }, reason: "tests" });
      if (body["durable"] !== true) return `it was revoked as ${JSON.stringify(body)}`;
      await active.kill();
      await standby.ready();
      const then = await decided(standby);
      return then === "deny" ? null : `then it was answered ${String(then)}`;
    },
    without: {
      "what the store has": [
        cut.text(
          "facts/registry.js",
          "load",
          'if (kind === "task") {',
          'if (kind === "revocation") { this.#revision = change.revision; return; } if (kind === "task") {',
        ),
      ],
    },
  },
  "takes over from one that ends in order, and goes on with its records": {
    poll: "often",
    async wrong(desk) {
      const [active, standby] = await desk.pair();
      await decided(active);
      const code = await active.stop();
      if (code !== 0) return `it ended with ${code ?? "a signal"}`;
      await standby.ready();
      const then = await decided(standby);
      if (then !== "allow") return `then it was answered ${String(then)}`;
      await standby.stop();
      const numbers = seqs(desk.place.records);
      return numbers.every((seq, i) => seq === i + 1) ? null : `records are ${numbers.join()}`;
    },
    without: {},
  },
  "serves nothing while another lives": {
    poll: "often",
    async wrong(desk) {
      const [active, standby] = await desk.pair();
      // It goes on to look at the lock, and at the bundle.
      desk.put("bundle.tar.gz", await bundleBytes({ expires: null, sequence: 13 }));
      await standby.says('"sequence":13', LISTENING);
      if (standby.said.includes(LISTENING)) return "two serve";
      const then = await decided(active);
      return then === "allow" ? null : `it was answered ${String(then)}`;
    },
    without: { "the lock of one that lives": BLIND },
  },
  "leaves it to one of two, and waits for that one": {
    poll: "often",
    async wrong(desk) {
      const [active, first] = await desk.pair();
      const second = await desk.standby();
      await active.kill();
      const taken = await Promise.race([first, second].map((child) => child.says(LISTENING).then(() => child)));
      const other = taken === first ? second : first;
      await other.says(`"for":${taken.pid}`, LISTENING);
      if (other.said.includes(LISTENING)) return "two serve";
      await taken.kill();
      await other.ready();
      const then = await decided(other);
      return then === "allow" ? null : `then it was answered ${String(then)}`;
    },
    without: { "the lock of one that lives": BLIND },
  },
  "refuses an older bundle that came while it waited": {
    poll: "once",
    async wrong(desk) {
      const [active, standby] = await desk.pair();
      desk.put("bundle.tar.gz", await bundleBytes({ expires: null, sequence: 11 }));
      const found = await bundleOf(await takenOver(active, standby));
      return found === "bundle_older" ? null : found;
    },
    without: {
      "what was trusted": [cut.refusal("bundle/trusted_store.js", "check", "bundle_older")],
    },
  },
  "refuses a bundle that was altered while it waited": {
    poll: "once",
    async wrong(desk) {
      const [active, standby] = await desk.pair();
      desk.put("bundle.tar.gz", await archive(signed(content({ expires: null, sequence: 13 }), STRANGER)));
      const found = await bundleOf(await takenOver(active, standby));
      return found === "signature_key_unknown" ? null : found;
    },
    without: {
      "verifying what it hasn't verified": [cut.condition("service/preparations.js", "verify", "#verified", "this.#verified === null")],
    },
  },
  "refuses a bundle whose key was taken away while it waited": {
    poll: "once",
    async wrong(desk) {
      const [active, standby] = await desk.pair();
      desk.put("bundle.pem", publicPem(STRANGER));
      const found = await bundleOf(await takenOver(active, standby));
      return found === "signature_key_unknown" ? null : found;
    },
    without: {
      "the keys that it has verified by": [cut.text("service/preparations.js", "digestOf", "[...keys.keys()].sort()", "0")],
    },
  },
  "runs a bundle that came while it waited": {
    poll: "often",
    async wrong(desk) {
      const [active, standby] = await desk.pair();
      desk.put("bundle.tar.gz", await bundleBytes({ expires: null, sequence: 13 }));
      await standby.says('"message":"a bundle is ready","bundle":"engine_test","digest":"');
      await active.kill();
      await standby.ready();
      const found = await bundleOf(standby);
      return found.includes('"sequence":13') ? null : found;
    },
    without: {
      "looking at what is there": [cut.condition("service/preparations.js", "verify", "#verified", "this.#verified === null")],
    },
  },
  "serves by the configuration that is there when it takes over": {
    poll: "once",
    async wrong(desk) {
      const [active, standby] = await desk.pair();
      desk.configure((config) => (config["limits"] = { body_bytes_max: 1024 }));
      await active.kill();
      await standby.ready();
      const { outcome } = await standby.told("POST", "/decide", { ...REQUEST, context: { source: "x".repeat(2000) } });
      return outcome.startsWith("413") ? null : outcome;
    },
    without: { "reading it again": [cut.text("cli/service/standby.js", "takeOver", "this.#config = read();", "read();")] },
  },
  "says of a configuration and a bundle that came while it waited what a start would say, and waits": {
    poll: "often",
    async wrong(desk) {
      const [active, standby] = await desk.pair();
      const good = readFileSync(desk.place.config, "utf8");
      writeFileSync(desk.place.config, `${good}nonsense: 1\n`);
      await standby.says('"event":"standby_config_refused"');
      writeFileSync(desk.place.config, good);
      desk.put("bundle.tar.gz", await bundleBytes({ expires: null, sequence: 11 }));
      await standby.says('"message":"this standby would refuse the bundle","code":"bundle_older"');
      desk.put("bundle.tar.gz", await bundleBytes({ expires: null, sequence: 12 }));
      await active.kill();
      await standby.ready();
      return null;
    },
    without: {},
  },
  "ends at its own start where its configuration isn't good": {
    poll: "often",
    async wrong(desk) {
      await desk.active();
      rmSync(join(desk.place.folder, "issuer.pub.pem"));
      const standby = desk.child("--standby");
      const code = await Promise.race([standby.exit(ENDS_WITHIN_MS), standby.says(STANDING_BY).catch(() => undefined)]);
      if (code === undefined || code === 0) return "it waits";
      return /^error: identity\.issuers\.0\.keys\.0\.file: /m.test(standby.said) ? null : standby.said;
    },
    without: {
      "checking it first": [cut.call("cli/service/standby.js", "standBy", "check")],
    },
  },
  "ends with 0 when it is told to while it waits, and the other goes on": {
    poll: "often",
    async wrong(desk) {
      const [active, standby] = await desk.pair();
      process.kill(standby.pid, "SIGTERM");
      const code = await standby.exit(ENDS_WITHIN_MS).catch(() => "nothing");
      if (code !== 0) return `it ended with ${String(code)}`;
      const then = await decided(active);
      return then === "allow" ? null : `then it was answered ${String(then)}`;
    },
    without: { "hearing of it": [cut.always("cli/service/standby.js", "untilFree", "ended")] },
  },
  "says of a damaged log what a start says, and ends as a start does": {
    poll: "often",
    async wrong(desk) {
      const [active, standby] = await desk.pair();
      await decided(active);
      // Before that nothing tells a log that was cut from one whose last records never came to the disk.
      await until(() => coveredIn(desk.place.records) > 0);
      const [segment = ""] = readdirSync(desk.place.records).filter((name) => name.endsWith(".jsonl"));
      truncateSync(join(desk.place.records, segment), 10);
      await active.kill();
      const code = await standby.exit(ENDS_WITHIN_MS);
      const start = desk.child();
      const expected = await start.exit(ENDS_WITHIN_MS);
      if (expected === 0 || code !== expected) return `it ended with ${String(code)}, a start with ${String(expected)}`;
      return errorOf(standby) === errorOf(start) ? null : `${errorOf(standby)}; a start: ${errorOf(start)}`;
    },
    without: {},
  },
};

function seqs(folder: string): number[] {
  const segments = readdirSync(folder)
    .filter((name) => name.endsWith(".jsonl"))
    .sort();
  const lines = segments.flatMap((name) => readFileSync(join(folder, name), "utf8").split("\n").slice(0, -1));
  return lines.map((line) => (JSON.parse(line) as { seq: number }).seq);
}

function coveredIn(folder: string): number {
  const path = join(folder, CHECKPOINT);
  return existsSync(path) ? readUnverified(readFileSync(path)).size : 0;
}

function errorOf({ said }: Child): string {
  return /^error: .*$/m.exec(said)?.[0] ?? "no error";
}

describe("a standby", function () {
  const clean: (() => unknown)[] = [];
  afterEach(async () => {
    for (const act of clean.splice(0)) await act();
  });

  async function wrong({ poll, wrong: look }: Check, main?: string): Promise<string | null> {
    const desk = await Desk.at(temporaryDirectory(), poll, main);
    clean.push(() => desk.end());
    return look(desk);
  }

  for (const [what, check] of Object.entries(CHECKS)) {
    it(what, async () => {
      expect(await wrong(check)).to.equal(null);
    });

    for (const [control, edits] of Object.entries(check.without)) {
      it(`${what}: not without ${control}`, async () => {
        mkdirSync(asset(".work"), { recursive: true });
        const copy = mkdtempSync(join(asset(".work"), "standby-"));
        const found = await wrong(check, new Copies(copy, edits).path("cli/main.js"));
        clean.push(() => {
          rmSync(copy, { recursive: true, force: true });
        });
        expect(found).to.be.a("string");
      });
    }
  }

  it("isn't asked for together with --check", async () => {
    const desk = await Desk.at(temporaryDirectory(), "often", undefined);
    clean.push(() => desk.end());
    expect(await desk.child("--standby", "--check").exit(ENDS_WITHIN_MS)).to.equal(2);
  });
});
