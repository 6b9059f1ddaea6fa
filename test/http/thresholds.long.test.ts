/** The thresholds of behaviour in force, as the bundle in force has them. */
import { expect } from "chai";
import { COMPILER_BUILD_MS_MAX, build } from "../build/support.js";
import { KEY } from "../bundle/support.js";
import { run, tokenFor, type Running } from "./running.js";

const BEHAVIOR = "  behavior: { hold: never, channels: { order: { flag: 4.5 }, drift: { log: 3 } } }\n";
const unmoved = (at: number): object => ({ at, before: at });

describe("GET /behavior/thresholds", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  let service: Running | undefined;
  const started = async (enabled: boolean): Promise<Running> => {
    const { archive } = await build({ "purposes.yaml": (text) => text.replace("  hours:\n", `${BEHAVIOR}  hours:\n`) }, { key: KEY });
    const bundle = { name: "helpdesk", path: "bundle.tar.gz", keys: ["bundle.pem"], state_dir: "state" };
    return (service = await run({ bundle, behavior: { enabled } }, archive));
  };
  afterEach(() => service?.stop());

  for (const [how, enabled] of [
    ["with what is learned", true],
    ["where nothing is learned", false],
  ] as const) {
    it(`has the risks of each step and the rarities of single channels, ${how}`, async () => {
      const { url } = await started(enabled);
      const response = await fetch(`${url}/behavior/thresholds`, {
        headers: { authorization: `Bearer ${tokenFor("remit:audit")}` },
      });
      expect(await response.json()).to.deep.equal({
        items: [
          {
            ...{ purpose: "it_helpdesk", expected: 0, misuse: 0, score: 0 },
            ...{ log: unmoved(25), flag: unmoved(60), hold: null, narrow: unmoved(60), suspend: unmoved(85) },
            channels: [
              { channel: "drift", then: "log", at: 3 },
              { channel: "order", then: "flag", at: 4.5 },
            ],
          },
        ],
      });
    });
  }
});
