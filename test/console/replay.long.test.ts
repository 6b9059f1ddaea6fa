import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { expect } from "chai";
import type { Page } from "playwright-core";
import { readArchive, writeArchive } from "../../src/bundle/archive.js";
import type { Answer } from "../../src/contract/index.js";
import { OTHERS_INVOICE } from "../findings/service_support.js";
import { ConsoleBrowser } from "./browser.js";
import { Helpdesk, MASKING } from "./helpdesk.js";

const PATIENCE = { timeout: 60_000 };

describe("replay on a decision's page, in a browser", function () {
  this.timeout(200_000);
  let browser: ConsoleBrowser;
  let folder = "";
  let archive: Buffer;
  let refused: Answer;
  let flagged: Answer;
  let allowed: Answer;
  before(async function () {
    browser = await ConsoleBrowser.open(this);
    folder = mkdtempSync(join(tmpdir(), "remit-replay-"));
    const { desk } = browser.desk;
    allowed = await desk.decide("read invoice/I-1 customer-1");
    refused = await desk.decide("read order/O-9 customer-9", 2);
    flagged = await desk.decide(OTHERS_INVOICE);
    const ada = await browser.desk.signIn();
    const { policy } = allowed;
    const response = await fetch(`${browser.desk.running.url}/api/service/bundles/${policy.bundle}?digest=${policy.digest}`, {
      headers: ada.headers,
    });
    archive = Buffer.from(await response.arrayBuffer());
  });
  after(async () => {
    await (browser as ConsoleBrowser | undefined)?.close();
    if (folder !== "") rmSync(folder, { recursive: true, force: true });
  });

  const result = async (page: Page, at = 0): Promise<string | null> => {
    const found = page.locator(".replayed").nth(at);
    await found.waitFor(PATIENCE);
    return await found.getAttribute("data-is");
  };
  const choose = async (page: Page, bytes: Buffer): Promise<void> => {
    const file = join(folder, "candidate.tar.gz");
    writeFileSync(file, bytes);
    await page.setInputFiles(".replay input[type=file]", file);
  };
  /** Returns the bundle with one of its files changed, its signature left as it was. */
  const changed = async (name: string, change: (content: Buffer) => Buffer): Promise<Buffer> => {
    const files = new Map(await readArchive(archive));
    files.set(name, change(files.get(name) ?? Buffer.alloc(0)));
    return await writeArchive(files, 0);
  };

  it("gives the same answer by the bundle that decided, be it allowed, flagged or denied", async () => {
    for (const { decision_id: id } of [allowed, refused, flagged]) {
      const { page, errors, requests } = await browser.goTo(`/records/${id}`);
      await page.click(".replay a");
      expect(await result(page)).to.equal("identical");
      expect(await page.innerText(".replayed")).to.include("the digest that the record names");
      expect(errors).to.deep.equal([]);
      expect(requests.filter((one) => !/^(?:GET|POST) \//.test(one))).to.deep.equal([]);
      await page.close();
    }
  });

  it("says what differs under another bundle, and that it is another", async () => {
    const { page } = await browser.goTo(`/records/${flagged.decision_id}?replay=1`);
    expect(await result(page)).to.equal("identical");
    const { reasons } = flagged;
    const other = await changed("catalogue.json", (text) =>
      Buffer.from(text.toString().replaceAll(/"message":"[^"]*"/g, '"message":"another sentence"')),
    );
    await choose(page, other);
    expect(await result(page, 1)).to.equal("differing");
    const shown = await page.locator(".replayed").nth(1).innerText();
    expect(shown)
      .to.include("another sentence")
      .and.to.include(reasons[0]?.message ?? "no reason");
    expect(shown).to.include("not the bundle of the record");
    await page.close();
  });

  it("takes no bundle's word for its digest, and says what isn't a bundle", async () => {
    const { page, errors } = await browser.goTo(`/records/${refused.decision_id}?replay=1`);
    await result(page);
    await choose(page, await changed("rules/rules.rego", (text) => Buffer.concat([text, Buffer.from("# changed\n")])));
    expect(await result(page, 1)).to.equal("identical");
    expect(await page.locator(".replayed").nth(1).innerText()).to.include("not the bundle of the record");
    const tar = gunzipSync(archive);
    for (const garbage of [
      Buffer.from("garbage"),
      gzipSync(Buffer.from("garbage")),
      archive.subarray(0, 1000),
      gzipSync(tar.subarray(0, 512)),
    ]) {
      await choose(page, garbage);
      await page.waitForSelector(".replay .failed", PATIENCE).catch((cause: unknown) => {
        throw new Error(`no refusal of ${garbage.length} bytes`, { cause });
      });
      await choose(page, archive);
      await page.waitForSelector(".replay .failed", { ...PATIENCE, state: "detached" });
    }
    expect(errors).to.deep.equal([]);
    await page.close();
  });

  it("leaves every other page without the right to evaluate", async () => {
    const { page } = await browser.goTo(`/records/${refused.decision_id}?replay=1`);
    await result(page);
    await page.click("nav a:has-text('Records')");
    await page.waitForSelector("table.rows");
    expect(await page.evaluate("typeof document.getElementById('app').dataset.replay")).to.equal("undefined");
    const wasm = "WebAssembly.compile(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])).then(() => 'compiled', ({ name }) => name)";
    expect(await page.evaluate(wasm)).to.equal("CompileError");
    await page.close();
  });

  it("runs the service's own checks again for what they refused, before any policy was asked", async () => {
    const { desk } = browser.desk;
    const own = { agent: "support-3", purpose: "customer_support", task: "T-3", verb: "read" };
    const asked: [what: string, more: object, before?: () => Promise<unknown>][] = [
      ["agent_unknown", { agent: "nobody" }],
      ["task_unknown", { task: "T-none" }],
      ["task_of_another_agent", { task: "T-1" }],
      ["verb_unknown", { verb: "invent" }],
      ["narrowed_to_read", { verb: "delete" }, () => desk.ask("POST", "/agents/support-3/narrowing", { reason: "a test" })],
      ["agent_revoked", {}, () => desk.ask("POST", "/revocations", { scope: { agent: "support-3" }, reason: "a test" })],
    ];
    for (const [code, more, prepare] of asked) {
      await prepare?.();
      const { body } = await desk.ask("POST", "/decide", {
        ...own,
        resource: { type: "customer", id: "customer-3", attributes: {} },
        ...more,
      });
      const answer = body as unknown as Answer;
      expect(answer.reasons[0]?.code).to.equal(code);
      const { page } = await browser.goTo(`/records/${answer.decision_id}`);
      expect(await page.innerText(".replay"), code).to.contain("refused before a policy was asked");
      await page.click(".replay a");
      expect(await result(page), code).to.equal("identical");
      await page.close();
    }
  });
});

describe("replay of what is masked, and by a bundle that is gone, in a browser", function () {
  this.timeout(300_000);
  let helpdesk: Helpdesk;
  const note = { arguments: { note: 4711 } };
  const withEmail = { ...note, resource: { type: "account", id: "ada", attributes: { owner: "ada", recovery_email: "ada@example.com" } } };
  before(async function () {
    helpdesk = await Helpdesk.open(this, MASKING, 1);
  });
  after(async () => {
    await (helpdesk as Helpdesk | undefined)?.browser.close();
  });

  const replayed = async (id: string): Promise<{ is: string | null; text: string }> => {
    const { page } = await helpdesk.browser.goTo(`/records/${id}?replay=1`);
    await page.waitForSelector(".replayed", PATIENCE);
    const [is, text] = [await page.getAttribute(".replayed", "data-is"), await page.innerText(".replay")];
    await page.close();
    return { is, text };
  };

  it("says the same answer where the decision doesn't rest on it, and that it can't be told where it does, with its name", async () => {
    const [free, bound] = [await helpdesk.decide(note), await helpdesk.decide(withEmail)];
    const [first, second] = [await replayed(free.decision_id), await replayed(bound.decision_id)];
    expect(first.is).to.equal("identical");
    expect(first.text).to.contain("2 values of the record are masked; the decision doesn't rest on them");
    expect(second.is).to.equal("masked");
    expect(second.text).to.contain("input/request/resource/attributes/recovery_email");
    expect(`${first.text}${second.text}`).to.not.contain("4711").and.not.contain("ada@example.com");
  });

  it("says that the bundle is no longer kept, and takes its file in place of it", async () => {
    const { decision_id: id } = await helpdesk.decide();
    const { desk } = helpdesk.browser.desk;
    const own = join(helpdesk.folder, "bundle.tar.gz");
    const kept = readFileSync(own);
    for (const sequence of [2, 3]) {
      const bytes = readFileSync(await helpdesk.candidate({}, sequence));
      const headers = { authorization: `Bearer ${desk.token("remit:publish")}`, "content-type": "application/gzip" };
      const { status } = await fetch(`${desk.service.url}/bundles`, { method: "POST", headers, body: bytes });
      expect(status).to.equal(200);
    }
    const { page } = await helpdesk.browser.goTo(`/records/${id}?replay=1`);
    await page.locator(".unable", { hasText: "no longer keeps the bundle that decided it" }).waitFor(PATIENCE);
    await page.setInputFiles(".replay input[type=file]", { name: "old.tar.gz", mimeType: "application/gzip", buffer: kept });
    await page.waitForSelector(".replayed", PATIENCE);
    expect(await page.getAttribute(".replayed", "data-is")).to.equal("identical");
    expect(await page.innerText(".replayed")).to.contain("the digest that the record names");
    await page.close();
  });
});
