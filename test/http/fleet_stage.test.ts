import { expect } from "chai";
import type { StagedBundle } from "../../src/contract/index.js";
import { answering } from "../../src/http/asked_nodes.js";
import { FleetStage, STAGE } from "../../src/http/fleet_stage.js";
import { digestOf, identity } from "../cluster/bundle_node.js";
import { NodeNet } from "./node_net.js";

const difference = (agent: string, count: number): StagedBundle["differences"][number] => ({
  ...{ from: "allow", to: "deny", reason: "refund_too_large", agent, count },
});
const part = (counts: Partial<StagedBundle>): StagedBundle => ({
  ...{
    identity: identity(2),
    share: 10,
    since: "2026-01-02T00:00:00.000Z",
    compared: 0,
    flips: 0,
    other_reasons: 0,
    errors: 0,
    skipped: 0,
  },
  differences: [],
  ...counts,
});

describe("what a stage has come to in a cluster", () => {
  const names = ["a", "b", "c"];
  let net: NodeNet;
  let parts: Record<string, StagedBundle | null>;
  /** Digest that the feed has staged. */
  let fed: string | null;
  let fleets: Record<string, FleetStage>;

  beforeEach(() => {
    [net, parts, fleets, fed] = [new NodeNet(...names), {}, {}, digestOf(2)];
    for (const name of names) {
      const bundles = {
        get status() {
          return { staged: parts[name] ?? null };
        },
        get staged() {
          const own = parts[name] ?? null;
          return fed === null || own?.identity.digest === fed ? own : part({});
        },
      };
      const stage = (fleets[name] = new FleetStage(bundles, () => fed, net.of(name)));
      net.serve(
        name,
        answering({ [STAGE]: (digest) => Promise.resolve(stage.answer(digest)) }, () => Promise.reject(new Error("another question"))),
      );
    }
    parts = {
      a: part({ compared: 10, flips: 2, differences: [difference("a-1", 2)] }),
      b: part({
        compared: 5,
        flips: 3,
        other_reasons: 1,
        since: "2026-01-01T00:00:00.000Z",
        differences: [difference("a-2", 2), difference("a-1", 1)],
      }),
      c: part({ compared: 1, errors: 1, skipped: 4 }),
    };
  });

  const whole = async (node: string): Promise<StagedBundle | null> => (fleets[node] as FleetStage).whole();

  it("is the sum of what each node has counted, whichever is asked", async () => {
    const counts = { compared: 16, flips: 5, other_reasons: 1, errors: 1, skipped: 4, since: "2026-01-01T00:00:00.000Z" };
    for (const node of names)
      expect(await whole(node)).to.deep.equal({ ...part(counts), differences: [difference("a-1", 3), difference("a-2", 2)], missing: [] });
  });

  it("says whose counts it lacks: who doesn't try it, tries another, or as much for others, or doesn't answer", async () => {
    parts["b"] = null;
    parts["c"] = part({ compared: 7, share: 20 });
    expect(await whole("a")).to.deep.include({ compared: 10, missing: ["b", "c"] });
    expect(await whole("b"), "the node that is asked doesn't try it").to.deep.include({ compared: 10, missing: ["b", "c"] });
    parts["c"] = part({ compared: 7, identity: identity(3) });
    expect(await whole("a")).to.deep.include({ compared: 10, missing: ["b", "c"] });
    net.silent.add("b");
    expect(await whole("a")).to.deep.include({ compared: 10, missing: ["b", "c"] });
  });

  for (const [what, before, after, found] of [
    ["drops it", part({ compared: 10 }), null, { compared: 16, missing: [] }],
    ["begins it", null, part({ compared: 10 }), { compared: 6, missing: ["a"] }],
    ["tries another", part({ compared: 10 }), part({ identity: identity(3) }), { compared: 16, missing: [] }],
    ["tries it instead of another", part({ identity: identity(3) }), part({ compared: 10 }), { compared: 6, missing: ["a"] }],
  ] as const)
    it(`says of its own counts what it has summed, though it ${what} while it asks the others`, async () => {
      parts["a"] = before;
      net.serve("b", (question) => {
        parts["a"] = after;
        return Promise.resolve(fleets["b"]?.answer(question.slice(STAGE.length)) ?? null);
      });
      expect(await whole("a")).to.deep.include(found);
    });

  for (const [what, answer] of [
    ["is no JSON", "{"],
    ["is no stage", '{"identity":null}'],
    ["counts below zero", JSON.stringify(part({ compared: -1 }))],
  ] as const)
    it(`takes nothing that ${what}`, async () => {
      net.serve("b", () => Promise.resolve(answer));
      expect(await whole("a")).to.deep.include({ compared: 11, missing: ["b"] });
    });

  it("is of this node alone if this node has staged it, and nothing if nothing is staged", async () => {
    fed = null;
    expect(await whole("a")).to.deep.equal(parts["a"]);
    parts["a"] = null;
    expect(await whole("a")).to.equal(null);
    expect(net.asked).to.deep.equal([]);
  });
});
