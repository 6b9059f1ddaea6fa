import { expect } from "chai";
import { FleetBundles, type NodeBundle } from "../../src/cluster/bundles.js";

const [OLD, NEW] = ["sha256:old", "sha256:new"];
const on = (node: string, bundle: string | null, bundle_since: string | null = "2026-01-01T00:00:00.000Z"): NodeBundle => ({
  node,
  bundle,
  bundle_since,
  staged: null,
});

describe("bundles of a cluster's nodes", () => {
  let now: number;
  let bundles: FleetBundles;
  beforeEach(() => {
    now = 1000;
    bundles = new FleetBundles({ monotonic: () => now });
  });

  it("are the same while all run one, whenever each began", () => {
    const nodes = [on("a", OLD, "2026-01-02T00:00:00.000Z"), on("b", OLD, "2026-01-01T00:00:00.000Z"), on("c", OLD, null)];
    expect(bundles.look(nodes)).to.deep.equal({
      differ_ms: null,
      running: [{ digest: OLD, nodes: ["a", "b", "c"], since: "2026-01-01T00:00:00.000Z" }],
    });
    expect(bundles.look([])).to.deep.equal({ differ_ms: null, running: [] });
  });

  it("differ from when that was seen first, with what most nodes run before the others", () => {
    bundles.look([on("a", OLD), on("b", OLD), on("c", OLD)]);
    now += 500;
    const nodes = [on("a", NEW), on("b", OLD), on("c", OLD)];
    expect(bundles.look(nodes).differ_ms).to.equal(0);
    now += 500;
    const { differ_ms, running } = bundles.look(nodes);
    expect([differ_ms, running.map(({ digest, nodes: of }) => [digest, ...of])]).to.deep.equal([
      500,
      [
        [OLD, "b", "c"],
        [NEW, "a"],
      ],
    ]);
  });

  it("differ for as long as any two do, whichever these are", () => {
    bundles.look([on("a", NEW), on("b", OLD)]);
    now += 500;
    expect(bundles.look([on("a", OLD), on("b", NEW)]).differ_ms).to.equal(500);
    expect(bundles.look([on("a", OLD), on("b", null)]).differ_ms, "one runs none").to.equal(500);
    expect(bundles.look([on("a", NEW), on("b", NEW)]).differ_ms).to.equal(null);
    expect(bundles.look([on("a", OLD), on("b", NEW)]).differ_ms, "again").to.equal(0);
    expect(bundles.look([on("a", OLD)]).differ_ms, "the other is gone").to.equal(null);
  });
});
