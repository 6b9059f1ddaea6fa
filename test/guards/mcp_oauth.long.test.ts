/** An MCP server behind a certified authorization server: signed in to from the command line, guarded with what was given. */
import { copyFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { stringify } from "yaml";
import { remit, remitTelling, type Ran } from "../cli/remit.js";
import { Browser, CLIENT_ID, DOCUMENT, protectedCrm, type ProtectedCrm } from "./mcp/provider.js";
import { MAPPING, folderWith, guarded, openDesk, until, type Desk, type Guarded } from "./mcp/support.js";

const ADA = { customer_id: "ada" };
const INVOICE = { invoice_id: "I-1", customer_id: "ada" };

describe("an MCP server behind OAuth", () => {
  const files = folderWith({ token: "t" });
  let desk: Desk;
  let server: ProtectedCrm;
  let folders = 0;
  let logins: string;
  before(async () => {
    desk = await openDesk();
    server = await protectedCrm();
  });
  beforeEach(() => {
    logins = join(files.dir, `logins-${++folders}`);
    server.shown.clear();
    server.refused.clear();
  });
  after(async () => {
    await server.close();
    await desk.stop();
    files.remove();
  });
  const known = (): object => ({ client_id: CLIENT_ID, issuer: server.issuer });
  const config = (oauth: object): string => {
    const file = join(files.dir, `guard-${folders}.yaml`);
    const changes = { remit: { url: "http://127.0.0.1:9", token_file: "token" }, server: { url: server.url, oauth: { logins, ...oauth } } };
    writeFileSync(file, stringify({ ...MAPPING, ...changes }, { aliasDuplicateObjects: false }));
    return file;
  };
  /** Runs a login as a person does, who opens the address that it shows. */
  async function login(oauth: object, browse: (address: string, code: string) => Promise<unknown>, ...options: string[]): Promise<Ran> {
    const said = { out: "", err: "" };
    const ran = remitTelling(said, "guard", "mcp", "login", config(oauth), ...options);
    await Promise.race([ran, until(() => /^ {2}http\S+$/m.test(said.err))]);
    const address = /^ {2}(http\S+)$/m.exec(said.err)?.[1];
    if (address !== undefined) await browse(address, /code there: (\S+)/.exec(said.err)?.[1] ?? "");
    return ran;
  }
  const byBrowser = (oauth: object = known()): Promise<Ran> => login(oauth, (address) => new Browser().open(address));
  const opened = (oauth: object = known()): Promise<Guarded> =>
    guarded(desk, server, { server: { url: server.url, oauth: { logins, ...oauth } } });
  const call = async (guard: Guarded, name: string, args: object): Promise<unknown> => {
    const result = await guard.client.callTool({ name, arguments: { ...args } });
    const { code } = (result._meta?.["remit/refused"] ?? {}) as { code?: string };
    return result.isError === true ? (code ?? result.content) : result.structuredContent;
  };

  it("is signed in to by a browser, and guarded from then on; no token comes back to the client, and none stands in the log", async () => {
    const before = await remit("guard", "mcp", "--config", config(known()), "--check");
    expect([before.exit, before.err]).to.satisfy(
      ([exit, err]: string[]) => exit === "refused" && /nobody has signed in/.test(err ?? ""),
      before.err,
    );
    const ran = await byBrowser();
    expect(ran.exit, ran.err).to.equal("ok");
    expect(ran.out).to.include(`signed in  at ${server.issuer}, for ${server.url}`);
    expect((await remit("guard", "mcp", "--config", config(known()), "--approve", "--json")).exit).to.equal("ok");
    const guard = await opened();
    try {
      const result = await guard.client.callTool({ name: "get_customer", arguments: ADA });
      expect(result["structuredContent"]).to.deep.equal({ tool: "get_customer", ...ADA });
      const [token = ""] = server.shown;
      expect(server.shown.size).to.equal(1);
      const all = JSON.stringify([guard.said(), result, ran]);
      expect(token).to.have.length.above(20);
      expect(all).not.to.include(token);
    } finally {
      await guard.close();
    }
  });

  it("goes on when its token is taken back, by the next of its refresh tokens", async () => {
    await byBrowser();
    const guard = await opened();
    try {
      expect(await call(guard, "get_customer", ADA)).to.deep.equal({ tool: "get_customer", ...ADA });
      for (let round = 0; round < 3; round++) {
        for (const token of server.shown) server.refused.add(token);
        expect(await call(guard, "get_customer", ADA)).to.deep.equal({ tool: "get_customer", ...ADA });
      }
      expect(server.shown.size).to.equal(4);
    } finally {
      await guard.close();
    }
  });

  it("refuses calls once a refresh token was used twice, until somebody has signed in again; the guard isn't started again", async () => {
    await byBrowser();
    const file = join(logins, readdirSync(logins)[0] ?? "");
    copyFileSync(file, `${file}.stolen`);
    const guard = await opened();
    try {
      const taken = (): void => {
        for (const token of server.shown) server.refused.add(token);
      };
      expect(await call(guard, "get_customer", ADA)).to.deep.equal({ tool: "get_customer", ...ADA });
      taken();
      expect(await call(guard, "get_customer", ADA)).to.deep.equal({ tool: "get_customer", ...ADA });
      copyFileSync(`${file}.stolen`, file);
      taken();
      expect(await call(guard, "get_customer", ADA)).to.equal("login_needed");
      expect(await call(guard, "get_customer", ADA)).to.equal("login_needed");
      expect(guard.said().filter(({ event }) => event === "server_login_needed")).to.have.lengthOf(1);
      expect((await byBrowser()).exit).to.equal("ok");
      expect(await call(guard, "get_customer", ADA)).to.deep.equal({ tool: "get_customer", ...ADA });
    } finally {
      await guard.close();
    }
  });

  it("refuses a call that needs more scopes, and lets it through once a person has given them", async () => {
    await byBrowser();
    const guard = await opened();
    try {
      expect(await call(guard, "get_customer", ADA)).to.deep.equal({ tool: "get_customer", ...ADA });
      expect(await call(guard, "get_invoice", INVOICE)).to.equal("login_needed");
      const [needed] = guard.said().filter(({ event }) => event === "server_login_needed");
      expect(needed).to.deep.include({ reason: "the server wants more scopes", scopes: ["crm.write"] });
      expect(server.crm.did.some((line) => line.startsWith("get_invoice"))).to.equal(false);
      const ran = await byBrowser();
      expect(ran.out).to.match(/^scopes: crm.read .*crm.write/m);
      expect(await call(guard, "get_invoice", INVOICE)).to.deep.equal({ tool: "get_invoice", ...INVOICE });
    } finally {
      await guard.close();
    }
  });

  it("is signed in to by a code, on a machine without a browser", async () => {
    const ran = await login(known(), (address, code) => new Browser().enter(address, code), "--device", "--json");
    expect(ran.exit, ran.err).to.equal("ok");
    expect(JSON.parse(ran.out)).to.deep.include({ ok: true, resource: server.url, issuer: server.issuer, renews: true });
    const guard = await opened();
    try {
      expect(await call(guard, "get_customer", ADA)).to.deep.equal({ tool: "get_customer", ...ADA });
    } finally {
      await guard.close();
    }
  });

  it("is signed in to as a client that has a document, and as one that registers itself", async () => {
    for (const oauth of [{ client_id: DOCUMENT }, {}]) {
      const ran = await byBrowser(oauth);
      expect(ran.exit, ran.err).to.equal("ok");
      const guard = await opened(oauth);
      try {
        expect(await call(guard, "get_customer", ADA)).to.deep.equal({ tool: "get_customer", ...ADA });
      } finally {
        await guard.close();
      }
    }
  });
});
