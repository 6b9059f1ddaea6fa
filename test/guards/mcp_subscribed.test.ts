/** Changes of subscribed resources, each decided anew: what is passed on, what waits, and what ends a subscription. */
import { expect } from "chai";
import { CallRefusal, type CallRefusalCode } from "../../src/mapping/call_refusal.js";
import { Subscriptions } from "../../src/guards/mcp/subscriptions.js";
import { notification, type Notification } from "../../src/guards/mcp/wire.js";
import { StillTimers, turns } from "../facts/world.js";

const URI = "crm://customers/ada";
const change = (n: number): Notification => notification("notifications/resources/updated", { uri: URI, n }) as Notification;

describe("changes of a resource that a client has subscribed to", () => {
  let timers: StillTimers;
  let decisions: { uri: string; permit: () => void; refuse: (cause: Error) => void }[];
  let passed: unknown[];
  let ended: unknown[];
  let subscriptions: Subscriptions;
  beforeEach(() => {
    [timers, decisions, passed, ended] = [new StillTimers(), [], [], []];
    subscriptions = new Subscriptions({
      timers,
      decide: (uri) => new Promise((permit, refuse) => decisions.push({ uri, permit, refuse })),
      pass: ({ params }) => passed.push(params?.["n"]),
      ended: (uri, { code }) => ended.push([uri, code]),
    });
    subscriptions.add(URI);
  });
  const changed = (...numbers: number[]): void => {
    for (const n of numbers) subscriptions.changed(URI, change(n));
  };
  const permit = async (): Promise<void> => {
    decisions.at(-1)?.permit();
    await turns();
  };
  const refuse = async (cause: CallRefusalCode | Error): Promise<void> => {
    decisions.at(-1)?.refuse(cause instanceof Error ? cause : new CallRefusal(cause));
    await turns();
  };

  it("are passed on once reading it is permitted, and not before", async () => {
    changed(1);
    await turns();
    expect([decisions.map(({ uri }) => uri), passed]).to.deep.equal([[URI], []]);
    await permit();
    expect(passed).to.deep.equal([1]);
  });

  it("are decided once a second at most, the latest for all of them", async () => {
    changed(1, 2, 3);
    await permit();
    changed(4);
    await timers.advance(999);
    expect([decisions.length, passed]).to.deep.equal([1, [1]]);
    await timers.advance(1);
    expect(decisions).to.have.lengthOf(2);
    await permit();
    expect(passed).to.deep.equal([1, 4]);
    await timers.advance(5000);
    expect(decisions, "nothing changed since").to.have.lengthOf(2);
    changed(5);
    expect(decisions).to.have.lengthOf(3);
  });

  for (const code of ["denied", "approval_missing", "obligation_unmet", "resource_unavailable"] as const)
    it(`end the subscription if it is ${code}`, async () => {
      changed(1, 2);
      await refuse(code);
      await timers.advance(5000);
      changed(3);
      expect([passed, ended, decisions.length]).to.deep.equal([[], [[URI, code]], 1]);
    });

  for (const [what, cause] of [
    ["nobody can be asked", "not_decided"],
    ["asking fails", new RangeError("bug")],
  ] as const)
    it(`wait where ${what}, and the subscription goes on`, async () => {
      changed(1);
      await refuse(cause);
      expect([passed, ended]).to.deep.equal([[], []]);
      await timers.advance(1000);
      changed(2);
      await permit();
      expect(passed).to.deep.equal([1]);
      await timers.advance(1000);
      await permit();
      expect(passed).to.deep.equal([1, 2]);
    });

  it("that came while it was decided in vain stand for the one before", async () => {
    changed(1, 2);
    await refuse("not_decided");
    await timers.advance(1000);
    await permit();
    expect(passed).to.deep.equal([2]);
  });

  const endings: [what: string, end: () => void][] = [
    [
      "it is unsubscribed",
      () => {
        subscriptions.delete(URI);
      },
    ],
    [
      "the session is over",
      () => {
        subscriptions.clear();
      },
    ],
    [
      "it is subscribed to anew",
      () => {
        subscriptions.delete(URI);
        subscriptions.add(URI);
      },
    ],
  ];
  for (const [what, end] of endings)
    for (const [how, settle] of [
      ["permitted", permit],
      ["refused", () => refuse("denied")],
    ] as const)
      it(`are dropped if ${what} before one is ${how}`, async () => {
        changed(1, 2);
        end();
        await settle();
        await timers.advance(2000);
        expect([passed, ended, decisions.length]).to.deep.equal([[], [], 1]);
      });

  it("aren't asked about where nobody has subscribed, nor for more resources than may be", () => {
    subscriptions.changed("crm://customers/bob", change(1));
    expect(decisions).to.deep.equal([]);
    for (let i = 1; i <= 1000; i++) subscriptions.add(`crm://customers/${i}`);
    subscriptions.changed("crm://customers/999", change(1));
    subscriptions.changed("crm://customers/1000", change(1));
    expect(decisions.map(({ uri }) => uri)).to.deep.equal(["crm://customers/999"]);
  });
});
