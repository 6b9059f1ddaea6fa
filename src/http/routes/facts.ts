import { isUtf8 } from "node:buffer";
import { EventPage, ImportAnswer, ImportDocument, NAME_PATTERN, Problem, type ImportLine } from "../../contract/index.js";
import { Type } from "../../contract/type.js";
import { exportFacts } from "../../facts/export.js";
import { importFacts } from "../../facts/import.js";
import { readJsonLines, readYamlDocument, type ImportFile } from "../../facts/import_file.js";
import { JSON_LINES_TYPES, YAML_TYPE, readImport } from "../body.js";
import type { HttpDeps } from "../deps.js";
import { PAGE_LIMIT, flag, integer, matching, oneOf, pageQuery, readQuery, text } from "../query.js";
import { json } from "../reply.js";
import { authenticateAny, checkScope } from "../rights.js";
import type { Route } from "../route.js";

export const REVISION_MAX = 999_999_999_999_999;

const eventsQuery = {
  after: integer(0, REVISION_MAX, "Only changes after this revision; default: 0"),
  limit: pageQuery.limit,
  key: text("Only changes of this: `agent/support-7`, `revocation/everything`", 512),
};

export function getEvents(deps: HttpDeps): Route {
  return {
    operation: {
      id: "listFactsEvents",
      method: "get",
      path: "/facts/events",
      summary: "Changes of facts that are kept, oldest first; `next` is what to give as `after`",
      scope: AUDITORS,
      query: eventsQuery,
      answers: { 200: { description: "A page", schema: EventPage } },
      problems: ["store_unavailable"],
    },
    handle: async (request) => {
      await authenticateAny(deps, request, AUDITORS);
      const { after = 0, limit = PAGE_LIMIT, ...filter } = readQuery(request, eventsQuery);
      return json(200, await deps.facts.events(after, limit, filter));
    },
  };
}

const AUDITORS = ["remit:audit", "remit:admin"] as const;

/** An empty document is null. */
const ImportBody = Type.Union([ImportDocument, Type.Null()], {
  title: "ImportBody",
  description: "A YAML document, or null for an empty one; as JSON Lines one `ImportLine` a line",
});
const ExportBody = Type.Union([Type.String(), ImportDocument], {
  title: "ExportBody",
  description: "JSON Lines, one `ImportLine` a line, or a YAML document",
});

const importQuery = {
  id: matching(NAME_PATTERN, "Names this import for ever: given again, it goes on where it was interrupted. Needed, save for a dry run"),
  dry_run: flag("true: everything is checked, the difference is answered, and nothing is changed"),
  reason: text("Why; kept with every change", 512),
};

export function postImport(deps: HttpDeps): Route {
  const { facts, limits, timers } = deps;
  const body = { bytes_max: limits.import_bytes_max, ms: limits.body_ms, too_large: "body_too_large" } as const;
  return {
    operation: {
      id: "importFacts",
      method: "post",
      path: "/facts/import",
      summary:
        "Import facts: checked whole before the first change; what it doesn't name is left alone. `callers` doesn't bound it; revoking everything needs `remit:revoke_all` too",
      scope: "remit:admin",
      query: importQuery,
      request: { types: [YAML_TYPE, ...JSON_LINES_TYPES], schema: ImportBody },
      answers: { 200: { description: "What it came to", schema: ImportAnswer } },
      problems: [
        "body_too_large",
        "utf8_invalid",
        "import_invalid",
        "import_exists",
        "import_stopped",
        "facts_full",
        "tasks_full",
        "bundle_missing",
        "store_unavailable",
        "outcome_unknown",
        "log_unavailable",
        "log_backlog",
      ],
    },
    handle: async (request) => {
      // Before the body is read: it may be large.
      const caller = await deps.identity.authenticate(request.headers.authorization, "remit:admin");
      const { dry_run: dryRun = false, reason = null, ...asked } = readQuery(request, importQuery);
      const id = asked.id ?? (dryRun ? deps.newId() : undefined);
      if (id === undefined) throw new Problem("parameter_missing", { field: "id", expected: importQuery.id.expected });
      const { form, bytes } = await readImport(request, body, timers);
      const file = form === "yaml" ? readYaml(bytes) : await readJsonLines(bytes, () => facts.turn());
      if (revokesEverything(file)) checkScope(caller, "remit:revoke_all");
      return json(200, await importFacts(facts, file, { id, dryRun, by: caller.id, reason }));
    },
  };
}

