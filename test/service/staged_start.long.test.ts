import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { isInShare } from "../../src/policy/staging.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { KEY, NAME, publicPem } from "../bundle/support.js";
import { AGENT, REQUEST } from "../http/running.js";
import { Child, placeIn, type Place } from "./child.js";
import { VerdictBundles } from "./swaps.js";

const SHARE = 50;
const TYPE = "application/gzip";

describe("a service whose last decision was made by a staged bundle", function () {
  this.timeout(600_000);
  let folder: string;
  let place: Place;
  let child: Child;
  let bundles: VerdictBundles;
  const agent = Array.from({ length: 20 }, (_, i) => `trying-${i}`).find((id) => isInShare(id, SHARE)) ?? "";

  const decided = async (): Promise<string> => {
    const told = await child.told("POST", "/decide", { ...REQUEST, agent });
    const { decision, policy } = told.body as { decision: string; policy: { sequence: number } };
    return told.status === 200 ? `${decision} ${policy.sequence}` : told.outcome;
  };
  const publish = async (sequence: number, query = ""): Promise<string> => {
    const told = await child.ask("POST", `/bundles?reason=tests${query}`, { body: await bundles.make(sequence), type: TYPE });
    return told?.outcome ?? "nothing";
  };
  const again = async (): Promise<void> => {
    child = new Child(place);
    await child.ready();
  };

  before(async () => {
    folder = temporaryDirectory();
    writeFileSync(join(folder, "bundle.pem"), publicPem(KEY));
    bundles = await VerdictBundles.open();
    writeFileSync(join(folder, "bundle.tar.gz"), await bundles.make(2));
    const [path, state_dir] = [join(folder, "bundle.tar.gz"), join(folder, "state")];
    place = placeIn(folder, { bundle: { name: NAME, path, keys: [join(folder, "bundle.pem")], state_dir } });
    await again();
    expect((await child.told("POST", "/agents", { id: agent, ...AGENT })).status).to.equal(201);
  });
  after(() => child.stop());

  for (const [how, end] of [
    ["was killed", () => child.kill()],
    ["stopped in order", () => child.stop()],
    [
      "was killed and lost its state folder",
      async () => {
        await child.kill();
        rmSync(join(folder, "state"), { recursive: true });
      },
    ],
  ] as const)
    it(`decides by the active one when it starts again after it ${how}`, async () => {
      expect(await publish(3, `&stage=${SHARE}`)).to.equal("200");
      expect(await decided()).to.equal("deny 3");
      await end();
      await again();
      expect(await decided()).to.equal("allow 2");
    });

  it("still goes back to no bundle that was active before the active one", async () => {
    expect(await publish(4)).to.equal("200");
    expect(await publish(5, `&stage=${SHARE}`)).to.equal("200");
    expect(await decided()).to.equal("deny 5");
    await child.kill();
    rmSync(join(folder, "state"), { recursive: true });
    writeFileSync(join(folder, "bundle.tar.gz"), await bundles.make(2));
    child = new Child(place);
    await child.says('"event":"service_listening"');
    expect(child.said).to.include('"code":"bundle_older"');
    expect(await decided()).to.equal("503 bundle_missing");
  });
});
