import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { NatsUnavailable, startNats, stopNats, type NatsServer } from "../../demo/nats/servers.js";
import type { ClusterAnswer } from "../../src/contract/index.js";
import { asset } from "../../src/system/paths.js";
import { ClusterNode } from "../cluster/nodes.js";
import { skip } from "../skip.js";
import { ConsoleBrowser, holds, type WatchedPage } from "./browser.js";

/** Longer than a node has to be silent until its lessons are behind. */
const LEASE_MS = 60_000;

describe("the console beside a node of a cluster", function () {
  this.timeout(300_000);
  let folder: string;
  let servers: NatsServer[] = [];
  let browser: ConsoleBrowser | null = null;
  let other: ClusterNode | null = null;

  before(async function () {
    folder = mkdtempSync(join(tmpdir(), "remit-console-nodes-"));
    try {
      servers = await startNats(1, join(folder, "nats"));
    } catch (cause) {
      if (cause instanceof NatsUnavailable) skip(this, cause.message);
      throw cause;
    }
    const cluster = { name: "tests", node: "a", nats: { servers: servers.map(({ url }) => url), replicas: 1 } };
    browser = await ConsoleBrowser.open(this, { service: { cluster: { ...cluster, lease_ms: LEASE_MS, bundles: "feed" } } });
    const options = { lease_ms: LEASE_MS, replicas: 1, more: { bundles: "feed" }, sections: { behavior: { enabled: true } } };
    other = await ClusterNode.start("b", folder, servers, options);
    await other.child.ready();
  });
  after(async () => {
    await browser?.close();
    await other?.close();
    await stopNats(servers);
    rmSync(folder, { recursive: true, force: true });
  });

  const health = async (): Promise<WatchedPage> => (browser ?? expect.fail("no browser")).goTo("/health");
  const unopened = async (): Promise<{ watched: WatchedPage; url: string }> => {
    const one = browser ?? expect.fail("no browser");
    return { watched: await one.watched(), url: one.desk.running.url };
  };
  const says = async ({ page }: WatchedPage, ...what: readonly string[]): Promise<void> => {
    for (const text of what) await holds(page, `document.body.innerText.includes(${JSON.stringify(text)})`);
  };

  it("shows that the feed names no bundle, then which it names and that every node decides by it", async () => {
    const watched = await health();
    await says(watched, "The cluster tests", "The feed names no bundle yet");
    const { desk } = (browser ?? expect.fail("no browser")).desk;
    const published = await fetch(`${desk.service.url}/bundles?reason=first`, {
      method: "POST",
      headers: { authorization: `Bearer ${desk.token("remit:publish")}`, "content-type": "application/gzip" },
      body: readFileSync(asset("bundles", "customer_support.tar.gz")),
    });
    expect(published.status, await published.text()).to.be.oneOf([200, 201]);
    await says(watched, "The feed names bundle customer_support", "every live node decides by it");
    expect(watched.errors).to.deep.equal([]);
    await watched.page.close();
  });

  it("shows what all nodes try, and where they don't yet", async () => {
    const { watched, url } = await unopened();
    // What a node answers once a bundle is staged: one that is signed with the named bundle's key can't be made here.
    const staged = {
      ...{ digest: `sha256:${"5".repeat(64)}`, sequence: 77, revision: "r", share: 10, since: new Date().toISOString() },
      ...{ by: "ada", reason: "try it", waiting_for: ["b"], failing: null },
    };
    const { desk } = (browser ?? expect.fail("no browser")).desk;
    const told = await fetch(`${desk.service.url}/cluster`, { headers: { authorization: `Bearer ${desk.token("remit:audit")}` } });
    const { bundles, ...rest } = (await told.json()) as ClusterAnswer;
    await watched.page.route("**/api/service/cluster", (route) =>
      route.fulfill({ json: { ...rest, bundles: { ...bundles, named: { ...bundles.named, staged } } } }),
    );
    await watched.page.goto(`${url}/health`);
    await says(watched, "All try, for 10 % of the agents, sequence 77", "by ada", "(try it)", "not yet: b");
    [staged.share, staged.waiting_for] = [0, []];
    await watched.page.reload();
    await says(watched, "All try, in shadow, sequence 77", "every live node tries it");
    expect(watched.errors).to.deep.equal([]);
    await watched.page.close();
  });

  it("shows how long ago it learned of each node, and warns once that is long ago", async () => {
    const watched = await health();
    const row = `[...document.querySelectorAll("tr")].find((one) => one.cells[0]?.innerText.trim() === "b")?.innerText ?? ""`;
    await holds(watched.page, `/● live[^]*\\d\\.\\d s ago/.test(${row})`);
    expect(await watched.page.evaluate<boolean>(`document.body.innerText.includes("doesn't know what others decide")`)).to.equal(false);
    other?.freeze(true);
    try {
      await says(watched, "Node a doesn't know what others decide", "it lets no narrowed agent back");
      await holds(watched.page, `/■ \\d+ (?:s|min) ago/.test(${row})`);
    } finally {
      other?.freeze(false);
    }
    await holds(watched.page, `/\\d\\.\\d s ago/.test(${row})`);
    expect(watched.errors).to.deep.equal([]);
    await watched.page.close();
  });
});
