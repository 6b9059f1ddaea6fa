import { existsSync } from "node:fs";
import { expect } from "chai";
import { asset } from "../../src/system/paths.js";
import { skip } from "../skip.js";
import { FIREFOX, Firefox, until } from "./firefox.js";
import { BREACHES, HOSTILE, IS_DRAWN, fillHostile } from "./hostile.js";
import { ConsoleDesk } from "./running.js";

/** Every text that a test puts into a page has to be there, or it would prove nothing. */
const SHOWN = "document.body.innerText.includes('onerror=')";

describe("the console's page, in Firefox", function () {
  this.timeout(600_000);
  let desk: ConsoleDesk;
  let firefox: Firefox;
  before(async function () {
    if (!existsSync(FIREFOX)) skip(this, `no ${FIREFOX}`);
    desk = await ConsoleDesk.open({}, { page: asset("dist", "console"), flows: true });
    firefox = await Firefox.open();
    await firefox.goTo(desk.running.signIn() ?? "");
    await until(async () => (await firefox.evaluate("document.querySelector('header.bar') !== null")) === true);
  });
  after(async () => {
    await (firefox as Firefox | undefined)?.close();
    await (desk as ConsoleDesk | undefined)?.close();
  });

  const opened = async (path: string): Promise<void> => {
    await firefox.goTo(`${desk.running.url}${path}`);
    await until(async () => (await firefox.evaluate(IS_DRAWN)) === true);
  };

  it("shows hostile text in every field as text, in its place", async () => {
    const paths = await fillHostile(desk);
    const found: string[] = [];
    let shown = 0;
    for (const path of paths) {
      await opened(path);
      found.push(...((await firefox.evaluate(BREACHES)) as string[]).map((one) => `${path}: ${one}`));
      const dialog = await firefox.dialog();
      if (dialog !== null) found.push(`${path}: a dialog: ${dialog}`);
      if ((await firefox.evaluate(SHOWN)) === true) shown++;
    }
    expect(found).to.deep.equal([]);
    expect(paths.length).to.be.above(HOSTILE.length);
    expect(shown, "pages on which a hostile text can be read").to.be.above(5);
  });

  it("makes no element of text: its policy stops what would", async () => {
    await opened("/");
    const makes = `(() => { try { document.body.innerHTML = "<b>x</b>"; return "it was made"; } catch ({ name }) { return name; } })()`;
    expect(await firefox.evaluate(makes)).to.equal("TypeError");
  });

  it("would be found out, were an element made of it", async () => {
    await opened("/records");
    await firefox.evaluate(`document.querySelector("main").append(document.createElement("img"))`);
    expect(await firefox.evaluate(BREACHES)).to.deep.equal(["<img>"]);
  });
});
