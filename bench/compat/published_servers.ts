/**
 * Drafts of MCP servers as their authors publish them, held against what these servers say of their own tools. A server is installed
 * once, asked for its tools, and removed again: the cache keeps what it said.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { parseGuardConfig } from "../../src/guards/mcp/config.js";
import { draft } from "../../src/guards/mcp/draft.js";
import { surveyEither, type Survey } from "../../src/guards/mcp/survey.js";
import { isObject } from "../../src/mapping/call_mapping.js";
import { system } from "../../src/system/index.js";
import { asset } from "../../src/system/paths.js";
import { without } from "../../src/system/without.js";
import { runProgram, type CompatOutcome } from "./row.js";

interface PublishedServer {
  /** On npm, with its version. */
  package: string;
  args?: readonly string[];
  /** What it asks for before it says which tools it has; none of it is anybody's. */
  env?: Readonly<Record<string, string>>;
}

/** Servers of many domains that start without an account or a database, in the versions of 2026-12. */
const SERVERS: readonly PublishedServer[] = [
  { package: "@modelcontextprotocol/server-everything@2026.8.31" },
  { package: "@modelcontextprotocol/server-memory@2026.8.31" },
  { package: "@modelcontextprotocol/server-filesystem@2026.8.31", args: ["."] },
  { package: "@modelcontextprotocol/server-sequential-thinking@2026.8.31" },
  { package: "@modelcontextprotocol/server-github@2025.4.8", env: { GITHUB_PERSONAL_ACCESS_TOKEN: "x" } },
  { package: "@modelcontextprotocol/server-slack@2025.4.25", env: { SLACK_BOT_TOKEN: "xoxb-1", SLACK_TEAM_ID: "T1" } },
  { package: "@modelcontextprotocol/server-google-maps@0.6.2", env: { GOOGLE_MAPS_API_KEY: "x" } },
  { package: "@modelcontextprotocol/server-brave-search@0.6.2", env: { BRAVE_API_KEY: "x" } },
  { package: "@notionhq/notion-mcp-server@2.5.2", env: { NOTION_TOKEN: "ntn_x" } },
  { package: "@sentry/mcp-server@0.36.0", args: ["--access-token=x"] },
  { package: "mongodb-mcp-server@3.0.4", env: { MDB_MCP_CONNECTION_STRING: "mongodb://localhost/x" } },
  { package: "@elastic/mcp-server-elasticsearch@0.3.1", env: { ES_URL: "http://localhost:9200", ES_API_KEY: "x" } },
  { package: "@upstash/context7-mcp@4.1.1" },
  { package: "tavily-mcp@0.2.22", env: { TAVILY_API_KEY: "x" } },
  { package: "firecrawl-mcp@3.22.2", env: { FIRECRAWL_API_KEY: "x" } },
  { package: "exa-mcp-server@3.4.1", env: { EXA_API_KEY: "x" } },
  { package: "chrome-devtools-mcp@1.11.0" },
  { package: "@hubspot/mcp-server@0.4.0", env: { PRIVATE_APP_ACCESS_TOKEN: "x" } },
  { package: "airtable-mcp-server@1.14.0", env: { AIRTABLE_API_KEY: "pat.x" } },
  { package: "mcp-server-kubernetes@4.1.7" },
  { package: "@zereight/mcp-gitlab@2.1.64", env: { GITLAB_PERSONAL_ACCESS_TOKEN: "x" } },
  { package: "@wonderwhy-er/desktop-commander@0.2.52" },
  { package: "@shopify/dev-mcp@1.16.0" },
  { package: "@twilio-alpha/mcp@0.7.0", args: [`AC${"0".repeat(32)}/SK${"0".repeat(32)}:x`] },
  { package: "@pinecone-database/mcp@0.3.0", env: { PINECONE_API_KEY: "x" } },
  {
    package: "@browserbasehq/mcp-server-browserbase@2.4.3",
    env: { BROWSERBASE_API_KEY: "x", BROWSERBASE_PROJECT_ID: "x", GEMINI_API_KEY: "x" },
  },
];

const CACHE = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "remit", "compat", "servers");

/** Of the tools that say whether they only read: how a draft takes them that knows their names and schemas alone. */
interface Taken {
  said: number;
  asSaid: number;
  /** Tools that change something by their own word. */
  changing: number;
  /** Such that are taken for a look, or for the visit of a link. */
  changingAsLook: string[];
}

