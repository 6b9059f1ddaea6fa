import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { Page } from "playwright-core";
import { writePlayground } from "../../scripts/playground.js";
import { toFragment } from "../../src/console/browser/share.js";
import { asset } from "../../src/system/paths.js";
import { remit } from "../cli/remit.js";
import { ConsoleBrowser } from "./browser.js";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** Milliseconds to wait for a state: loading and compiling is slow where others use the machine. */
const PATIENCE = { timeout: 150_000 };

/** Part of a page that functions use which run in it. */
declare const document: { body: { innerHTML: string } };
declare const window: { hacked?: number };
declare const trustedTypes: { createPolicy(name: string, rules: object): unknown };
interface Violations {
  violations: { id: string; nodes: { html: string }[] }[];
}
declare const Worker: new (url: string) => object;

describe("the playground, in a browser", function () {
  this.timeout(300_000);
  let browser: ConsoleBrowser;
  let folder = "";
  before(async function () {
    browser = await ConsoleBrowser.open(this);
    folder = mkdtempSync(join(tmpdir(), "remit-playground-"));
  });
  after(async () => {
    await (browser as ConsoleBrowser | undefined)?.close();
    if (folder !== "") rmSync(folder, { recursive: true, force: true });
  });

  /** Waits until the status says something, and nothing is under way. */
  const says = async (page: Page, words: string): Promise<void> => {
    await page.waitForSelector(`.status:has-text("${words}")`, PATIENCE);
  };
  /** Puts a text in the place of the open file's, as somebody would who pastes. */
  const paste = async (page: Page, text: string): Promise<void> => {
    await page.locator(".editor .cm-content").click();
    await page.keyboard.press("Control+a");
    await page.keyboard.insertText(text);
  };
  const open = (page: Page, file: string): Promise<void> => page.click(`.tabs button:has-text("${file}")`);

  it("compiles, tries and explains a set, and asks nobody for anything but its own files", async () => {
    const { page, errors, requests } = await browser.goTo("/policy/try");
    await says(page, "cases pass");
    await page.waitForSelector(".case .tried");
    await page.evaluate(AXE);
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      const { violations } = await page.evaluate<Violations>("axe.run(document, { resultTypes: ['violations'] })");
      expect(violations.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html)])).to.deep.equal([]);
    }
    expect(errors).to.deep.equal([]);
    expect(requests.filter((one) => !/^GET (?:\/assets\/[\w.-]+|\/policy\/try)$/.test(one))).to.deep.equal([]);
    await page.close();
  });

  for (const name of ["customer_support", "retail"])
    it(`finds what \`remit test\` finds, its own tests and both evaluators among it: ${name}`, async () => {
      const { page } = await browser.goTo("/policy/try");
      await says(page, "cases pass");
      await page.selectOption(".tools select", name);
      await page.waitForSelector(".tabs button:has-text('tables/')");
      const { out } = await remit("test", asset("rego", "policies", name), "--json");
      const { sets } = JSON.parse(out) as { sets: { tables: { cases: object[]; compared: number }[]; rego: { passed: number }[] }[] };
      const [set] = sets;
      const cases = set?.tables.reduce((sum, table) => sum + table.cases.length, 0) ?? 0;
      const compared = set?.tables.reduce((sum, table) => sum + table.compared, 0) ?? 0;
      await says(page, `${cases} cases pass`);
      await page.click("button:has-text('Test all')");
      await page.waitForSelector(`.whole li:has-text("${compared} cases")`, PATIENCE);
      const found = await page.innerText(".whole");
      expect(found).to.include(`Both evaluators agree on ${compared} cases`);
      expect(found).to.include(`${set?.rego.reduce((sum, { passed }) => sum + passed, 0) ?? 0} passed, 0 failed`);
      await page.close();
    });

  it("begins with the bundle that the service runs", async () => {
    const { page, errors } = await browser.goTo("/policy/try");
    await says(page, "cases pass");
    await page.selectOption(".tools select", "running");
    await page.waitForSelector(".tabs button:has-text('a_day_at_the_desk')", PATIENCE);
    await says(page, "cases pass");
    expect(await page.innerText(".tools select option >> nth=0")).to.equal("the running bundle");
    expect(errors).to.deep.equal([]);
    await page.close();
  });

  it("says what is wrong at its line, tries again when it is mended, and explains what would have let it pass", async () => {
    const { page } = await browser.goTo("/policy/try");
    await says(page, "cases pass");
    await open(page, "purposes.yaml");
    const text = readFileSync(asset("templates", "policy", "purposes.yaml"), "utf8");
    await paste(page, text.replace("- { read: mailbox", "- { raed: mailbox"));
    await says(page, "Doesn't compile");
    const note = await page.innerText(".notes li");
    expect(note).to.match(/purposes\.yaml:\d+.*raed/s);
    expect(note).to.include("did you mean `read`?");
    expect(await page.locator(".editor .cm-wrong").count()).to.equal(1);
    await paste(page, text.replace("about: task }", "about: other }"));
    await says(page, "fail");
    expect(await page.locator(".cases .bad").count()).to.be.greaterThan(0);
    await page.locator(".cases tr.deny button").first().click();
    await page.waitForSelector(".ways li", PATIENCE);
    await paste(page, text);
    await says(page, "cases pass");
    await page.close();
  });

  it("ends a worker that doesn't answer, and begins another", async () => {
    const { page, requests } = await browser.watched();
    const body = `onmessage = ({ data }) => {
      if (data.kind === "load") postMessage({ kind: "loaded", sets: { policy: { "purposes.yaml": "a: 1" } }, opa: "1", ms: 1 });
      else for (;;);
    };`;
    await page.route(/playground-worker/, (route) =>
      route.fulfill({ body, contentType: "text/javascript", headers: { "cross-origin-embedder-policy": "require-corp" } }),
    );
    await page.clock.install();
    await page.goto(`${browser.desk.running.url}/policy/try`);
    await page.waitForSelector(".tabs button");
    await page.clock.runFor(1000);
    await says(page, "Compiling");
    await page.clock.runFor(61_000);
    await says(page, "stopped after 60 s");
    expect(requests.filter((one) => one.includes("playground-worker"))).to.have.lengthOf(2);
    await page.close();
  });

  it("shares the text by a link whose text no server receives, and doesn't trust one", async () => {
    const { page } = await browser.goTo("/policy/try");
    await says(page, "cases pass");
    await open(page, "purposes.yaml");
    const text = readFileSync(asset("templates", "policy", "purposes.yaml"), "utf8");
    await paste(page, `# ours alone\n${text}`);
    await says(page, "cases pass");
    await page.click("button:has-text('Link')");
    await page.waitForSelector("[role=status]:has-text('no server')");
    const link = page.url();
    expect(new URL(link).hash).to.match(/^#try=/);
    await page.close();

    const opened = await browser.watched();
    await opened.page.goto(link);
    await says(opened.page, "cases pass");
    expect(await opened.page.innerText("main")).to.include("somebody else may have written all of this");
    expect(await opened.page.locator(".editor .cm-content").innerText()).to.include("# ours alone");
    expect(opened.requests.join("\n")).to.not.include("try=");
    await opened.page.close();
  });

  it("runs nothing that a link holds but a policy, and shows hostile text as text", async () => {
    const hostile = `<img src=x onerror="window.hacked=1"></title><script>window.hacked=1</script>\u202e`;
    const fragment = await toFragment({
      name: "hostile",
      files: { "vocabulary.yaml": `${hostile}\n`, "purposes.yaml": `"${hostile.replaceAll('"', "'")}": 1\n`, "x.rego": hostile },
    });
    const { page, errors } = await browser.watched();
    await page.goto(`${browser.desk.running.url}/policy/try${fragment}`);
    await says(page, "Doesn't compile");
    await page.click(".tabs button:has-text('x.rego')");
    expect(await page.evaluate(() => window.hacked)).to.equal(undefined);
    expect(await page.locator("main img, main script").count()).to.equal(0);
    expect(errors).to.deep.equal([]);
    await page.close();
  });

  it("saves a set that `remit test` passes, and a patch that git applies", async () => {
    const { page } = await browser.goTo("/policy/try");
    await says(page, "cases pass");
    await open(page, "purposes.yaml");
    const text = readFileSync(asset("templates", "policy", "purposes.yaml"), "utf8");
    await paste(page, text.replace("answer_lasts: 5s", "answer_lasts: 7s"));
    await page.waitForSelector("button:has-text('Save patch'):not([disabled])");
    const saved = async (name: string): Promise<string> => {
      const [download] = await Promise.all([page.waitForEvent("download"), page.click(`button:has-text('${name}')`)]);
      const to = join(folder, download.suggestedFilename());
      await download.saveAs(to);
      return to;
    };
    execFileSync("tar", ["-xf", await saved("Save files"), "-C", folder]);
    expect(readFileSync(join(folder, "policy", "purposes.yaml"), "utf8")).to.include("answer_lasts: 7s");
    const { exit, out } = await remit("test", join(folder, "policy"));
    expect(exit, out).to.equal("ok");
    const patch = await saved("Save patch");
    execFileSync("git", ["apply", "--reverse", "--check", patch], { cwd: join(folder, "policy") });
    expect(readFileSync(patch, "utf8")).to.include("+  answer_lasts: 7s");
    await page.close();
  });

  it("may start its own workers and no other script, and make no element of text", async () => {
    const { page } = await browser.goTo("/policy/try");
    await page.waitForSelector(".status");
    const refused = await page.evaluate(() => {
      const tried: Record<string, () => unknown> = {
        element: () => (document.body.innerHTML = "<img src=x>"),
        worker: () => new Worker("/assets/icon.svg"),
        policy: () => trustedTypes.createPolicy("another", {}),
        twice: () => trustedTypes.createPolicy("remit-worker", {}),
      };
      return Object.entries(tried).flatMap(([name, one]) => {
        try {
          one();
          return [];
        } catch {
          return [name];
        }
      });
    });
    expect(refused).to.deep.equal(["element", "worker", "policy", "twice"]);
    await page.close();
  });

  it("is static files as well, on any server and below any path", async () => {
    writePlayground(join(folder, "docs", "try"));
    const types: Record<string, string> = {
      html: "text/html",
      js: "text/javascript",
      css: "text/css",
      json: "application/json",
      svg: "image/svg+xml",
    };
    const server = createServer((request, response) => {
      const path = (request.url ?? "/").replace(/\/$/, "/index.html");
      response.setHeader("content-type", types[path.split(".").pop() ?? ""] ?? "application/octet-stream");
      response.end(readFileSync(join(folder, path)));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const { page, errors, requests } = await browser.watched();
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/docs/try/`);
      await says(page, "cases pass");
      expect(errors).to.deep.equal([]);
      expect(requests.filter((one) => !one.includes("/docs/try/"))).to.deep.equal([]);
      await page.close();
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});
