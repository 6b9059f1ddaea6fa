/** Records of all nodes of a cluster, searched as those of one: each node is asked the same, and their answers are made one. */
import { Problem, type Histogram, type ShownRecord, type Summary } from "../contract/index.js";
import type { PageAsk, RecordQuestion, TimedPage } from "../records/ask.js";
import { fromNodesCursor, toCursor, toNodesCursor } from "../records/cursor.js";
import { mergedCounts, mergedItems, mergedSummary, type ByNode, type Ends } from "../records/merged_answers.js";
import type { RecordSearch } from "../records/search.js";
import { askEach, isFound, mayBeElsewhere, othersOf, searchedNodes, type AskedNodes } from "./asked_nodes.js";
import { takenFrom } from "./query.js";
import { NODE, histogramAsk, pageAsk, summaryAsk } from "./record_query.js";

/** Begins a question for the receipt of a decision, whose id it ends with. */
export const RECEIPT = "receipt ";
/** Id of a decision: any other is a record's number, of one node. */
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Groups that each node tells, of which those of all are made: more than that can't be added up. */
const GROUPS_MAX = 1000;

export class FleetRecords {
  readonly #search: Pick<RecordSearch, "ask">;
  readonly #nodes: AskedNodes;

  constructor(search: Pick<RecordSearch, "ask">, nodes: AskedNodes) {
    this.#search = search;
    this.#nodes = nodes;
  }

  /**
   * Answers a question of another node about the records here.
   * @param question path and query as this service's own routes take them; each parameter is checked as theirs are
   * @throws Problem of a parameter, `index_unavailable`
   */
  async answer(question: string): Promise<string | null> {
    const ask = askOf(question);
    return this.#search.ask(ask.kind === "page" ? { kind: "timed", page: ask } : ask);
  }

