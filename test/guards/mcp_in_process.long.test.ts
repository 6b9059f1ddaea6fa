/** A guard that decides in its own process, where the service is slow, gone, or says what can't be used: nothing runs that isn't decided. */
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { expect } from "chai";
import { engineOptions, inProcess } from "../../src/cli/guard/guard_in_process.js";
import { CliError } from "../../src/cli/exit.js";
import type { Undecided } from "../../src/client/index.js";
import type { DecisionRecord } from "../../src/contract/index.js";
import type { EmbeddedOptions } from "../../src/embedded.js";
import { readEmbedded } from "../../src/embedded/options.js";
import { asking, type Remit } from "../../src/guards/mcp/remit.js";
import { system, type System } from "../../src/system/index.js";
import { KEY, NAME, bundleBytes, publicPem } from "../bundle/support.js";
import { action, beside, endOf, recordsIn, until, type Beside } from "../embedded/desk.js";
import { Wire } from "../embedded/wire.js";
import { REQUEST, tokenFor } from "../http/running.js";
import { crmOverHttp, type CrmOverHttp } from "./mcp/crm.js";
import { codeOf } from "./mcp/rough.js";
import { configOf, folderWith, guarded, inAnHour, logged, openDesk, type Desk, type Guarded } from "./mcp/support.js";

const ADA = { customer_id: "ada" };

describe("an MCP guard that decides in its own process, and a service that can't be heard", () => {
  let desk: Desk;
  let crm: CrmOverHttp;
  let wire: Wire;
  let between: Guarded;
  let dir: string;
  beforeEach(async () => {
    desk = await openDesk("in its own process");
    crm = await crmOverHttp();
    wire = await Wire.to(Number(new URL(desk.service.url).port));
  });
  afterEach(async () => {
    // So that what is still to be handed in doesn't keep it from closing.
    wire.mend();
    await between.close();
    await crm.close();
    await wire.close().catch(() => undefined);
    await desk.stop();
  });
  /** By facts that are half a second old at most, or as it says. */
  const begin = async (changes: object = { facts: { age_ms_max: 500 } }): Promise<void> => {
    const { in_process } = desk.remit();
    dir = in_process?.dir ?? "";
    between = await guarded(desk, crm, { remit: { url: wire.url, in_process: { ...in_process, ...changes } } });
  };
  const call = async (): Promise<unknown> => codeOf({ result: await between.client.callTool({ name: "get_customer", arguments: ADA }) });
  /** What the first call comes to that doesn't reach the server any more. */
  const refused = async (): Promise<unknown> => {
    for (;;) {
      const code = await call();
      if (code !== "done") return code;
    }
  };
  const lastReasons = (): string[] => {
    const judged = recordsIn(join(dir, "log")).filter((record): record is DecisionRecord => record.kind === "decision");
    return judged.at(-1)?.answer.reasons.map(({ code }) => code) ?? [];
  };

  const SILENT: [what: string, silence: () => unknown][] = [
    [
      "the network is cut, and nobody is told",
      () => {
        wire.cut();
      },
    ],
    ["the service is gone", () => wire.close()],
  ];
  for (const [what, silence] of SILENT) {
    it(`denies every call once its facts are too old, where ${what}`, async () => {
      await begin();
      await until(async () => (await call()) === "done", "a call");
      await silence();
      expect(await refused()).to.equal("denied");
      const did = crm.did.length;
      expect(lastReasons()).to.deep.equal(["facts_stale"]);
      expect(await call()).to.equal("denied");
      expect(crm.did).to.have.lengthOf(did);
    });
  }

  it("lets nothing through that was revoked while it heard nothing, once it hears again", async () => {
    await begin();
    wire.cut();
    expect(await refused()).to.equal("denied");
    await desk.ask("POST", "/revocations", { scope: { agent: "support-7" }, reason: "it went wrong" });
    wire.mend();
    const did = crm.did.length;
    await until(() => between.said().filter(({ event }) => event === "facts_current").length > 1, "the service");
    expect(await call()).to.equal("denied");
    expect(crm.did).to.have.lengthOf(did);
  });

  it("stops a call that runs once nothing vouches for it any more", async () => {
    await begin();
    const progress: number[] = [];
    const watching = between.client.callTool({ name: "watch_ticket", arguments: { ticket_id: "TCK-81" } }, undefined, {
      onprogress: (said) => progress.push(said.progress),
    });
    await until(() => progress.length > 0, "progress");
    wire.cut();
    expect(codeOf({ result: await watching })).to.equal("stopped");
    await until(() => crm.did.includes("cancelled"), "the cancellation");
  });

  it("decides nothing while more records wait for the service than may", async () => {
    await begin({ facts: { age_ms_max: 60_000 }, records: { unshipped_max: 1 } });
    // What it says of its own start waits too.
    await until(async () => (await call()) === "done", "a call");
    wire.cut();
    expect(await refused()).to.equal("not_decided");
    const did = crm.did.length;
    expect(await call()).to.equal("not_decided");
    expect(crm.did).to.have.lengthOf(did);
    expect(between.said().at(-1)).to.include({ event: "call_refused", code: "not_decided" });
  });

  it("begins no session whose task can't be made", async () => {
    await begin({ facts: { age_ms_max: 60_000 } });
    wire.cut();
    const other = new Client({ name: "host", version: "1" });
    const began = await other.connect(new StreamableHTTPClientTransport(new URL(between.guard.url ?? ""))).catch(String);
    expect(began).to.match(/403: It could not be decided/);
    expect(crm.did).to.deep.equal([]);
  });
});

