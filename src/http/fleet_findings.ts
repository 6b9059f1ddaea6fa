/**
 * Findings of all nodes of a cluster. Each is of the node whose records have its actions, since that alone knows what is masked in them: it is
 * listed, judged and approved there, whichever node is asked. What an agent did through several nodes is one finding, of which each has a part.
 * The node that is asked checks the caller's rights; the others rely on it.
 */
import {
  APPROVAL_STATES,
  ApproveFinding,
  FINDING_PATTERN,
  FINDING_STATES,
  JudgeFinding,
  Problem,
  SEVERITIES,
  type ApprovalList,
  type Finding,
  type FindingNews,
  type FindingPage,
  type JudgedFinding,
  type ShownFinding,
  type WaitingApproval,
} from "../contract/index.js";
import { Type, type Static } from "../contract/type.js";
import { byUrgency } from "../findings/approvals.js";
import type { FindingsFilter } from "../findings/findings.js";
import { wholeFinding, type FindingKin } from "../findings/kin.js";
import type { Reviewer } from "../findings/verdicts.js";
import type { Sight } from "../facts/reach.js";
import type { TimedPage } from "../records/ask.js";
import { fromNodesCursor, toNodesCursor } from "../records/cursor.js";
import { mergedItems, type Ends } from "../records/merged_answers.js";
import { schemas } from "../system/schemas.js";
import {
  answerIn,
  askEach,
  isFound,
  mayBeElsewhere,
  othersOf,
  replyOf,
  searchedNodes,
  type AskedNodes,
  type NodeReply,
} from "./asked_nodes.js";
import { FindingGroups, wholeOnDesk } from "./finding_groups.js";
import { askedPart, ofParts, type FindingParts } from "./finding_parts.js";
import {
  cursorInvalid,
  type ApprovalsAsk,
  type ApprovedAction,
  type FindingOnDesk,
  type FindingsAsk,
  type FindingsDesk,
  type OwnFindings,
} from "./findings_desk.js";

/** Begins a question about findings. */
export const FINDINGS = "findings ";

const closed = { additionalProperties: false };
const name = Type.String({ minLength: 1 });
const names = Type.Union([Type.Array(Type.String()), Type.Null()]);
const sight = Type.Object({ agents: names, purposes: names }, closed);
const reviewer = Type.Object({ id: name, roles: Type.Array(Type.String()) }, closed);
const limit = Type.Integer({ minimum: 1 });
const id = Type.String({ pattern: FINDING_PATTERN });

const FindingsQuestion = Type.Union([
  Type.Object(
    {
      kind: Type.Literal("page"),
      filter: Type.Object(
        {
          agent: Type.Optional(name),
          purpose: Type.Optional(name),
          state: Type.Optional(Type.Enum([...FINDING_STATES])),
          unjudged: Type.Optional(Type.Literal(true)),
          severity: Type.Optional(Type.Enum([...SEVERITIES])),
          code: Type.Optional(name),
          since: Type.Optional(Type.Number()),
        },
        closed,
      ),
      before: Type.Union([Type.Integer({ minimum: 0 }), Type.Null()]),
      ...{ limit, sight },
    },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal("approvals"),
      filter: Type.Object(
        { agent: Type.Optional(name), purpose: Type.Optional(name), state: Type.Optional(Type.Enum([...APPROVAL_STATES])) },
        closed,
      ),
      reviewer: Type.Union([reviewer, Type.Null()]),
      ...{ limit, sight },
    },
    closed,
  ),
  Type.Object({ kind: Type.Literal("one"), id, timeline: Type.Boolean() }, closed),
  Type.Object({ kind: Type.Literal("kin"), keys: Type.Array(name) }, closed),
  Type.Object({ kind: Type.Literal("some"), ids: Type.Array(id) }, closed),
  Type.Object(
    {
      ...{
        kind: Type.Literal("judge"),
        id,
        asked: JudgeFinding,
        expected: Type.Union([Type.Integer({ minimum: 0 }), Type.Null()]),
        reviewer,
      },
      ...{ part: Type.Optional(Type.Literal(true)), shown: Type.Optional(Type.Array(name)) },
    },
    closed,
  ),
  Type.Object({ kind: Type.Literal("approve"), id, asked: ApproveFinding, reviewer }, closed),
]);
type FindingsQuestion = Static<typeof FindingsQuestion>;