/** YAML is parsed in one piece, and nothing is decided meanwhile. */
const YAML_BYTES_MAX = 1024 * 1024;

function readYaml(bytes: Buffer): ImportFile {
  if (bytes.length > YAML_BYTES_MAX)
    throw new Problem("body_too_large", {
      expected: `at most ${YAML_BYTES_MAX} bytes of YAML; JSON Lines may be larger`,
    });
  if (!isUtf8(bytes)) throw new Problem("utf8_invalid");
  return readYamlDocument(bytes, "import");
}

function revokesEverything({ facts }: ImportFile): boolean {
  return facts.some(({ kind, value }) => kind === "revocation" && value.scope.everything === true);
}

const exportQuery = { format: oneOf(["yaml", "json_lines"], "default: json_lines") };

export function getExport(deps: HttpDeps): Route {
  return {
    operation: {
      id: "exportFacts",
      method: "get",
      path: "/facts/export",
      summary: "Everything that an import takes to make the same facts again; what is over is left out",
      scope: AUDITORS,
      query: exportQuery,
      answers: {
        200: {
          description: "JSON Lines, or YAML",
          type: [JSON_LINES_TYPES[0], YAML_TYPE],
          schema: ExportBody,
        },
      },
      problems: ["log_unavailable", "log_backlog"],
    },
    handle: async (request) => {
      const caller = await authenticateAny(deps, request, AUDITORS);
      const { format = "json_lines" } = readQuery(request, exportQuery);
      await deps.records.admin(caller.id, "export", { of: "facts", format });
      const lines = exportFacts(deps.facts.registry, deps.facts.deps.system.clock.wall());
      const texts = format === "yaml" ? yamlOf(lines) : jsonLinesOf(lines);
      const type = format === "yaml" ? YAML_TYPE : JSON_LINES_TYPES[0];
      return { status: 200, type, parts: inParts(texts, () => deps.facts.turn()) };
    },
  };
}

function* jsonLinesOf(lines: Iterable<ImportLine>): Generator<string> {
  for (const line of lines) yield `${JSON.stringify(line)}\n`;
}

/** One line for each fact, under its kind. */
function* yamlOf(lines: Iterable<ImportLine>): Generator<string> {
  let section = "";
  for (const line of lines) {
    const [[kind, fact] = []] = Object.entries(line) as [string, object][];
    if (kind !== section) yield `${kind}s:\n`;
    section = kind ?? "";
    const [id, members] = entryOf(line, kind ?? "", fact ?? {});
    yield `  ${yamlText(id)}: ${yamlText(members)}\n`;
  }
  if (section === "") yield "{}\n";
}

/** JSON is YAML, but for what YAML doesn't print (YAML 1.2.2, section 5.1) and what some take for the end of a line. */
function yamlText(value: unknown): string {
  const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value).replace(/[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g, escaped);
}

/** Returns the id of a fact in its section of the file, and its members there. */
function entryOf({ revocation }: ImportLine, kind: string, fact: object): [id: string, members: object] {
  if (revocation !== undefined) {
    const [[scope, of] = []] = Object.entries(revocation.scope);
    return [scope === "everything" ? scope : `${scope}/${String(of)}`, { reason: revocation.reason }];
  }
  const { id, ...members } = fact as { id: string };
  if (kind !== "narrowing") return [id, members];
  const { agent, ...said } = fact as { agent: string };
  return [agent, said];
}

const PART = 200;

async function* inParts(texts: Iterable<string>, turn: () => Promise<void>): AsyncGenerator<string> {
  let part: string[] = [];
  for (const one of texts) {
    part.push(one);
    if (part.length < PART) continue;
    yield part.join("");
    part = [];
    await turn();
  }
  yield part.join("");
}
