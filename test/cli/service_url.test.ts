/** Every command that asks a service asks the one that `REMIT_URL` names, with the token of `REMIT_TOKEN`, unless an option says another. */
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { remit } from "./remit.js";

const ID = "0197f0c2-5f0e-7b2a-9d55-3f1f6a3c9e10";
const REASON = ["--reason", "a test"];
const FILE = "a file";

const ENTRY = ["--entry", "{read: note, about: any}"];
const FOR = ["--for", "1h"];

/** Arguments of commands that need some. */
const ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
  explain: [ID],
  decide: ["--agent", "a-1", "--purpose", "p", "--verb", "read", "--resource", "note/n-1"],
  publish: [FILE, ...REASON],
  ...Object.fromEntries(["suspend", "restore", "retire", "narrow", "widen"].map((name) => [`agents ${name}`, ["a-1", ...REASON]])),
  "agents show": ["a-1"],
  "agents create": ["a-1", "--owner", "o", "--purpose", "p"],
  "agents change": ["a-1", "--owner", "o"],
  "tasks show": ["T-1"],
  "tasks create": ["T-1", "--agent", "a-1", "--purpose", "p", ...FOR],
  "tasks change": ["T-1", "--subject", "customer=ada", ...REASON],
  "tasks end": ["T-1", ...REASON],
  "tasks token": ["T-1"],
  "grants show": ["G-1"],
  "grants create": ["G-1", "--agent", "a-1", "--requested-by", "a", "--approved-by", "b", ...FOR, ...ENTRY, ...REASON],
  "grants end": ["G-1", ...REASON],
  revoke: ["agent", "a-1", ...REASON],
  "revocations show": ["agent/a-1"],
  "revocations lift": ["agent/a-1", ...REASON],
  "facts import": [FILE],
  ...Object.fromEntries(["review", "reopen", "misuse", "gap"].map((name) => [`findings ${name}`, ["F-1", ...REASON]])),
  "findings show": ["F-1"],
  "findings expected": ["F-1", "--seen", "1", ...REASON],
  "findings approve": ["F-1", "--decision", ID, ...REASON],
  observe: [FILE],
  outcome: [ID, "done"],
  "audit show": [ID],
  "audit timeline": ["--task", "T-1"],
  "audit who": ["note", "n-1"],
  "audit receipt": [ID],
  "cluster leave": ["b", ...REASON],
  "profile show": ["a-1"],
  "profile thresholds": [],
  "profile roll-back": ["a-1", "--to", "2027-03-01T00:00:00Z", ...REASON],
};
/** It asks nothing before it has verified a checkpoint: `audit_command.long.test.ts` has one. */
const LATER: ReadonlySet<string> = new Set(["audit verify-growth"]);

describe("commands that ask a service", () => {
  let server: Server;
  let folder = "";
  let url = "";
  const asked: (string | undefined)[] = [];
  const { REMIT_URL, REMIT_TOKEN } = process.env;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "remit-url-"));
    writeFileSync(join(folder, FILE), "{}");
    server = createServer((request, response) => {
      asked.push(request.headers.authorization);
      request.resume();
      response.writeHead(401, { "content-type": "application/problem+json" }).end('{"code":"token_invalid"}');
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => {
    for (const [name, value] of Object.entries({ REMIT_URL, REMIT_TOKEN })) {
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });
  /** Runs each command that has `--url`. @returns those that ended differently than refused by the service, or asked with another token */
  async function others(token: string, more: readonly string[] = []): Promise<string[]> {
    const { out } = await remit("completion", "bash");
    const commands = [...out.matchAll(/^ {4}"([^"]+)"\) commands=\([^)]*\) options=\([^)]*--url[ )]/gm)].map(([, at = ""]) => at);
    expect(commands.length).to.be.above(50);
    const found: string[] = [];
    for (const command of commands.filter((one) => !LATER.has(one))) {
      asked.length = 0;
      const given = (ARGUMENTS[command] ?? []).map((one) => (one === FILE ? join(folder, FILE) : one));
      const { exit, err } = await remit(...command.split(" "), ...given, ...more);
      if (exit !== "refused" || asked[0] !== `Bearer ${token}`) found.push(`${command}: ${exit ?? ""} ${err}`);
    }
    return found;
  }

  it("ask the one that REMIT_URL names, with the token of REMIT_TOKEN", async () => {
    Object.assign(process.env, { REMIT_URL: url, REMIT_TOKEN: "of-the-environment" });
    expect(await others("of-the-environment")).to.deep.equal([]);
  });

  it("ask the one that --url names, whatever REMIT_URL says", async () => {
    Object.assign(process.env, { REMIT_URL: "http://127.0.0.1:9", REMIT_TOKEN: "of-the-environment" });
    expect(await others("of-the-option", ["--url", url, "--token", "of-the-option"])).to.deep.equal([]);
  });
});