export async function byPublishedServers(): Promise<CompatOutcome> {
  const all: Taken = { said: 0, asSaid: 0, changing: 0, changingAsLook: [] };
  const unbuilt: string[] = [];
  let [servers, tools, left] = [0, 0, 0];
  for (const one of SERVERS) {
    const found = await surveyed(one);
    if (found === null) continue;
    servers++;
    tools += found.tools.length;
    const drafted = draft(found, { server: { command: ["server"], dir: "/" } });
    left += found.tools.length - Object.keys(mappedIn(drafted.files)).length;
    if (!(await passesChecks(drafted.files))) unbuilt.push(one.package);
    const taken = takenByNames(found);
    all.said += taken.said;
    all.asSaid += taken.asSaid;
    all.changing += taken.changing;
    all.changingAsLook.push(...taken.changingAsLook);
  }
  if (servers === 0) return { state: "skipped", detail: "no server can be installed here" };
  if (unbuilt.length > 0) return { state: "red", detail: `\`remit check\` refuses the drafts of ${unbuilt.join(", ")}` };
  return {
    state: "green",
    detail:
      `${servers} of ${SERVERS.length} servers, ${tools} tools: \`remit check\` passes each draft; ${left} tools are left out, on which a draft remarks. ` +
      `Of ${all.said} that say whether they only read, ${all.asSaid} are taken so by their names alone; ` +
      `of the ${all.changing} that change something, ${all.changingAsLook.length} for a look or the visit of a link: ${all.changingAsLook.join(", ")}`,
  };
}

/** What a server says that it has. @returns null if it can't be had here */
async function surveyed({ package: name, args = [], env = {} }: PublishedServer): Promise<Survey | null> {
  const kept = join(CACHE, `${name.replaceAll("/", "+")}.json`);
  if (existsSync(kept)) return JSON.parse(readFileSync(kept, "utf8")) as Survey;
  process.stderr.write(`${name}: installed, asked and removed, once\n`);
  mkdirSync(CACHE, { recursive: true });
  const folder = mkdtempSync(join(tmpdir(), "remit-server-"));
  try {
    const npm = ["install", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", "--silent", name];
    if ((await runProgram("npm", npm)).code !== 0) return null;
    const program = programOf(join(folder, "node_modules", name.slice(0, name.lastIndexOf("@"))));
    const server = { command: [process.execPath, program, ...args], env: { ...env, HOME: folder } };
    const text = JSON.stringify({ remit: { url: "http://localhost" }, agent: "a", purpose: "p", server });
    const config = parseGuardConfig(text, "guard.yaml");
    const { found } = await surveyEither({ limits: config.limits, server: { ...config.server, dir: folder } }, system);
    writeFileSync(kept, JSON.stringify(found));
    return found;
  } catch (cause) {
    process.stderr.write(`${name}: ${String(cause)}\n`);
    return null;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The file that a package runs. */
function programOf(folder: string): string {
  const { bin } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { bin: string | Record<string, string> };
  const [file = ""] = typeof bin === "string" ? [bin] : Object.values(bin);
  return join(folder, file);
}

type Files = ReturnType<typeof draft>["files"];

/** What `guard.yaml` says of each tool: its verb and type first. */
function mappedIn(files: Files): Record<string, Record<string, unknown>> {
  const { tools } = parse(files["guard.yaml"]) as { tools?: Record<string, Record<string, unknown>> };
  return tools ?? {};
}

async function passesChecks(files: Files): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), "remit-draft-"));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    return (await runProgram(process.execPath, [asset("dist", "src", "cli", "main.js"), "check", folder])).code === 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function takenByNames(found: Survey): Taken {
  const tools = found.tools.filter(isObject);
  const { files } = draft(
    { ...found, tools: tools.map((tool) => without(tool, "annotations")) },
    { server: { command: ["server"], dir: "/" } },
  );
  const mapped = mappedIn(files);
  const { verbs, types } = parse(files["vocabulary.yaml"]) as {
    verbs: Record<string, { effect?: string }>;
    types: Record<string, { effects?: Record<string, string> }>;
  };
  const taken: Taken = { said: 0, asSaid: 0, changing: 0, changingAsLook: [] };
  for (const { name, annotations } of tools) {
    const entry = typeof name === "string" ? mapped[name] : undefined;
    const { readOnlyHint: said } = isObject(annotations) ? annotations : {};
    if (entry === undefined || typeof said !== "boolean") continue;
    const [verb = "", type] = Object.entries(entry)[0] ?? [];
    const effect = (typeof type === "string" ? types[type]?.effects?.[verb] : undefined) ?? verbs[verb]?.effect;
    const looks = effect === "look" || effect === "fetch";
    taken.said++;
    if (looks === said) taken.asSaid++;
    if (!said) taken.changing++;
    if (looks && !said) taken.changingAsLook.push(`\`${String(name)}\``);
  }
  return taken;
}
