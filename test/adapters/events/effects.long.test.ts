import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { Journal } from "../../../src/adapters/events/journal.js";
import { Receiver, type ReceiverDeps } from "../../../src/adapters/events/receiver.js";
import { SetRefused } from "../../../src/adapters/events/refusals.js";
import { Problem } from "../../../src/contract/index.js";
import type { Commands } from "../../../src/facts/commands.js";
import { FixedKeys, pemKey } from "../../../src/identity/keys.js";
import { EventEffects } from "../../../src/service/event_effects.js";
import { NOW, World, turns } from "../../facts/world.js";
import { ask, decided, withAgent } from "../../http/asking.js";
import {
  AUDIENCE,
  CAEP,
  IDP,
  IDP_PEM,
  RISC,
  claimsOf,
  pushed,
  recordsOf,
  reopened,
  runReceiver,
  sections,
  setOf,
  signed,
} from "./support.js";
import { REVOKED, DISABLED, ENABLED } from "./effect_support.js";

describe("a security event that revokes", function () {
  it("holds after a restart, is not taken again then, and is not undone by what is older", async () => {
    const at = Math.floor(Date.now() / 1000) - 100;
    const service = await runReceiver();
    const revoking = setOf(DISABLED, { event_timestamp: at });
    await withAgent(service);
    expect(await pushed(service, revoking)).to.equal("202");
    await service.stopKeeping();
    const again = await reopened(service, sections());
    try {
      expect(await decided(again)).to.equal("deny agent_revoked");
      expect(await pushed(again, setOf(ENABLED, { event_timestamp: at - 1 }))).to.equal("202");
      expect(await decided(again)).to.equal("deny agent_revoked");
      await ask(again, "POST", "/revocations/agent%40idp/a-1/lift", { body: { reason: "seen" } });
      expect(await pushed(again, revoking)).to.equal("202");
      expect(await decided(again)).to.equal("allow permitted");
      expect((await recordsOf(again, "security_event")).length).to.equal(2);
    } finally {
      await again.stop();
    }
  });
});