describe("an engine in an MCP guard", () => {
  let world: Beside;
  let keys: ReturnType<typeof folderWith>;
  const opened: Remit[] = [];
  const TOKEN = tokenFor("remit:embed remit:bundle remit:decide remit:register", "guard-1");
  before(() => {
    keys = folderWith({ "key.pem": publicPem(KEY), "none.pem": "nothing" });
  });
  after(() => {
    keys.remove();
  });
  beforeEach(async () => {
    world = await beside();
  });
  afterEach(async () => {
    for (const remit of opened.splice(0)) await remit.close();
    await world.close();
  });
  const optionsOf = (said: object = {}, url = world.service.url): EmbeddedOptions => {
    const in_process = { dir: join(world.folder, "guard"), bundle: { name: NAME, keys: [join(keys.dir, "key.pem")] }, ...said };
    const { remit } = configOf({ remit: { url, in_process }, server: { url: "http://127.0.0.1:9" } });
    if (remit.in_process === undefined) throw new TypeError("it has none");
    return engineOptions(remit.in_process, { url, token: TOKEN });
  };
  const open = async (options = optionsOf(), moved: System = system): Promise<Remit> => {
    const service = asking(world.service.url, () => TOKEN);
    const remit = await inProcess(options, service, { system: moved, log: logged().log });
    opened.push(remit);
    return remit;
  };
  const task = (id: string): Parameters<Remit["createTask"]>[0] => ({
    id,
    agent: "a-1",
    purpose: "testing",
    subjects: {},
    expires: inAnHour(),
  });

  it("knows a session's task before the first call is decided on it", async () => {
    const remit = await open(optionsOf({ facts: { age_ms_max: 60_000 } }, world.wire.url));
    world.wire.cut();
    let known = false;
    const made = remit.createTask(task("T-7")).then(() => (known = true));
    await until(
      async () => (await fetch(`${world.service.url}/tasks/T-7`, { headers: { authorization: `Bearer ${TOKEN}` } })).ok,
      "the task",
    );
    expect(known).to.equal(false);
    world.wire.mend();
    await made;
    expect(await endOf(remit.guard(action("note", { task: "T-7" }), () => undefined))).to.equal("ran");
  });

  it("has no task that it doesn't come to know", async () => {
    const remit = await open(optionsOf({ facts: { age_ms_max: 60_000 } }, world.wire.url));
    world.wire.cut();
    expect(await endOf(remit.createTask(task("T-8")))).to.equal("deadline");
    world.wire.mend();
  });

  it("decides nothing by a bundle that has expired meanwhile", async () => {
    const published = await fetch(`${world.service.url}/bundles`, {
      method: "POST",
      headers: { authorization: `Bearer ${tokenFor("remit:publish")}`, "content-type": "application/gzip" },
      body: new Uint8Array(await bundleBytes({ sequence: 13, expires: "2090-01-01T00:00:00Z" })),
    });
    expect(published.ok).to.equal(true);
    let years = 0;
    const wall = (): number => system.clock.wall() + years * 365 * 24 * 3_600_000;
    const remit = await open(optionsOf(), { ...system, clock: { ...system.clock, wall } });
    const note = { ...REQUEST, task: "T-1" };
    expect(await endOf(remit.guard(note, () => undefined))).to.equal("ran");
    years = 100;
    const refused = await remit.guard(note, () => expect.fail("it ran")).catch((cause: unknown) => cause);
    expect((refused as Undecided).problem?.code).to.equal("bundle_expired");
  });

  it("is as an engine is that is told nothing", () => {
    const { dir, bundle, service } = optionsOf();
    const { name, keys } = bundle;
    const [said, unsaid] = [optionsOf(), { dir, bundle: { name, keys }, service }].map((options) =>
      readEmbedded(options as EmbeddedOptions),
    );
    expect(said).to.deep.equal(unsaid);
  });

  const WRONG: [what: string, options: () => EmbeddedOptions, exit: string, says: RegExp][] = [
    [
      "a key that isn't there",
      () => optionsOf({ bundle: { name: NAME, keys: ["/none/of.pem"] } }),
      "invalid",
      /^`\/none\/of.pem` can't be read$/,
    ],
    [
      "a key that is none",
      () => optionsOf({ bundle: { name: NAME, keys: [join(keys.dir, "none.pem")] } }),
      "invalid",
      /^remit.in_process: bundle.keys.0: expected a public P-256 key/,
    ],
    [
      "nobody there",
      () => ({ ...optionsOf({}, "http://127.0.0.1:9"), ready_ms: 500 }),
      "unavailable",
      /^nothing can be decided within 500 ms: .*is the service at/,
    ],
    [
      "a bundle of another name",
      () => ({ ...optionsOf({ bundle: { name: "other", keys: [join(keys.dir, "key.pem")] } }), ready_ms: 500 }),
      "unavailable",
      /no bundle is active: .*404 not_found/,
    ],
  ];
  for (const [what, options, exit, says] of WRONG) {
    it(`doesn't begin with ${what}`, async () => {
      const refused = await (async () => open(options()))().catch((cause: unknown) => cause);
      expect(refused).to.be.instanceOf(CliError);
      expect([(refused as CliError).exit, says.test((refused as CliError).message)], String(refused)).to.deep.equal([exit, true]);
    });
  }

  it("has its folder for itself", async () => {
    await open();
    expect(await open().catch(String)).to.match(/^Locked: .* is already open in this process/);
  });
});