const isQuestion = schemas().compile<FindingsQuestion>(FindingsQuestion);

/** Milliseconds in which a node says what became of a verdict: it may wait for the disk, and for the other nodes. */
const CHANGE_WITHIN_MS = 20_000;

/** Pages of parts that one request looks through for a finding: an agent can open so many parts that other requests would wait. */
const PAGES_MAX = 16;

export class FleetFindings implements FindingsDesk {
  readonly #own: Pick<OwnFindings, keyof OwnFindings>;
  readonly #nodes: AskedNodes;
  readonly #groups: FindingGroups;

  constructor(own: Pick<OwnFindings, keyof OwnFindings>, nodes: AskedNodes) {
    this.#own = own;
    this.#nodes = nodes;
    this.#groups = new FindingGroups({
      kin: async (keys) => (await this.#askEach<FindingKin[]>(nodes.live, () => ({ kind: "kin", keys: [...keys] }))).answers,
      some: async (ids) =>
        (await this.#askEach<Finding[]>([...ids.keys()], (node) => ({ kind: "some", ids: [...(ids.get(node) ?? [])] }))).answers,
    });
  }

  /**
   * Answers a question of another node about the findings here.
   * @param question what stands behind `FINDINGS`
   * @returns JSON; null if the finding isn't here
   * @throws Error for a question that isn't one of this version, Problem `index_unavailable`
   */
  async answer(question: string): Promise<string | null> {
    const asked: unknown = JSON.parse(question);
    if (!isQuestion(asked)) throw new Error("no question of this version");
    const found = await this.#answered(asked);
    return found === null ? null : JSON.stringify(found);
  }

  /** Lists each finding once, as a whole: where the oldest of its parts is that the filter asks for. A page may so have fewer than `limit`. */
  async page(ask: FindingsAsk, cursor: string | undefined): Promise<FindingPage> {
    let page = await this.#page(ask, cursor);
    for (let more = PAGES_MAX - 1; more > 0 && page.items.length === 0 && page.next !== null; more--)
      page = await this.#page(ask, page.next);
    return page;
  }

