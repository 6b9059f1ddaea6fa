import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { expect } from "chai";
import type { Page } from "playwright-core";
import { readArchive, writeArchive } from "../../src/bundle/archive.js";
import type { Answer } from "../../src/contract/index.js";
import { OTHERS_INVOICE } from "../findings/service_support.js";
import { ConsoleBrowser } from "./browser.js";

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
});
