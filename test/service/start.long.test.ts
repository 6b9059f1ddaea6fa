import { createServer, type AddressInfo } from "node:net";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { temporaryDirectory } from "../audit/temporary.js";
import { Child, placeIn, type Place } from "./child.js";
import { SmallDisk } from "./small_disk.js";
import { skip } from "../skip.js";

type Sections = NonNullable<Parameters<typeof placeIn>[1]>;

/** Long for a process that has nothing left to do. */
const ENDS_WITHIN_MS = 15_000;

describe("a service that can't start", function () {
  const clean: (() => unknown)[] = [];
  afterEach(async () => {
    for (const act of clean.splice(0)) await act();
  });

  /** The exit code, and what it said last, but for a hint. */
  async function ends(place: Place): Promise<[code: number | null, said: string]> {
    const child = new Child(place);
    clean.push(() => child.kill());
    const code = await child.exit(ENDS_WITHIN_MS);
    // Threads that were under way may still say something in the log after it.
    return [code, child.said.split("\n").findLast((line) => line.startsWith("error: ")) ?? child.said];
  }

  const cases: readonly [what: string, spoil: (folder: string) => Sections | Promise<Sections>, said: RegExp][] = [
    [
      "for its store is damaged",
      (folder) => {
        mkdirSync(join(folder, "store"), { recursive: true });
        writeFileSync(join(folder, "store", "facts.db"), "no database\n".repeat(1000));
        return {};
      },
      /^error: .*facts\.db is damaged: file is not a database$/,
    ],
    [
      "for its log is damaged",
      (folder) => {
        mkdirSync(join(folder, "records"), { recursive: true });
        writeFileSync(join(folder, "records", "0000000000000002.jsonl"), '{"seq":2}\n');
        return {};
      },
      /^error: .*0000000000000002\.jsonl/,
    ],
    [
      "for its port is taken",
      async () => {
        const server = createServer().listen(0, "127.0.0.1");
        clean.push(() => server.close());
        await once(server, "listening");
        return { listen: { port: (server.address() as AddressInfo).port } };
      },
      /^error: listen: .* is taken by another process$/,
    ],
  ];
  for (const [what, spoil, said] of cases) {
    it(`ends and says why, ${what}`, async () => {
      const folder = temporaryDirectory();
      const [code, last] = await ends(placeIn(folder, await spoil(folder)));
      expect(last).to.match(said);
      expect(code).to.be.above(0);
    });
  }

  for (const at of ["store", "records"]) {
    it(`ends and says why, for the disk of its ${at} is full; and starts once there is room`, async function () {
      const folder = temporaryDirectory();
      const place = placeIn(folder);
      const disk = SmallDisk.at(join(folder, at));
      if (disk === null) skip(this, "no tmpfs can be mounted");
      clean.push(() => {
        disk.unmount();
      });
      disk.fill();
      const [code, last] = await ends(place);
      expect(last).to.match(new RegExp(`^error: .*${join(folder, at)}.*(ENOSPC|full)`));
      expect(code).to.be.above(0);
      disk.free();
      const child = new Child(place);
      clean.unshift(() => child.kill());
      await child.ready();
      const created = await child.told("POST", "/agents", { id: "a-1", owner: "tests", purposes: [] });
      expect(created.status).to.equal(201);
    });
  }
});
