/** The first page, while what it shows is on its way, where it can't be read, and what it lists of those that are held back. */
import { expect } from "chai";
import type { Page } from "playwright-core";
import { COMPILER_BUILD_MS_MAX } from "../build/support.js";
import { ConsoleBrowser } from "./browser.js";

const NOTHING = /nothing to look into|nobody is kept waiting|nobody is narrowed|Nothing waits/;

describe("the console's first page", function () {
  this.timeout(COMPILER_BUILD_MS_MAX);
  let browser: ConsoleBrowser;
  before(async function () {
    browser = await ConsoleBrowser.open(this);
  });
  after(async () => {
    await (browser as ConsoleBrowser | undefined)?.close();
  });

  const textOf = async (page: Page): Promise<string> => (await page.innerText("main")).replaceAll(/\s+/g, " ");

  const parts: [path: string, loading: RegExp][] = [
    ["findings?state=open", /– findings are open loading …/],
    ["approvals?state=waiting", /– actions wait loading …/],
    ["narrowings?in_force=true", /– restrictions hold loading …/],
    ["revocations?in_force=true", /– restrictions hold loading …/],
    ["agents?status=suspended", /– restrictions hold loading …/],
  ];
  for (const [path, loading] of parts) {
    it(`says that it loads, and no "nothing", until ${path} is there; then an error if that fails`, async () => {
      const { page } = await browser.watched();
      let end = (): void => undefined;
      const ended = new Promise<void>((resolve) => (end = resolve));
      await page.route(`**/api/service/${path.replace("?", "\\?")}`, async (route) => {
        await ended;
        await route.abort();
      });
      await page.goto(`${browser.desk.running.url}/`);
      await page.getByText("bundle, facts, log").waitFor();
      const before = await textOf(page);
      expect(before).to.match(loading);
      if (/findings|approvals/.test(path))
        expect(before)
          .to.match(/Needs somebody Loading …/)
          .and.not.match(/Nothing waits/);
      end();
      await page.waitForSelector(".failed");
      const after = await textOf(page);
      expect(after).to.match(new RegExp(loading.source.replace("loading …", "could not be read")));
      await page.close();
    });
  }

  it("says that there is nothing once all of it was read", async () => {
    const { page } = await browser.goTo("/");
    await page.getByText("nothing to look into").waitFor();
    await page.getByText("nobody is narrowed, suspended or revoked").waitFor();
    expect(await textOf(page)).to.match(NOTHING);
    await page.close();
  });

  it("lists a suspended agent among the restrictions, once, narrowed or not", async () => {
    const { desk } = browser.desk;
    await desk.ask("POST", "/agents/support-1/narrowing", { reason: "a test" });
    await desk.ask("PATCH", "/agents/support-1", { status: "suspended", reason: "a test" });
    const { page } = await browser.goTo("/");
    await page.waitForSelector(".state.suspended");
    await page.getByText("narrowed, suspended or revoked").waitFor();
    expect(await textOf(page)).to.match(
      /1 restriction holds narrowed, suspended or revoked.*Restrictions in force .* suspended support-1 until it is restored/,
    );
    await page.close();
  });
});
