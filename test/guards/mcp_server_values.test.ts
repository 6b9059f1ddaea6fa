/** Values of a guarded server that don't stand in its guard's configuration: where they may come from, that they arrive, and that nobody else reads them. */
import { linkSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { stringify } from "yaml";
import { parseGuardConfig, type GuardConfig } from "../../src/guards/mcp/config.js";
import { ServerValueError, checkServerValues, headersOf, variablesOf } from "../../src/guards/mcp/server_values.js";
import { survey } from "../../src/guards/mcp/survey.js";
import { system } from "../../src/system/index.js";
import { YamlError } from "../../src/system/yaml.js";
import { remit } from "../cli/remit.js";
import { crmOverHttp } from "./mcp/crm.js";
import { folderWith } from "./mcp/support.js";

const SECRET = "sk-live-4711";
/** An MCP server that says of itself what its variables hold. */
const TELLING = `
process.stdin.setEncoding("utf8").on("data", (text) => {
  for (const line of text.split("\\n").filter(Boolean)) {
    const { id, method } = JSON.parse(line);
    const { API_KEY, HOME_REGION, GIVEN, REMIT_TOKEN } = process.env;
    const name = JSON.stringify([API_KEY, HOME_REGION, GIVEN, REMIT_TOKEN]);
    const result = { protocolVersion: "2025-11-25", capabilities: {}, serverInfo: { name, version: "1" } };
    if (method === "initialize") process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, result }) + "\\n");
  }
});`;

const files = folderWith({
  "key.txt": `\n  ${SECRET}\n`,
  "pem.txt": "-----BEGIN KEY-----\nabc\n-----END KEY-----\n",
  "blank.txt": " \n",
  "nul.txt": `${SECRET}\0`,
  "escape.txt": `${SECRET}\u001b[2J`,
  "large.txt": SECRET.repeat(10_000),
  "umlaut.txt": "schlüssel",
  "guard.token": "t",
  "server.token": "of-the-server",
});
writeFileSync(join(files.dir, "latin1.txt"), Buffer.from([0x61, 0xe4]));
mkdirSync(join(files.dir, "folder"));
after(() => {
  delete process.env["REMIT_TEST_REGION"];
  files.remove();
});
process.env["REMIT_TEST_REGION"] = "eu-1";

const textOf = (server: object, more: object = {}): string =>
  stringify({ remit: { url: "http://127.0.0.1:9", token_file: "guard.token" }, agent: "a", purpose: "p", server, ...more });
const configOf = (server: object, more: object = {}): GuardConfig => parseGuardConfig(textOf(server, more), join(files.dir, "guard.yaml"));
const withVariable = (source: object): GuardConfig["server"] => configOf({ command: ["none"], env_from: { API_KEY: source } }).server;

describe("variables of an MCP server's process", () => {
  it("are read from a file and from the guard's environment, beside those that stand in the configuration", async () => {
    const command = [process.execPath, "-e", TELLING];
    const env_from = { API_KEY: { file: "key.txt" }, HOME_REGION: { env: "REMIT_TEST_REGION" } };
    const { server } = await survey(configOf({ command, env: { GIVEN: "here" }, env_from }), system);
    expect(JSON.parse(server)).to.deep.equal([SECRET, "eu-1", "here", null]);
  });

  it("are as their source has them when the server is started", () => {
    writeFileSync(join(files.dir, "renewed.txt"), "first");
    const server = withVariable({ file: "renewed.txt" });
    expect(variablesOf(server)).to.deep.equal({ API_KEY: "first" });
    writeFileSync(join(files.dir, "renewed.txt"), "second");
    expect(variablesOf(server)).to.deep.equal({ API_KEY: "second" });
  });

  it("may have several lines, as keys in PEM do", () => {
    expect(variablesOf(withVariable({ file: "pem.txt" }))["API_KEY"]).to.equal("-----BEGIN KEY-----\nabc\n-----END KEY-----");
  });

  const at = (name: string): string => `\`${join(files.dir, name)}\``;
  const ABSENT: [what: string, source: object, problem: string][] = [
    ["a file that isn't there", { file: "none.txt" }, `${at("none.txt")} can't be read (ENOENT); expected a file of at most 65536 bytes`],
    ["a folder", { file: "folder" }, `${at("folder")} can't be read (EISDIR); expected a file of at most 65536 bytes`],
    ["a file that is too large", { file: "large.txt" }, `${at("large.txt")} can't be read (EFBIG); expected a file of at most 65536 bytes`],
    ["a file of blanks", { file: "blank.txt" }, `${at("blank.txt")} is empty`],
    ["a file with a NUL", { file: "nul.txt" }, `${at("nul.txt")} has control characters; expected text`],
    ["a file that steers terminals", { file: "escape.txt" }, `${at("escape.txt")} has control characters; expected text`],
    ["a file that isn't UTF-8", { file: "latin1.txt" }, `${at("latin1.txt")} isn't UTF-8`],
    ["a variable that isn't set", { env: "REMIT_TEST_NONE" }, "the guard's environment has no `REMIT_TEST_NONE`, or an empty one"],
    ["a name that every object has", { env: "constructor" }, "the guard's environment has no `constructor`, or an empty one"],
  ];
  for (const [what, source, problem] of ABSENT) {
    it(`can't come from ${what}: the error names the field, and says nothing of a value`, () => {
      const failed = ((): unknown => {
        try {
          checkServerValues(withVariable(source));
          return null;
        } catch (error) {
          return error;
        }
      })();
      if (!(failed instanceof ServerValueError)) throw new Error(`no ServerValueError: ${String(failed)}`);
      expect([failed.code, failed.field]).to.deep.equal(["server_value_unreadable", "server.env_from.API_KEY"]);
      expect(failed.message).to.equal(`server.env_from.API_KEY: ${problem}`);
      expect(failed.message).not.to.contain(SECRET);
    });
  }

  it("can't be empty in the guard's environment", () => {
    const server = withVariable({ env: "REGION" });
    expect(() => variablesOf(server, { REGION: "" })).to.throw(ServerValueError, "or an empty one");
    expect(variablesOf(server, { REGION: "eu" })).to.deep.equal({ API_KEY: "eu" });
  });

  const OWN = "that is a token of the guard's own: with it the server could act past the guard";
  const REFUSED: [what: string, server: object, problem: string, more?: object][] = [
    [
      "of two sources",
      { env_from: { A: { file: "key.txt", env: "B" } } },
      "server.env_from.A: either `file` or `env` says where the value is",
    ],
    ["of none", { env_from: { A: {} } }, "server.env_from.A: either `file` or `env` says where the value is"],
    ["of another kind of source", { env_from: { A: { vault: "x" } } }, "server.env_from.A.vault: unknown key"],
    ["that stand in the configuration themselves", { env_from: { A: "sk-live" } }, "server.env_from.A: must be object"],
    ["that are there already", { env: { A: "b" }, env_from: { A: { env: "B" } } }, "server.env_from.A: stands in `env` too"],
    ["whose name is none", { env_from: { "A=B": { env: "B" } } }, "server.env_from.A=B: the key must match pattern"],
    ["whose source has no name", { env_from: { A: { env: "B C" } } }, "server.env_from.A.env: must match pattern"],
    ["from no file", { env_from: { A: { file: "" } } }, "server.env_from.A.file: "],
    [
      "of a server that is reached by its URL",
      { command: undefined, url: "http://h/mcp", env_from: { A: { env: "B" } } },
      "server.env_from.A: only a server that `command` starts has variables",
    ],
    ["with the guard's token, from its environment", { env_from: { A: { env: "REMIT_TOKEN" } } }, `server.env_from.A: ${OWN}`],
    ["with the guard's token, from its file", { env_from: { A: { file: "./folder/../guard.token" } } }, `server.env_from.A: ${OWN}`],
    ["with the agent's", { env_from: { A: { file: "agent" } } }, `server.env_from.A: ${OWN}`, { agent_token_file: "agent" }],
    ["with the clients'", { env_from: { A: { file: "host" } } }, `server.env_from.A: ${OWN}`, { listen: { token_file: "host" } }],
  ];
  for (const [what, server, problem, more] of REFUSED) {
    it(`aren't taken ${what}`, () => {
      expect(() => configOf({ command: ["none"], ...server }, more)).to.throw(problem);
    });
  }

  describe("are nobody's to read:", () => {
    const config = (server: object): string[] => {
      writeFileSync(join(files.dir, "guard.yaml"), textOf(server));
      return ["--config", join(files.dir, "guard.yaml")];
    };
    const good = { command: [join(files.dir, "none")], env_from: { API_KEY: { file: "key.txt" } } };
    afterEach(() => {
      rmSync(join(files.dir, "guard.yaml"), { force: true });
    });
    const RUNS: [mode: string[], exit: string][] = [
      [["--check"], "ok"],
      [["--check", "--json"], "ok"],
      [["--approve"], "unavailable"],
      [["--approve", "--json"], "unavailable"],
    ];
    for (const [mode, exit] of RUNS) {
      it(`${mode.join(" ")} of a server that doesn't start`, async () => {
        const ran = await remit("guard", "mcp", ...config(good), ...mode);
        expect(ran.exit, ran.err).to.equal(exit);
        expect(ran.out + ran.err).not.to.contain(SECRET);
      });
    }

    for (const mode of [[], ["--check"], ["--approve"]]) {
      it(`${["a start", ...mode].join(" ")} with a file that isn't text ends with the field's name`, async () => {
        const bad = { ...good, env_from: { API_KEY: { file: "nul.txt" } } };
        const ran = await remit("guard", "mcp", ...config(bad), ...mode);
        expect(ran.exit, ran.err).to.equal("invalid");
        expect(ran.err).to.contain("server.env_from.API_KEY: ");
        expect(ran.out + ran.err).not.to.contain(SECRET);
      });
    }
  });
});

describe("a token of the guard's own", () => {
  const url = "https://crm.example/mcp";
  const PROBLEM = "that is a token of the guard's own: with it the server could act past the guard";
  before(() => {
    symlinkSync(join(files.dir, "guard.token"), join(files.dir, "linked.token"));
    symlinkSync("linked.token", join(files.dir, "twice.token"));
    linkSync(join(files.dir, "guard.token"), join(files.dir, "hard.token"));
    symlinkSync(files.dir, join(files.dir, "elsewhere"));
    symlinkSync("none.token", join(files.dir, "dangling.token"));
  });

  const NAMES: [what: string, file: string, more?: object][] = [
    ["under its own name", "guard.token"],
    ["under another spelling", "./folder/../guard.token"],
    ["under its whole path", join(files.dir, "guard.token")],
    ["by a symbolic link", "linked.token"],
    ["by a link to a link", "twice.token"],
    ["by a hard link", "hard.token"],
    ["by a link to its folder", "elsewhere/guard.token"],
    ["where the guard's is the link", "guard.token", { remit: { url: "http://127.0.0.1:9", token_file: "linked.token" } }],
    ["as the agent's", "host.token", { agent_token_file: "host.token" }],
    ["as the clients'", "host.token", { listen: { token_file: "host.token" } }],
    ["though it isn't there yet", "none.token", { agent_token_file: "./none.token" }],
  ];
  const PLACES: [field: string, server: (file: string) => object][] = [
    ["token_file", (file) => ({ url, token_file: file })],
    ["headers.x-key", (file) => ({ url, headers: { "x-key": { file } } })],
    ["env_from.KEY", (file) => ({ command: ["none"], env_from: { KEY: { file } } })],
    ["oauth.client_secret_file", (file) => ({ url, oauth: { client_id: "c", issuer: "https://login.example", client_secret_file: file } })],
  ];
  for (const [what, file, more] of NAMES) {
    it(`isn't given to the server, ${what}`, () => {
      for (const [field, server] of PLACES) {
        const parse = (): unknown => configOf(server(file), more);
        expect(parse, field).to.throw(YamlError, `server.${field}: ${PROBLEM}`).with.property("code", "own_token_refused");
      }
    });
  }

  it("ends the command with its code", async () => {
    writeFileSync(join(files.dir, "guard.yaml"), textOf({ url, token_file: "linked.token" }));
    const ran = await remit("guard", "mcp", "--config", join(files.dir, "guard.yaml"), "--check", "--json");
    expect(ran.exit).to.equal("invalid");
    expect(JSON.parse(ran.out)).to.deep.include({ ok: false }).and.have.nested.property("error.code", "own_token_refused");
    rmSync(join(files.dir, "guard.yaml"));
  });

  for (const file of ["server.token", "dangling.token", "none.token"]) {
    it(`isn't taken for ${file}`, () => {
      for (const [field, server] of PLACES) expect(() => configOf(server(file)), field).not.to.throw();
    });
  }
});

interface Listening {
  url: string;
  close: () => Promise<void>;
}

async function listening(answer: RequestListener): Promise<Listening> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

describe("headers of requests to an MCP server", () => {
  const url = "http://127.0.0.1:9/mcp";
  const withHeaders = (headers: object): GuardConfig["server"] => configOf({ url, headers }).server;

  it("are in each request, as they stand there or as their file has them, beside the server's token", async () => {
    const crm = await crmOverHttp();
    const heard: IncomingHttpHeaders[] = [];
    const door = await listening((request, response) => {
      heard.push(request.headers);
      const chunks: Buffer[] = [];
      request
        .on("data", (chunk: Buffer) => chunks.push(chunk))
        .on("end", () => {
          const { method = "GET" } = request;
          const headers = Object.fromEntries(
            Object.entries(request.headers as Record<string, string>).filter(([name]) => name !== "host" && name !== "connection"),
          );
          const asked = { method, headers, ...(chunks.length > 0 && { body: Buffer.concat(chunks) }) };
          void fetch(crm.url, asked).then(async (answer) => {
            response.writeHead(answer.status, [...answer.headers].flat());
            response.end(Buffer.from(await answer.arrayBuffer()));
          });
        });
    });
    const headers = { "X-Api-Key": { file: "key.txt" }, "x-region": "eu 1" };
    const { tools } = await survey(configOf({ url: door.url, token_file: "server.token", headers }), system);
    expect(tools.length).to.be.above(3);
    const sent = new Set(heard.map((one) => [one["x-api-key"], one["x-region"], one.authorization].join("|")));
    expect([heard.length > 4, [...sent]]).to.deep.equal([true, [`${SECRET}|eu 1|Bearer of-the-server`]]);
    await door.close();
    await crm.close();
  });

  it("are read for each connection", () => {
    writeFileSync(join(files.dir, "renewed.txt"), "first");
    const server = withHeaders({ "X-Key": { file: "renewed.txt" } });
    expect(headersOf(server)).to.deep.equal({ "x-key": "first" });
    writeFileSync(join(files.dir, "renewed.txt"), "second");
    expect(headersOf(server)).to.deep.equal({ "x-key": "second" });
  });

  for (const status of [301, 302, 303, 307, 308]) {
    it(`reach no other origin, where the server sends its guard there (${status})`, async () => {
      let reached = 0;
      const other = await listening((_request, response) => {
        reached++;
        response.end();
      });
      const server = await listening((_request, response) => {
        response.writeHead(status, { location: other.url }).end();
      });
      const failed = await survey(configOf({ url: server.url, headers: { "x-key": { file: "key.txt" } } }), system).then(() => "", String);
      expect(failed).to.match(/^SurveyFailed: /);
      expect(failed).not.to.contain(SECRET);
      expect(reached).to.equal(0);
      await server.close();
      await other.close();
    });
  }

  const UNREADABLE: [what: string, file: string, problem: string][] = [
    ["isn't there", "none.txt", "can't be read (ENOENT)"],
    ["is blank", "blank.txt", "is empty"],
    ["has several lines", "pem.txt", "holds no header's value; expected one line of visible ASCII"],
    ["has control characters", "nul.txt", "has control characters"],
    ["has letters beyond ASCII", "umlaut.txt", "holds no header's value"],
  ];
  for (const [what, file, problem] of UNREADABLE) {
    it(`can't come from a file that ${what}: a start ends, and names the field`, async () => {
      writeFileSync(join(files.dir, "guard.yaml"), textOf({ url, headers: { "X-Key": { file } } }));
      for (const mode of [[], ["--check"], ["--approve"]]) {
        const ran = await remit("guard", "mcp", "--config", join(files.dir, "guard.yaml"), ...mode);
        expect(ran.exit, ran.err).to.equal("invalid");
        expect(ran.err).to.contain(`server.headers.X-Key: \`${join(files.dir, file)}\` ${problem}`);
        expect(ran.out + ran.err).not.to.contain(SECRET);
      }
    });
  }

  const UNTOKENED: [what: string, file: string, problem: string][] = [
    ["isn't there", "none.txt", "can't be read (ENOENT)"],
    ["is blank", "blank.txt", "is empty"],
    ["has several lines", "pem.txt", "holds no token; expected visible ASCII without blanks"],
    ["has control characters", "nul.txt", "has control characters"],
    ["has letters beyond ASCII", "umlaut.txt", "holds no token"],
  ];
  for (const [what, file, problem] of UNTOKENED) {
    it(`have no token of a file that ${what}: a start ends, and names the field`, async () => {
      writeFileSync(join(files.dir, "guard.yaml"), textOf({ url, token_file: file }));
      for (const mode of [[], ["--check"], ["--approve"]]) {
        const ran = await remit("guard", "mcp", "--config", join(files.dir, "guard.yaml"), ...mode);
        expect(ran.exit, ran.err).to.equal("invalid");
        expect(ran.err).to.contain(`server.token_file: \`${join(files.dir, file)}\` ${problem}`);
        expect(ran.out + ran.err).not.to.contain(SECRET);
      }
    });
  }

  const SET = "is set by MCP or the connection";
  const ASCII = "expected a value of visible ASCII, with blanks only inside";
  const REFUSED: [headers: object, problem: string, more?: object][] = [
    ...["Connection", "keep-alive", "TE", "trailer", "transfer-encoding", "Upgrade", "proxy-connection", "proxy-authorization"].map(
      (name): [object, string] => [{ [name]: "a" }, `server.headers.${name}: ${SET}`],
    ),
    ...["Host", "content-length", "content-type", "Content-Encoding", "accept", "accept-encoding", "last-event-id", "expect"].map(
      (name): [object, string] => [{ [name]: "a" }, `server.headers.${name}: ${SET}`],
    ),
    ...["Mcp-Session-Id", "mcp-protocol-version", "MCP-Method", "mcp-param-region", "mcp-"].map((name): [object, string] => [
      { [name]: "a" },
      `server.headers.${name}: ${SET}`,
    ]),
    [{ Authorization: "Basic a" }, "server.headers.Authorization: `token_file` sets it", { token_file: "server.token" }],
    [{ "x-a": "1", "X-A": "2" }, "server.headers.X-A: stands there twice: case makes no difference"],
    [{ "x a": "1" }, "server.headers.x a: no name of a header"],
    [{ "x:a": "1" }, "server.headers.x:a: no name of a header"],
    [{ "x-a": "" }, `server.headers.x-a: ${ASCII}`],
    [{ "x-a": " a" }, `server.headers.x-a: ${ASCII}`],
    [{ "x-a": "a\r\nx-b: c" }, `server.headers.x-a: ${ASCII}`],
    [{ "x-a": "a\u0000" }, `server.headers.x-a: ${ASCII}`],
    [{ "x-a": "ä" }, `server.headers.x-a: ${ASCII}`],
    [{ "x-a": { env: "A" } }, "server.headers.x-a"],
    [{ "x-a": 7 }, "server.headers.x-a"],
    [{ "x-a": { file: "guard.token" } }, "server.headers.x-a: that is a token of the guard's own"],
    [{ "x-a": "1" }, "server.headers.x-a: only a server that `url` names has headers", { url: undefined, command: ["none"] }],
  ];
  for (const [headers, problem, more] of REFUSED) {
    it(`aren't taken as ${JSON.stringify(headers)}: ${problem}`, () => {
      expect(() => configOf({ url, headers, ...more })).to.throw(problem);
    });
  }

  it("may be the server's own form of credentials, where no token is named", () => {
    expect(headersOf(withHeaders({ Authorization: "Basic a" }))).to.deep.equal({ authorization: "Basic a" });
  });
});
