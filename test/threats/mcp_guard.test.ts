/** The MCP guard's doors: pages in browsers before it, headers beside bodies, and what its server is given. */
import { writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import type { GuardConfig } from "../../src/guards/mcp/config.js";
import { folderWith } from "../guards/mcp/support.js";
import { cut } from "./cut.js";
import { codeOf, threat } from "./threat.js";

const PAGE = "http://localhost:5173";
const STRANGERS = [
  "http://localhost:5174",
  "https://localhost:5173",
  "http://LOCALHOST:5173",
  `${PAGE}/`,
  `${PAGE}.evil.example`,
  "null",
  "*",
  "",
];
const NO_ORIGINS = ["*", "null", "http://*.example", "file:///x", "http://localhost:80", `${PAGE}/`, "http://Localhost:5173"];

threat("B14", "only listed pages call the MCP guard", {
  async check(tree) {
    const { AllowedOrigins, originFault } = await tree("guards/mcp/origins.js");
    const origins = new AllowedOrigins([PAGE]);
    const may = (origin: string): boolean => origins.allows({ headers: { origin } } as unknown as IncomingMessage);
    if (!may(PAGE)) return "the listed page may not call";
    const stranger = STRANGERS.find(may);
    if (stranger !== undefined) return `${stranger} may call`;
    const listed = NO_ORIGINS.find((origin) => originFault(origin, true) === null);
    if (listed !== undefined) return `${listed} can be listed`;
    return originFault("https://app.example", false) === null ? "a page of another host can be listed where no token is wanted" : null;
  },
  without: {
    "the look at origins": [cut.returns("guards/mcp/origins.js", "AllowedOrigins.allows", "true")],
    "the comparison with what a browser would say": [cut.text("guards/mcp/origins.js", "originFault", "url.origin !== origin", "false")],
    "the token that pages of other hosts need": [cut.always("guards/mcp/origins.js", "originFault", "hasToken")],
  },
});

const META = { "io.modelcontextprotocol/protocolVersion": "2026-07-28" };
const HEADERS = { "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "pay" };
/** Headers that say something else than a call of `pay` with an account. */
const OTHERS: readonly [what: string, headers: Record<string, string>][] = [
  ["another tool", { "mcp-name": "read" }],
  ["another tool, encoded", { "mcp-name": `=?base64?${btoa("read")}?=` }],
  ["no tool", { "mcp-name": "" }],
  ["another method", { "mcp-method": "tools/list" }],
  ["another revision", { "mcp-protocol-version": "2025-11-25" }],
];
const SCHEMA = { properties: { to: { type: "string", "x-mcp-header": "to" }, cents: { type: "integer", "x-mcp-header": "cents" } } };

threat("B15", "headers of a stateless request say what its body says", {
  async check(tree) {
    const { argumentMismatch, mismatch } = await tree("guards/mcp/mirrored.js");
    const params = { name: "pay", arguments: { to: "ada", cents: 100 }, _meta: META };
    if (mismatch(HEADERS, "tools/call", params) !== null) return "a request that says the same is refused";
    const passed = OTHERS.find(([, headers]) => mismatch({ ...HEADERS, ...headers }, "tools/call", params) === null);
    if (passed !== undefined) return `${passed[0]} in the headers passes`;
    const marked = { "mcp-param-to": "ada", "mcp-param-cents": "100" };
    if (argumentMismatch(marked, params.arguments, SCHEMA) !== null) return "marked arguments that say the same are refused";
    for (const headers of [{ ...marked, "mcp-param-to": "bob" }, { ...marked, "mcp-param-cents": "1e2" }, { "mcp-param-to": "ada" }])
      if (argumentMismatch(headers, params.arguments, SCHEMA) === null) return `${JSON.stringify(headers)} pass for the arguments`;
    return null;
  },
  without: {
    "the look at the tool's name": [cut.always("guards/mcp/mirrored.js", "mismatch", "decoded")],
    "the look at the method": [cut.never("guards/mcp/mirrored.js", "mismatch", "METHOD", "method")],
    "the look at the revision": [cut.never("guards/mcp/mirrored.js", "mismatch", "VERSION")],
    "the look at marked arguments": [cut.returns("guards/mcp/mirrored.js", "isSaid", "true")],
  },
});

const SECRET = "sk-live-4711";

threat("B16", "what the MCP guard gives to its server lets that act nowhere else, and is named by no error", {
  async check(tree) {
    const { valueFault } = await tree("guards/mcp/server_faults.js");
    const { checkServerValues } = await tree("guards/mcp/server_values.js");
    const isOwn = (file: string): boolean => file === "guard.token";
    const given: object[] = [
      { command: ["x"], env_from: { A: { file: "guard.token" } } },
      { command: ["x"], env_from: { A: { env: "REMIT_TOKEN" } } },
      { url: "http://h", headers: { a: { file: "guard.token" } } },
      { url: "http://h", headers: { "Mcp-Method": "tools/list" } },
      { url: "http://h", headers: { Host: "other" } },
      { url: "http://h", headers: { a: "b\r\nx: y" } },
    ];
    const taken = given.find((server) => valueFault(server, isOwn) === null);
    if (taken !== undefined) return `${JSON.stringify(taken)} is taken`;
    const files = folderWith({});
    try {
      for (const value of [`${SECRET}\nx: y`, `${SECRET}\u00e4`, `${SECRET}\u001b[2J`]) {
        const file = join(files.dir, "value");
        writeFileSync(file, value);
        const server = { url: "http://h", headers: { "x-api-key": { file } } } as unknown as GuardConfig["server"];
        let said = "";
        const code = await codeOf(() => {
          try {
            checkServerValues(server);
          } catch (cause) {
            said = String(cause);
            throw cause;
          }
        });
        if (code === "accepted") return `${JSON.stringify(value)} is a header's value`;
        if (said.includes(SECRET)) return "an error says the value";
      }
      return null;
    } finally {
      files.remove();
    }
  },
  without: {
    "the refusal of the guard's tokens as variables": [cut.value("guards/mcp/server_faults.js", "variableFault", "own", "false")],
    "the refusal of the guard's tokens as headers": [cut.never("guards/mcp/server_faults.js", "headerFault", "isOwn")],
    "the headers that are MCP's": [cut.never("guards/mcp/server_faults.js", "headerFault", "RESERVED", "MCP_PREFIX")],
    "the look at a header's value": [
      cut.never("guards/mcp/server_values.js", "headerIn", "HEADER_VALUE"),
      cut.never("guards/mcp/server_values.js", "secretIn", "CONTROL"),
    ],
  },
});
