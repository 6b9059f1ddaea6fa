import { expect } from "chai";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { DecisionRecord } from "../../src/contract/index.js";
import { openEmbedded } from "../../src/embedded.js";
import { asset } from "../../src/system/paths.js";
import { Child, placeIn, sleep, type Place } from "../service/child.js";
import { recordsIn, until } from "./desk.js";
import { Wire } from "./wire.js";

const APPLICATION = fileURLToPath(new URL("./application.js", import.meta.url));
const BUNDLE = { name: "customer_support", keys: readFileSync(asset("bundles", "customer_support.pub.pem"), "utf8") };
const ROUNDS = 4;

describe("an application and a service that are killed", function () {
  let folder: string;
  let place: Place;
  let service: Child;
  let wire: Wire;
  let application: ChildProcess | null = null;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "remit-embedded-"));
    place = placeIn(join(folder, "service"));
    service = new Child(place);
    await service.ready();
    wire = await Wire.to(portOf(service));
  });
  after(async () => {
    application?.kill("SIGKILL");
    await service.kill();
    await wire.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const idsIn = (log: string, isOurs: (record: DecisionRecord) => boolean): string[] =>
    recordsIn(log).flatMap((record) => (record.kind === "decision" && isOurs(record) ? [record.answer.decision_id] : []));

  it("lose no record of what was answered, and have each once", async () => {
    await service.told("POST", "/agents", { id: "support-7", owner: "tests", purposes: ["customer_support"] });
    const dir = join(folder, "application");
    const given = { dir, url: wire.url, token: place.token, ...BUNDLE };
    let answered = "";
    for (let round = 0; round < ROUNDS; round++) {
      application = spawn(process.execPath, [APPLICATION, JSON.stringify(given)], {
        stdio: ["ignore", "pipe", "ignore"],
      });
      const before = answered.length;
      application.stdout?.setEncoding("utf8").on("data", (text: string) => (answered += text));
      const ended = once(application, "close");
      await until(() => answered.length > before, "an answer");
      // Before, while and after records are handed in for the first time, and then among others.
      await sleep(150 + 60 * round);
      if (round % 2 === 0) {
        // Both, the one while it hands over and the other while it takes.
        await service.kill();
        application.kill("SIGKILL");
        await ended;
        service = new Child(place);
        await service.ready();
        wire.target = portOf(service);
      } else {
        application.kill("SIGKILL");
        await ended;
      }
    }
    // And all of it again, to a service that remembers nothing but its records.
    await service.kill();
    service = new Child(place);
    await service.ready();
    wire.target = portOf(service);
    rmSync(join(dir, "log", "shipped.json"), { force: true });
    const remit = await openEmbedded({
      dir,
      bundle: BUNDLE,
      service: { url: wire.url, token: place.token },
      ready_ms: 30_000,
    });
    await until(() => remit.status.unshipped === 0, "the last hand-over");
    await remit.close();
    const here = idsIn(join(dir, "log"), () => true);
    const there = idsIn(place.records, ({ engine }) => engine !== undefined);
    // The last line may have been cut off with the process.
    const said = answered.split("\n").slice(0, -1);
    expect(said.length).to.be.above(ROUNDS);
    expect(
      said.filter((id) => !here.includes(id)),
      "answered, and not on record",
    ).to.deep.equal([]);
    expect(new Set(there).size, "each once").to.equal(there.length);
    expect(there).to.deep.equal(here);
  });
});

function portOf({ said }: Child): number {
  return Number(/"url":"http:\/\/[^"]*:(\d+)"/.exec(said)?.[1]);
}
