import { hash } from "node:crypto";
import { expect } from "chai";
import { RemitClient, type ActionOnHold } from "../../src/client/index.js";
import { canonicalAction, type DecideRequest } from "../../src/contract/index.js";
import { Pretended } from "../threats/pretend.js";
import { action } from "./desk.js";

const digest = (asked: object): Promise<string> => {
  const { task = null, ...rest } = asked as DecideRequest;
  return Promise.resolve(`sha256:${hash("sha256", canonicalAction(rest, task))}`);
};

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
};

const CHANGE = {
  revision: 8,
  durable: true,
  change: "revoked",
  narrows: true,
  key: "revocation/agent/a-1",
  scope: "agent",
  of: "a-1",
  agent: "a-1",
  purpose: null,
  task: null,
  time: "2026-03-03T10:15:00Z",
};

describe("a client that follows changes", () => {
  let world: Pretended;
  let client: RemitClient;
  let held: ActionOnHold;
  beforeEach(async () => {
    world = new Pretended(digest);
    client = new RemitClient({ url: "http://remit.example", token: "t" }, world.outside);
    await client.ready();
    held = await client.decide(action("note"));
  });
  afterEach(() => client.close());

  const told: [what: string, event: string, data: object, fault: string | null][] = [
    ["its agent's revocation", "change", CHANGE, "answer_dropped"],
    ["a revocation that isn't durable yet", "change", { ...CHANGE, revision: null, durable: false }, "answer_dropped"],
    ["a change of everyone's", "change", { ...CHANGE, agent: null, scope: "everything", of: "" }, "answer_dropped"],
    ["a change of its task's", "change", { ...CHANGE, agent: null, task: "T-1", scope: "task" }, "answer_dropped"],
    ["another bundle", "policy", { bundle: "b", revision: "r", sequence: 2, digest: "d" }, "answer_dropped"],
    ["another store", "reset", { facts_revision: 1 }, "answer_dropped"],
    ["a change that says nothing of whom it concerns", "change", { narrows: true }, "answer_dropped"],
    ["a change that doesn't say whether it narrows", "change", { agent: "a-1", revision: 8 }, "answer_dropped"],
    ["a change that its answer knew", "change", { ...CHANGE, revision: 7 }, null],
    ["a change of another agent's", "change", { ...CHANGE, agent: "a-2" }, null],
    ["a change of another task's", "change", { ...CHANGE, agent: null, task: "T-2" }, null],
    ["a change for another purpose", "change", { ...CHANGE, purpose: "other" }, null],
    ["what only widens", "change", { ...CHANGE, narrows: false, change: "grant_created" }, null],
    ["what it has no name for", "weather", { rain: true }, null],
  ];
  for (const [what, event, data, fault] of told) {
    it(`${fault === null ? "keeps" : "drops"} its answer on ${what}`, async () => {
      world.tell(event, data);
      await turns();
      expect(held.fault).to.equal(fault);
    });
  }

  const lost: [what: string, lose: () => void][] = [
    [
      "the stream breaks off",
      () => {
        world.silence();
      },
    ],
    [
      "nothing comes for three heartbeats",
      () => {
        held.answer.valid_for_ms = 60_000;
        world.pass(30_000);
      },
    ],
    [
      "what comes is no JSON",
      () => {
        world.write("event: change\ndata: {{{\n\n");
      },
    ],
    [
      "what comes is nothing",
      () => {
        world.write("event: change\ndata: null\n\n");
      },
    ],
    [
      "a line comes that never ends",
      () => {
        world.write(`data: ${"x".repeat(70_000)}`);
      },
    ],
    [
      "an event comes that never ends",
      () => {
        world.write("data: x\n".repeat(70_000));
      },
    ],
  ];
  for (const [what, lose] of lost) {
    it(`takes nothing for heard once ${what}`, async () => {
      lose();
      await turns();
      expect(held.fault).to.equal("not_live");
    });
  }

  it("connects anew after a while, by the last event's id, and then hears again", async () => {
    world.write("id: 7\n\n");
    await turns();
    world.silence();
    await turns();
    expect(world.followed).to.deep.equal([null]);
    world.pass(1000);
    await turns();
    expect(world.followed).to.deep.equal([null, "7"]);
    expect(held.fault).to.equal(null);
  });

  it("takes nothing for heard since its answer where it can't have heard all", async () => {
    world.silence();
    await turns();
    world.revision = 9;
    world.pass(1000);
    await turns();
    expect(held.fault).to.equal("not_live");
  });

  it("connects less and less often where that fails", async () => {
    world.refusing = true;
    world.silence();
    await turns();
    for (let second = 0; second < 60; second++) {
      world.pass(1000);
      await turns();
    }
    // After 1, 2, 4, 8 and 16 seconds, and then every 30.
    expect(world.followed).to.have.length(1 + 5);
  });

  it("drops what it keeps where more has come than it remembers", async () => {
    for (let i = 0; i < 3000; i++) world.tell("change", { ...CHANGE, agent: "a-2" });
    await turns();
    expect(held.fault).to.equal("answer_dropped");
    expect((await client.decide(action("note"))).fault).to.equal(null);
  });
});