  /** Returns a page of the records of all nodes as JSON. @throws Problem of a parameter */
  async page(url: string): Promise<string> {
    const { taken: cursor, others } = takenFrom(url, "cursor");
    const before: Ends | null = cursor === null ? {} : fromNodesCursor(cursor);
    if (before === null) throw new Problem("parameter_invalid", { field: "cursor", expected: "`next` of another page" });
    const { order, limit } = pageAsk({ url: others }) as PageAsk;
    // Each node goes on where the page before has ended in its own records.
    const questions = new Map(this.#nodes.live.map((node) => [node, continued(others, before[node])]));
    const { answers, missing } = await this.#askEach<TimedPage>(questions);
    const { items, ends } = mergedItems(answers, { order, limit, before });
    const next = ends === null ? "null" : JSON.stringify(toNodesCursor(ends));
    return `{"items":[${items.join(",")}],"next":${next},${searchedText(this.#nodes.name, answers, missing)}}`;
  }

  /** Returns one record by its decision's id, or a record of this node by its number; null if no node has it. @throws Problem `index_unavailable` if a node that may have it has not answered */
  async one(id: string): Promise<string | null> {
    const own = await this.#search.ask({ kind: "one", id });
    if (own !== null || !UUID.test(id)) return own;
    const question = `/decisions/${id}`;
    const { answers, missing } = await this.#nodes.ask(question, this.#others, isFound);
    for (const [node, text] of answers) if (text !== null) return JSON.stringify({ ...(JSON.parse(text) as ShownRecord), node });
    if (mayBeElsewhere(missing, this.#nodes)) throw new Problem("index_unavailable");
    return null;
  }

  /** Returns the receipt of a decision that another node has made as JSON; null if none has. @throws Problem `index_unavailable` as `one` does */
  async receipt(id: string): Promise<string | null> {
    if (!UUID.test(id)) return null;
    const { answers, missing } = await this.#nodes.ask(RECEIPT + id, this.#others, isFound);
    for (const text of answers.values()) if (text !== null) return text;
    if (mayBeElsewhere(missing, this.#nodes)) throw new Problem("index_unavailable");
    return null;
  }

  /** Returns counts of the records of all nodes as JSON. @throws Problem of a parameter */
  async summary(url: string): Promise<string> {
    const ask = summaryAsk({ url }) as Extract<RecordQuestion, { kind: "summary" | "new" }>;
    if (ask.kind === "new")
      throw new Problem("parameter_missing", { field: NODE, expected: "a node's name: new values are found in the records of one node" });
    const all = `${takenFrom(url, "limit").others}&limit=${GROUPS_MAX}`;
    const { answers, missing } = await this.#askAll<Summary>(all);
    if ([...answers.values()].some(({ more }) => more))
      throw new Problem("parameter_invalid", {
        field: "by",
        expected: `at most ${GROUPS_MAX} groups on each node; or ask one by \`${NODE}\``,
      });
    const merged = mergedSummary(answers, ask.limit);
    return `{"by":${JSON.stringify(ask.by)},${JSON.stringify(merged).slice(1, -1)},${searchedText(this.#nodes.name, answers, missing)}}`;
  }

  /** Returns counts over time of the records of all nodes as JSON. @throws Problem of a parameter */
  async histogram(url: string): Promise<string> {
    histogramAsk({ url });
    const { answers, missing } = await this.#askAll<Histogram>(url);
    const [first] = answers.values();
    if (first === undefined) throw new Problem("index_unavailable");
    const { by, step_ms } = first;
    const merged = JSON.stringify({ by, step_ms, counts: mergedCounts(answers) });
    return `${merged.slice(0, -1)},${searchedText(this.#nodes.name, answers, missing)}}`;
  }

  /** Asks one node, by its name. @throws Problem of a parameter, `index_unavailable` where it doesn't answer */
  async ofNode(node: string, url: string): Promise<string | null> {
    const { name, live } = this.#nodes;
    const ask = askOf(url);
    if (node === name) return this.#search.ask(ask);
    if (!live.includes(node)) throw new Problem("parameter_invalid", { field: NODE, expected: `one of ${live.join(", ")}` });
    const { answers } = await this.#nodes.ask(url, [node]);
    const found = answers.get(node);
    if (found === undefined) throw new Problem("index_unavailable");
    if (found === null || ask.kind !== "page") return found;
    const { items, seqs, to, more, indexed_to } = JSON.parse(found) as TimedPage;
    const next = more ? JSON.stringify(toCursor(seqs.at(-1) ?? to)) : "null";
    return `{"items":[${items.map(({ text }) => text).join(",")}],"next":${next},"indexed_to":${indexed_to}}`;
  }

  get #others(): string[] {
    return othersOf(this.#nodes);
  }

  #askAll<T>(question: string): Promise<{ answers: ByNode<T>; missing: string[] }> {
    return this.#askEach<T>(new Map(this.#nodes.live.map((node) => [node, question])));
  }

  #askEach<T>(questions: ReadonlyMap<string, string>): Promise<{ answers: ByNode<T>; missing: string[] }> {
    return askEach<T>(this.#nodes, questions, (question) => this.answer(question));
  }
}

const PATHS = { "/decisions": pageAsk, "/decisions/summary": summaryAsk, "/decisions/histogram": histogramAsk } as const;

/** @throws Problem of a parameter; `record_not_found` for a path that asks nothing */
function askOf(question: string): RecordQuestion {
  const { others: url } = takenFrom(question, NODE);
  const [path = ""] = url.split("?");
  if (Object.hasOwn(PATHS, path)) return PATHS[path as keyof typeof PATHS]({ url });
  const id = /^\/decisions\/([^/]+)$/.exec(path)?.[1];
  if (id === undefined) throw new Problem("record_not_found");
  return { kind: "one", id: decodeURIComponent(id) };
}

function continued(url: string, after: number | undefined): string {
  return after === undefined || after === 0 ? url : `${url}&cursor=${toCursor(after)}`;
}

function searchedText(name: string, answers: ByNode<{ indexed_to: number }>, missing: readonly string[]): string {
  const nodes = searchedNodes(answers, missing);
  return `"indexed_to":${nodes.indexed_to[name] ?? 0},"nodes":${JSON.stringify(nodes)}`;
}
