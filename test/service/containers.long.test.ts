/** Services and commands that are given one log and store, in PID namespaces of their own as containers have them, and on the host. */
import { spawnSync } from "node:child_process";
import { copyFileSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { parse, stringify } from "yaml";
import { readConfig } from "../../src/system/config.js";
import { temporaryDirectory } from "../audit/temporary.js";
import { KEY, NAME, bundleBytes, publicPem } from "../bundle/support.js";
import { AGENT, REQUEST } from "../http/running.js";
import { skip } from "../skip.js";
import { CONTAINER, hasContainers } from "../system/handovers.js";
import { Child, placeIn, type Json, type Place } from "./child.js";

const ENDS_WITHIN_MS = 20_000;
const LISTENING = '"message":"listening"';

/** Where a service runs: as process 1 of a container, as another one there, or on the host. */
const WHERE = {
  "process 1 of a container": CONTAINER,
  "another process of a container": [...CONTAINER, "sh", "-c", 'true; "$@"; exit $?', "sh"],
  "the host": [],
} as const satisfies Record<string, readonly string[]>;
type Where = keyof typeof WHERE;

const PAIRS: readonly [first: Where, second: Where][] = [
  ["process 1 of a container", "process 1 of a container"],
  ["process 1 of a container", "another process of a container"],
  ["process 1 of a container", "the host"],
  ["the host", "process 1 of a container"],
];

describe("one log and store, and two containers", function () {
  const children: Child[] = [];
  before(function () {
    if (!hasContainers()) skip(this, "no PID namespaces");
  });
  afterEach(async () => {
    for (const child of children.splice(0)) await child.kill();
  });

  async function place(): Promise<Place> {
    const folder = temporaryDirectory();
    writeFileSync(join(folder, "bundle.pem"), publicPem(KEY));
    writeFileSync(join(folder, "bundle.tar.gz"), await bundleBytes({ expires: null, sequence: 12 }));
    return placeIn(folder, { bundle: { path: "bundle.tar.gz", name: NAME, keys: ["bundle.pem"] }, behavior: { enabled: false } });
  }

  /** The same log and store by other names, and ports of its own. */
  function beside(first: Place): Place {
    const config = join(first.folder, "beside.yaml");
    const said = parse(readFileSync(first.config, "utf8")) as Record<string, Json>;
    const { log, facts } = readConfig(first.config);
    symlinkSync(log.dir, join(first.folder, "linked-log"));
    symlinkSync(facts.store, join(first.folder, "linked-store"));
    said["log"] = { ...said["log"], dir: "linked-log" };
    said["facts"] = { ...said["facts"], store: "linked-store" };
    writeFileSync(config, stringify(said));
    return { ...first, config };
  }

  function child(at: Place, where: Where, ...options: string[]): Child {
    const one = new Child(at, {}, options, WHERE[where]);
    children.push(one);
    return one;
  }

  async function serving(at: Place, where: Where): Promise<Child> {
    const one = child(at, where);
    await one.ready();
    await one.told("POST", "/agents", { id: REQUEST.agent, ...AGENT });
    return one;
  }

  /** Ids of so many decisions that were answered. */
  async function decisions(of: Child, count: number): Promise<string[]> {
    const ids: string[] = [];
    for (let i = 0; i < count; i++) ids.push(String((await of.told("POST", "/decide", REQUEST)).body["decision_id"]));
    return ids;
  }

  function recorded({ records }: Place): string {
    const segments = readdirSync(records).filter((name) => name.endsWith(".jsonl"));
    return segments.map((name) => readFileSync(join(records, name), "utf8")).join("");
  }

  for (const [here, there] of PAIRS) {
    it(`one serves as ${here}: a second doesn't start as ${there}, and nothing is lost`, async () => {
      const at = await place();
      const first = await serving(at, here);
      const ids = await decisions(first, 20);
      const second = child(beside(at), there);
      await Promise.race([second.exit(ENDS_WITHIN_MS), second.says(LISTENING).catch(() => undefined)]);
      expect(second.said).not.to.contain(LISTENING);
      expect(second.said).to.match(/^error: .*facts\.db is locked by process \d+ on `.*`, in another container/m);
      const { body } = await first.told("POST", "/revocations", { scope: { agent: REQUEST.agent }, reason: "tests" });
      expect(body).to.include({ durable: true });
      ids.push(...(await decisions(first, 20)));
      await first.kill();
      const log = recorded(at);
      expect(ids.filter((id) => !log.includes(id))).to.deep.equal([]);
      const again = child(at, there);
      await again.ready();
      expect((await again.told("POST", "/decide", REQUEST)).body).to.include({ decision: "deny" });
    });
  }

  it("a standby in one waits for the service in the other, and serves once that one is killed", async () => {
    const at = await place();
    const first = await serving(at, "process 1 of a container");
    const ids = await decisions(first, 5);
    const standby = child(at, "process 1 of a container", "--standby");
    await standby.says('"message":"standing by"', LISTENING);
    expect(standby.said).not.to.contain(LISTENING);
    await first.kill();
    await standby.ready();
    ids.push(...(await decisions(standby, 5)));
    const log = recorded(at);
    expect(ids.filter((id) => !log.includes(id))).to.deep.equal([]);
  });

  const commands: readonly [what: string, of: (at: Place, folder: string) => string[]][] = [
    ["audit retain", ({ records }) => ["audit", "retain", records, "--before", "20"]],
    ["audit rebuild-index", ({ records }) => ["audit", "rebuild-index", "--log", records]],
    [
      "facts restore",
      ({ config }, folder) => ["facts", "restore", join(folder, "backup.db"), "--store", readConfig(config).facts.store, "--overwrite"],
    ],
  ];
  for (const [what, of] of commands) {
    it(`\`${what}\` on the host changes nothing of what a container's service writes, and says who has it`, async () => {
      const at = await place();
      const first = await serving(at, "process 1 of a container");
      await decisions(first, 20);
      const folder = temporaryDirectory();
      copyFileSync(join(readConfig(at.config).facts.store, "facts.db"), join(folder, "backup.db"));
      const { status, stderr } = spawnSync(process.execPath, [at.main, ...of(at, folder)], { encoding: "utf8" });
      expect(stderr).to.match(/^error: .* is locked by process 1 on `.*`, in another container/m);
      expect(status).not.to.equal(0);
      const { body } = await first.told("POST", "/revocations", { scope: { agent: REQUEST.agent }, reason: "tests" });
      expect(body).to.include({ durable: true });
      await first.kill();
      const again = child(at, "the host");
      await again.ready();
      expect((await again.told("POST", "/decide", REQUEST)).body).to.include({ decision: "deny" });
    });
  }
});
