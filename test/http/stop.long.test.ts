import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { bundleBytes } from "../bundle/support.js";
import { remit, type Ran } from "../cli/remit.js";
import { action, faultsBundle } from "../faults/support.js";
import { EVERY, ask, decided, runWithFacts, withAgent, type Json } from "./asking.js";
import { post, tokenFor, type Running } from "./running.js";
import { skip } from "../skip.js";

const STOPPED = "deny everything_revoked";
const REASON = ["--reason", "incident 12"];

const stopBy = (service: Running, ...args: string[]): Promise<Ran> =>
  remit("revoke", "everything", ...REASON, "--url", service.url, "--token", tokenFor("remit:revoke_all"), ...args);

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe("remit revoke everything", function () {
  let folder = "";
  let service: Running;
  const mounts: string[] = [];
  const places = (): object => ({ facts: { store: join(folder, "store"), durable_within_ms: 300 }, log: { dir: join(folder, "log") } });
  const stopFile = (): string => join(folder, "store", "stop.json");
  const stopHere = (...args: string[]): Promise<Ran> => remit("revoke", "everything", ...REASON, "--store", join(folder, "store"), ...args);

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "remit-stop-"));
  });
  afterEach(async () => {
    await service.stop();
    for (const mount of mounts.splice(0)) spawnSync("umount", ["--lazy", mount]);
    rmSync(folder, { recursive: true, force: true });
  });

  /** A small disk of its own at a folder of the service's. False where none can be had. */
  function smallDisk(name: string): boolean {
    const at = join(folder, name);
    mkdirSync(at);
    const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", at]);
    if (status === 0) mounts.push(at);
    return status === 0;
  }

  const ballast = (name: string): string => join(folder, name, "ballast");
  function fill(name: string): void {
    spawnSync("dd", ["if=/dev/zero", `of=${ballast(name)}`, "bs=4k"], { stdio: "ignore" });
  }

  async function started(sections: object = {}, bundle: Buffer | boolean = true): Promise<void> {
    service = await runWithFacts({ ...places(), ...sections }, bundle);
    if (bundle !== false) await withAgent(service);
  }

  it("stops every agent at once, and says from which revision on", async () => {
    await started();
    expect(await decided(service)).to.equal("allow permitted");
    const ran = await stopBy(service, "--json");
    expect([ran.exit, JSON.parse(ran.out)]).to.deep.equal([
      "ok",
      { ok: true, ...JSON.parse(ran.out), durable: true, in_force: "node", revision: 2 },
    ]);
    expect(await decided(service)).to.equal(STOPPED);
  });

  it("raises an alarm, in the operational log and in the metrics, until it is lifted", async () => {
    await started();
    const metric = async (): Promise<string | undefined> =>
      /^remit_everything_revoked (\d)$/m.exec((await ask(service, "GET", "/metrics")).text)?.[1];
    expect(await metric()).to.equal("0");
    await stopBy(service);
    expect(await metric()).to.equal("1");
    expect(service.said()).to.contain('"message":"everything is revoked","by":"gateway-1","reason":"incident 12"');
    await ask(service, "POST", "/revocations/everything/lift", { body: { reason: "over" } });
    expect(await metric()).to.equal("0");
    expect(service.said()).to.contain("the revocation of everything is lifted");
  });

  it("works where the log's disk is full", async function () {
    if (!smallDisk("log")) skip(this, "no tmpfs can be mounted");
    await started();
    fill("log");
    await until(async () => (await decided(service)).startsWith("503 log_unavailable"));
    const ran = await stopBy(service);
    expect(ran.exit).to.equal("held");
    expect(ran.err).to.contain("it holds at once, and isn't durable yet");
    expect(await decided(service)).to.match(/^(503 log_unavailable|deny everything_revoked)$/);
    rmSync(ballast("log"));
    await until(async () => (await decided(service)) !== "503 log_unavailable");
    expect(await decided(service)).to.equal(STOPPED);
  });

  it("works where the store's disk is full, and is stored once there is room", async function () {
    if (!smallDisk("store")) skip(this, "no tmpfs can be mounted");
    await started();
    fill("store");
    await until(
      async () => (await ask(service, "POST", "/agents", { body: { id: `n-${Math.random()}`, owner: "x", purposes: [] } })).status === 503,
    );
    const ran = await stopBy(service);
    expect(ran.exit).to.equal("held");
    expect(ran.err).to.contain("store_unavailable");
    expect(await decided(service)).to.equal(STOPPED);
    rmSync(ballast("store"));
    const kept = async (): Promise<Json[]> =>
      ((await ask(service, "GET", "/facts/events?key=revocation/everything")).body["items"] ?? []) as Json[];
    await until(async () => (await kept()).length === 1);
    expect((await kept())[0]).to.include({ change: "revoked", reason: "incident 12" });
    expect((await stopBy(service)).exit).to.equal("ok");
  });

  it("works where both disks are full", async function () {
    if (!smallDisk("store") || !smallDisk("log")) skip(this, "no tmpfs can be mounted");
    await started();
    fill("store");
    fill("log");
    await until(async () => (await decided(service)).startsWith("503 log_unavailable"));
    expect((await stopBy(service)).exit).to.equal("held");
    rmSync(ballast("log"));
    await until(async () => (await decided(service)) !== "503 log_unavailable");
    expect(await decided(service)).to.equal(STOPPED);
  });

  it("works where there is no bundle", async () => {
    await started({}, false);
    expect(await decided(service)).to.equal("503 bundle_missing");
    expect((await stopBy(service)).exit).to.equal("ok");
    writeFileSync(join(service.folder, "bundle.tar.gz"), await bundleBytes({ expires: null }));
    await until(async () => (await decided(service)) !== "503 bundle_missing");
    expect(await decided(service)).to.equal(STOPPED);
  });

  it("works where as many decisions are under way as may be, and waits in no line with them", async () => {
    const limits = { decisions_max: 1 };
    await started({ limits, engine: { evaluation_fuel_max: 200_000_000 } }, await faultsBundle());
    const endless = Array.from({ length: 50 }, (_, i) =>
      // Those that began before it and have not ended are cut off.
      post(service, "/decide", action(`n-${i}`, "endless")).then(
        (answer) => answer.text(),
        () => "cut",
      ),
    );
    const ran = await stopBy(service);
    expect(ran.exit).to.equal("ok");
    const codes = await Promise.all(endless);
    await until(async () => (await decided(service)) !== "503 overloaded");
    expect(codes.filter((text) => text.includes('"overloaded"')).length).to.be.above(0);
    expect(codes.filter((text) => text.includes('"allow"'))).to.deep.equal([]);
    expect(await decided(service)).to.equal(STOPPED);
  });

  it("needs the right to, and a reason", async () => {
    await started();
    for (const scope of ["remit:revoke", "remit:admin", "remit:register"]) {
      const ran = await remit("revoke", "everything", ...REASON, "--url", service.url, "--token", tokenFor(scope));
      expect(ran.exit).to.equal("refused");
      expect(ran.err).to.contain("scope_missing").and.contain("--store");
    }
    expect((await remit("revoke", "everything", "--url", service.url, "--token", EVERY)).exit).to.equal("usage");
    expect((await remit("revoke", "everything", "a-1", ...REASON)).exit).to.equal("usage");
    expect((await remit("revoke", "agent", ...REASON)).exit).to.equal("usage");
    expect((await remit("revoke", "agent", "a-1", ...REASON, "--store", "x")).exit).to.equal("usage");
    expect(await decided(service)).to.equal("allow permitted");
  });

  describe("with --store", () => {
    it("stops a running service, which stores it, takes the file away, and can be let go on", async () => {
      await started();
      const ran = await stopHere("--json");
      expect(JSON.parse(ran.out)).to.deep.include({ ok: true, durable: true });
      expect(ran.exit).to.equal("ok");
      expect(await decided(service)).to.equal(STOPPED);
      expect(existsSync(stopFile())).to.be.false;
      const { items } = (await ask(service, "GET", "/facts/events?key=revocation/everything")).body as { items: Json[] };
      expect(items[0]).to.include({ change: "revoked", reason: "incident 12" });
      expect(items[0]?.["by"]).to.match(/^file:/);
      const token = ["--url", service.url, "--token", EVERY];
      expect((await remit("revocations", "lift", "everything", "--reason", "over", ...token)).exit).to.equal("ok");
      expect(await decided(service)).to.equal("allow permitted");
    });

    it("stops a service that takes no connection more", async () => {
      await started({ limits: { connections_max: 1, keep_alive_ms: 1, headers_ms: 60_000 } });
      // One that waits for nobody's token would make room.
      const held = connect(service.port, "127.0.0.1");
      held.write(`GET /events HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${EVERY}\r\n\r\n`);
      await once(held, "data");
      const ran = await stopBy(service);
      expect(ran.exit).to.equal("unavailable");
      expect(ran.err).to.contain("--store");
      expect((await stopHere()).exit).to.equal("ok");
      held.destroy();
      let found = "";
      await until(async () => {
        found = await decided(service).catch(() => "");
        return found !== "";
      });
      expect(found).to.equal(STOPPED);
    });

    it("stops a service before its first decision, when it starts", async () => {
      await started();
      await service.stop();
      const waiting = await stopHere();
      expect(waiting.exit).to.equal("held");
      expect(waiting.out).to.contain("decides nothing but denials from now on");
      service = await runWithFacts(places());
      expect(await decided(service)).to.equal(STOPPED);
      await until(() => !existsSync(stopFile()));
      await service.stop();
      service = await runWithFacts(places());
      expect(await decided(service)).to.equal(STOPPED);
    });

    it("stops a service whose store's disk has no room, not even for the reason, and the one that starts after it", async function () {
      if (!smallDisk("store")) skip(this, "no tmpfs can be mounted");
      await started();
      fill("store");
      expect((await stopHere()).exit).to.equal("held");
      expect(statSync(stopFile()).size).to.equal(0);
      expect(await decided(service)).to.equal(STOPPED);
      await service.stop();
      rmSync(ballast("store"));
      expect(existsSync(stopFile())).to.be.true;
      service = await runWithFacts(places());
      expect(await decided(service)).to.equal(STOPPED);
      await until(() => !existsSync(stopFile()));
    });

    for (const [what, text] of [
      ["nothing", ""],
      ["half of it", '{"reason":'],
      ["something else", '{"stop": false}'],
      ["noise", "\u0000\u0001"],
    ] as const) {
      it(`takes a file with ${what} in it for what it is`, async () => {
        await started();
        writeFileSync(stopFile(), text);
        await until(async () => (await decided(service)) === STOPPED);
      });
    }

    it("refuses a folder without a store, where nobody would look", async () => {
      await started();
      const ran = await remit("revoke", "everything", ...REASON, "--store", join(folder, "log"));
      expect(ran.exit).to.equal("invalid");
      expect(ran.err).to.contain("facts.store");
      expect(existsSync(join(folder, "log", "stop.json"))).to.be.false;
    });
  });
});