describe("what a security event does", () => {
  let world: World;
  let commands: Commands;
  let effects: EventEffects;
  let folder: string;
  let journal: Journal;
  let records: Readonly<Record<string, unknown>>[];
  const opened: (Journal | EventEffects)[] = [];

  beforeEach(async () => {
    world = new World();
    commands = await world.open();
    await commands.createAgent({ id: "a-1", owner: "ops@example.com", purposes: ["support"] }, "host");
    effects = new EventEffects(commands, world.clock, { revocations_max: 100, principals_max: 100 });
    folder = mkdtempSync(join(tmpdir(), "remit-journal-"));
    journal = await Journal.open(folder, 100, () => undefined);
    opened.push(journal, effects);
    records = [];
  });
  afterEach(async () => {
    for (const one of opened.splice(0)) await one.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function receiver(changes: Partial<ReceiverDeps> = {}): Receiver {
    const rules = [{ format: "iss_sub" as const, issuer: IDP, is: "agent" as const }];
    return new Receiver({
      transmitters: [
        {
          ...{ name: "idp", issuer: IDP, audience: AUDIENCE, authorization: null },
          keys: new FixedKeys([pemKey("k1", "RS256", IDP_PEM)]),
          mapping: { rules, only: {}, critical: [] },
        },
      ],
      facts: effects,
      journal,
      record: (_by, detail) => {
        records.push(detail);
        return Promise.resolve();
      },
      system: { clock: world.clock },
      limits: { token_bytes_max: 16_384, json: { depth_max: 32, members_max: 256 }, leeway_s: 5, under_way_max: 2 },
      report: () => undefined,
      ...changes,
    });
  }
  const at = NOW / 1000;
  const told = (type: string, after_s = 0, changes: object = {}): string =>
    signed(claimsOf(type, { event_timestamp: at + after_s }, { iat: at + after_s, ...changes }));
  const take = (of: Receiver, token: string): Promise<string> =>
    of.take(token, { authorization: undefined }).then(
      () => "taken",
      (cause: unknown) => (cause instanceof SetRefused || cause instanceof Problem ? cause.code : String(cause)),
    );
  const isRevoked = (): boolean => commands.registry.revoked("agent", "a-1");

  it("holds at once, and is answered only when no decision is left that began before", async () => {
    let land: () => void = () => undefined;
    world.barrier = () => new Promise((resolve) => (land = resolve));
    let answered = false;
    const taking = take(receiver(), told(REVOKED)).then((outcome) => {
      answered = true;
      return outcome;
    });
    await turns();
    expect([isRevoked(), answered]).to.deep.equal([true, false]);
    expect(records, "not on record before it is so").to.deep.equal([]);
    land();
    expect(await taking).to.equal("taken");
    expect(records.length).to.equal(1);
  });

  it("holds while the store can't take it, isn't acknowledged then, and is taken when it comes again", async () => {
    world.store.fate = () => "before";
    const token = told(REVOKED);
    expect(await take(receiver(), token)).to.equal("store_unavailable");
    expect([isRevoked(), journal.size]).to.deep.equal([true, 0]);
    world.store.fate = () => "written";
    expect(await take(receiver(), token)).to.equal("taken");
    expect(await take(receiver(), token)).to.equal("taken");
    expect(journal.size).to.equal(1);
    const reopened = await world.reopened();
    expect(reopened.registry.revoked("agent", "a-1")).to.equal(true);
  });

  it("isn't acknowledged where it has no record, or can't be remembered", async () => {
    const failing = receiver({ record: () => Promise.reject(new Problem("log_unavailable")) });
    expect(await take(failing, told(REVOKED))).to.equal("log_unavailable");
    const forgetting = {
      find: () => undefined,
      restored: () => -Infinity,
      add: () => Promise.reject(new Error("disk")),
    };
    expect(await take(receiver({ journal: forgetting }), told(REVOKED))).to.equal("store_unavailable");
    expect(isRevoked()).to.equal(true);
  });

  it("restores nothing while the store can't take it", async () => {
    await take(receiver(), told(DISABLED, -2));
    world.store.fate = () => "before";
    expect(await take(receiver(), told(ENABLED, -1))).to.equal("store_unavailable");
    expect(isRevoked()).to.equal(true);
  });

  it("is done once: without what is remembered, it is taken again", async () => {
    const script = async (of: Receiver, at_s: number): Promise<number> => {
      const token = told(REVOKED, at_s);
      records = [];
      await take(of, token);
      await commands.lift("agent@idp/a-1", { reason: "seen" }, null, "ops");
      await take(of, token);
      // Told of as of a moment that a person has looked at, it undoes nothing, remembered or not.
      expect(isRevoked()).to.equal(false);
      return records.length;
    };
    expect(await script(receiver(), -2)).to.equal(1);
    const none = { find: () => undefined, restored: () => -Infinity, add: () => Promise.resolve() };
    expect(await script(receiver({ journal: none }), -1)).to.equal(2);
  });

  it("comes in the order of what happened: without the times, what comes late wins", async () => {
    const script = async (of: Receiver): Promise<boolean> => {
      await take(of, told(DISABLED, -1));
      await take(of, told(ENABLED, -2));
      return isRevoked();
    };
    expect(await script(receiver())).to.equal(true);
    const untimed: ReceiverDeps["facts"] = {
      knows: (target) => effects.knows(target),
      agentOf: (credential) => effects.agentOf(credential),
      apply: (effect, targets, of) => effects.apply(effect, targets, { ...of, as_of_ms: (world.clock.wall_ms += 1) }),
    };
    expect(await script(receiver({ facts: untimed }))).to.equal(false);
  });

  it("refuses tokens of an agent from before a credential was compromised, and takes those from after", async () => {
    const before = commands.registry.agent("a-1")?.registered_ms;
    world.clock.wall_ms = NOW + 10_000;
    await take(
      receiver(),
      signed(claimsOf(`${RISC}credential-compromise`, { credential_type: "x509", event_timestamp: at + 5 }, { iat: at + 6 })),
    );
    expect([before, commands.registry.agent("a-1")?.registered_ms]).to.deep.equal([NOW, NOW + 6000]);
    await take(
      receiver(),
      signed(
        claimsOf(`${CAEP}credential-change`, { credential_type: "x509", change_type: "revoke", event_timestamp: at + 3 }, { iat: at + 7 }),
      ),
    );
    // To the end of the second: a token's time is a whole one, too.
    expect(commands.registry.agent("a-1")?.registered_ms).to.equal(NOW + 6000);
    expect(isRevoked()).to.equal(false);
    expect(world.records.at(-1)).to.deep.include({ change: "agent_tokens_cut" });
  });

  it("is refused while as many are being taken as may be", async () => {
    let land: () => void = () => undefined;
    world.barrier = () => new Promise((resolve) => (land = resolve));
    const of = receiver();
    const taking = [take(of, told(REVOKED)), take(of, told(DISABLED))];
    await turns();
    expect(await take(of, told(DISABLED))).to.equal("overloaded");
    world.barrier = () => Promise.resolve();
    land();
    await turns();
    land();
    expect(taking.length).to.equal(2);
  });

  describe("is remembered", () => {
    const taken = (jti: string): { from: string; jti: string; digest: string } => ({ from: "idp", jti, digest: jti });
    const again = async (max = 100): Promise<{ journal: Journal; damaged: string[] }> => {
      await journal.close();
      const damaged: string[] = [];
      journal = await Journal.open(folder, max, (detail) => damaged.push(detail));
      opened.push(journal);
      return { journal, damaged };
    };

    it("after a restart, also where a crash cut the last line off", async () => {
      await Promise.all(["a", "b", "c"].map((jti) => journal.add(taken(jti))));
      await journal.add({ ...taken("d"), restored: { targets: ["agent/a-1"], as_of_ms: 7 } });
      await journal.close();
      const file = join(folder, "received.jsonl");
      writeFileSync(file, readFileSync(file, "utf8") + '{"v":1,"from":"idp","jti":"e","dig');
      const reopened = await again();
      expect(["a", "d", "e"].map((jti) => reopened.journal.find("idp", jti)?.digest)).to.deep.equal(["a", "d", undefined]);
      expect(reopened.journal.find("other", "a")).to.equal(undefined);
      expect([reopened.journal.restored("idp", "agent/a-1"), reopened.journal.restored("other", "agent/a-1")]).to.deep.equal([
        7,
        -Infinity,
      ]);
      expect(reopened.damaged).to.deep.equal([]);
    });

    it("as far as it can be read, and says that it can't", async () => {
      await journal.add(taken("a"));
      await journal.close();
      const file = join(folder, "received.jsonl");
      writeFileSync(file, `nonsense\n${readFileSync(file, "utf8")}{"v":2}\n`);
      const reopened = await again();
      expect(reopened.journal.find("idp", "a")?.digest).to.equal("a");
      expect(reopened.damaged.length).to.equal(1);
    });

    it("no longer than the limit, in a file of no more than twice as many lines", async () => {
      await again(10);
      for (let i = 0; i < 55; i++) await journal.add(taken(String(i)));
      expect([journal.size, journal.find("idp", "44"), journal.find("idp", "45")?.digest]).to.deep.equal([10, undefined, "45"]);
      expect(readFileSync(join(folder, "received.jsonl"), "utf8").split("\n").length).to.be.at.most(21);
      await again(10);
      expect([journal.size, journal.find("idp", "54")?.digest]).to.deep.equal([10, "54"]);
    });
  });
});