  async #page({ filter, limit: most, sight: seen }: FindingsAsk, cursor: string | undefined): Promise<FindingPage> {
    const before: Ends | null = cursor === undefined ? {} : fromNodesCursor(cursor);
    if (before === null) throw cursorInvalid();
    const { answers, missing } = await this.#askEach<TimedPage>(this.#nodes.live, (node) => ({
      ...{ kind: "page", filter: ofParts(filter), limit: most, sight: toSent(seen) },
      before: before[node] ?? null,
    }));
    const { items, ends } = mergedItems(answers, { order: "newest", limit: most, before });
    const nodes = searchedNodes(answers, missing);
    const found = items.map((item) => JSON.parse(item) as Finding);
    const groups = await this.#groups.partsOf(found);
    return {
      items: found.flatMap((finding) => {
        const parts: FindingParts = groups.get(finding.id) ?? [finding];
        const whole = wholeFinding(parts);
        return askedPart(parts, whole, filter)?.id === finding.id ? [whole] : [];
      }),
      next: ends === null ? null : toNodesCursor(ends),
      indexed_to: nodes.indexed_to[this.#nodes.name] ?? 0,
      nodes,
    };
  }

  async approvals({ filter, limit: most, reviewer: by, sight: seen }: ApprovalsAsk): Promise<ApprovalList> {
    const { answers, missing } = await this.#askEach<ApprovalList>(this.#nodes.live, () => ({
      ...{ kind: "approvals", filter, limit: most, sight: toSent(seen) },
      reviewer: by && toSentReviewer(by),
    }));
    const all = waitingOnce([...answers].flatMap(([node, { items }]) => items.map((item) => ({ ...item, node })))).sort(byUrgency);
    const nodes = searchedNodes(answers, missing);
    return {
      items: all.slice(0, most),
      more: all.length > most || [...answers.values()].some(({ more }) => more),
      indexed_to: nodes.indexed_to[this.#nodes.name] ?? 0,
      nodes,
    };
  }

  /** Returns news of findings as news of the whole of each that a filter asks for, once. */
  async wholeNews(news: readonly FindingNews[], filter: FindingsFilter): Promise<FindingNews[]> {
    const groups = await this.#groups.partsOf(news.map(({ finding }) => finding));
    const byId = new Map<string, FindingNews>();
    for (const { change, finding } of news) {
      const parts: FindingParts = groups.get(finding.id) ?? [finding];
      const whole = wholeFinding(parts);
      if (askedPart(parts, whole, filter) === undefined) continue;
      // It was opened when its oldest part was, whatever else is known of it by then.
      const isOpened = byId.get(whole.id)?.change === "opened" || (change === "opened" && finding.id === whole.id);
      byId.delete(whole.id);
      byId.set(whole.id, { change: isOpened ? "opened" : "changed", finding: whole });
    }
    return [...byId.values()];
  }

  /** Finds the whole of a finding by the id of any part of it. */
  async find(wanted: string): Promise<FindingOnDesk> {
    const found = await this.#find(wanted);
    const parts = (await this.#groups.partsOf([found.finding])).get(wanted) ?? [found.finding];
    if (parts.length === 1) return found;
    const [oldest, ...others] = await Promise.all(parts.map(async (part) => (part.id === wanted ? found : await this.#onDesk(part))));
    return wholeOnDesk([oldest ?? found, ...others]);
  }

  async #onDesk({ node = "", ...finding }: Finding): Promise<FindingOnDesk> {
    return node === this.#nodes.name ? this.#namedOwn(await this.#own.find(finding.id)) : this.#elsewhere(node, finding);
  }

  async #find(wanted: string): Promise<FindingOnDesk> {
    const own = await replyOf(() => this.#own.find(wanted), "finding_not_found");
    if (own !== null && "answer" in own) return this.#namedOwn(own.answer);
    const question: FindingsQuestion = { kind: "one", id: wanted, timeline: false };
    const { answers, missing } = await this.#nodes.ask(textOf(question), othersOf(this.#nodes), isFound);
    for (const [node, text] of answers) if (text !== null) return this.#elsewhere(node, JSON.parse(text) as Finding);
    // It may be of this node, which hasn't read all of its records yet, or of one that is silent.
    if (own !== null || mayBeElsewhere(missing, this.#nodes)) throw new Problem("index_unavailable");
    throw new Problem("finding_not_found");
  }

  #namedOwn(own: FindingOnDesk): FindingOnDesk {
    const node = this.#nodes.name;
    return { ...own, finding: { ...own.finding, node }, shown: async () => ({ ...(await own.shown()), node }) };
  }

  #elsewhere(node: string, finding: Finding): FindingOnDesk {
    const { id: of } = finding;
    return {
      finding: { ...finding, node },
      shown: async () => {
        const { answers } = await this.#nodes.ask(textOf({ kind: "one", id: of, timeline: true }), [node]);
        const text = answers.get(node);
        if (text === undefined) throw new Problem("index_unavailable");
        if (text === null) throw new Problem("finding_not_found");
        return { ...(JSON.parse(text) as ShownFinding), node };
      },
      judge: async (asked, expected, by, { isPart = false, shown } = {}) => {
        const question = { kind: "judge", id: of, asked, expected, reviewer: toSentReviewer(by) } as const;
        return {
          ...(await this.#sent<JudgedFinding>(node, { ...question, ...(isPart && { part: true }), ...(shown && { shown: [...shown] }) })),
          node,
        };
      },
      approve: (asked, by) => this.#sent<ApprovedAction>(node, { kind: "approve", id: of, asked, reviewer: toSentReviewer(by) }),
    };
  }

  /** Has another node change something. @throws Problem of that node; `outcome_unknown` if it doesn't say whether it has */
  async #sent<T>(node: string, question: FindingsQuestion): Promise<T> {
    const { answers } = await this.#nodes.ask(textOf(question), [node], undefined, CHANGE_WITHIN_MS);
    const text = answers.get(node);
    if (text === undefined) throw new Problem("outcome_unknown");
    if (text === null) throw new Problem("finding_not_found");
    return answerIn(JSON.parse(text) as NodeReply<T>);
  }

  #askEach<T>(of: readonly string[], questionOf: (node: string) => FindingsQuestion): ReturnType<typeof askEach<T>> {
    const questions = new Map(of.map((node) => [node, textOf(questionOf(node))]));
    return askEach<T>(this.#nodes, questions, (question) => this.answer(question.slice(FINDINGS.length)));
  }

  async #answered(asked: FindingsQuestion): Promise<object | null> {
    const own = this.#own;
    switch (asked.kind) {
      case "page": {
        const { items, seqs, next, indexed_to } = await own.before({ ...asked, sight: fromSent(asked.sight) }, asked.before);
        const timed = items.map((item) => ({ time_ms: Date.parse(item.first_seen), text: JSON.stringify(item) }));
        return { items: timed, seqs, to: 0, more: next !== null, indexed_to } satisfies TimedPage;
      }
      case "approvals":
        return own.approvals({ ...asked, reviewer: asked.reviewer && fromSentReviewer(asked.reviewer), sight: fromSent(asked.sight) });
      case "one": {
        const reply = await replyOf(async () => {
          const found = await own.find(asked.id);
          return asked.timeline ? found.shown() : found.finding;
        }, "finding_not_found");
        return reply && answerIn(reply);
      }
      case "kin":
        return own.kin(new Set(asked.keys));
      case "some":
        return own.some(asked.ids);
      case "judge":
        return replyOf(async () => {
          const found = await own.find(asked.id);
          return found.judge(asked.asked, asked.expected, fromSentReviewer(asked.reviewer), { isPart: asked.part, shown: asked.shown });
        }, "finding_not_found");
      case "approve":
        return replyOf(async () => {
          const found = await own.find(asked.id);
          return found.approve(asked.asked, fromSentReviewer(asked.reviewer));
        }, "finding_not_found");
    }
  }
}

/** Returns actions of which one that was asked for on several nodes waits once: where it was asked for last. */
function waitingOnce(all: readonly WaitingApproval[]): WaitingApproval[] {
  const latest = new Map<string, WaitingApproval>();
  for (const one of all) {
    const { agent, state, action } = one;
    const key = JSON.stringify(state === "waiting" ? [agent, action.approval_digest] : [action.decision_id]);
    const known = latest.get(key);
    if (known === undefined || Date.parse(known.action.until) < Date.parse(action.until)) latest.set(key, one);
  }
  return [...latest.values()];
}

const textOf = (question: FindingsQuestion): string => FINDINGS + JSON.stringify(question);

type SentSight = Static<typeof sight>;
type SentReviewer = Static<typeof reviewer>;

const toSent = ({ agents, purposes }: Sight): SentSight => ({ agents: agents && [...agents], purposes: purposes && [...purposes] });
const fromSent = ({ agents, purposes }: SentSight): Sight => ({
  agents: agents && new Set(agents),
  purposes: purposes && new Set(purposes),
});
const toSentReviewer = ({ id: of, roles }: Reviewer): SentReviewer => ({ id: of, roles: [...roles] });
const fromSentReviewer = ({ id: of, roles }: SentReviewer): Reviewer => ({ id: of, roles: new Set(roles) });
