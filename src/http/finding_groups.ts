/** Findings of several nodes that are one, read and judged as one: what each node has of it stays there. */
import type { Finding, FoundRecord, JudgeFinding, JudgedFinding } from "../contract/index.js";
import { kinGroups, kinKey, kinOf, wholeFinding, type FindingKin } from "../findings/kin.js";
import { checkVerdict } from "../findings/verdicts.js";
import type { ByNode } from "../records/merged_answers.js";
import type { FindingParts } from "./finding_parts.js";
import type { FindingOnDesk } from "./findings_desk.js";

/** Nodes as they are asked for parts of findings; one that doesn't answer is left out. */
export interface AskedForParts {
  /** Returns the findings of each node that have one of these keys. */
  kin(keys: readonly string[]): Promise<ByNode<readonly FindingKin[]>>;
  /** Returns findings of each node by their ids. */
  some(ids: ReadonlyMap<string, readonly string[]>): Promise<ByNode<readonly Finding[]>>;
}

export class FindingGroups {
  readonly #nodes: AskedForParts;

  constructor(nodes: AskedForParts) {
    this.#nodes = nodes;
  }

  /** Returns all parts of each of these findings, by its id; of most that is the finding itself. */
  async partsOf(findings: readonly Finding[]): Promise<ReadonlyMap<string, FindingParts>> {
    const known = new Map(findings.map((finding) => [finding.id, finding]));
    const kin = new Map<string, FindingKin & { node: string }>();
    for (const finding of findings) {
      const own = kinOf(finding);
      if (own !== null) kin.set(own.id, { ...own, node: finding.node ?? "" });
    }
    const keys = [...new Set(findings.flatMap((finding) => kinKey(finding) ?? []))];
    const answers = keys.length === 0 ? [] : await this.#nodes.kin(keys);
    for (const [node, some] of answers) for (const one of some) kin.set(one.id, { ...one, node });
    const groups = kinGroups([...kin.values()]).filter((group) => group.length > 1 && group.some(({ id }) => known.has(id)));
    const lacking = new Map<string, string[]>();
    for (const { id, node } of groups.flat()) if (!known.has(id)) lacking.set(node, [...(lacking.get(node) ?? []), id]);
    if (lacking.size > 0)
      for (const [node, some] of await this.#nodes.some(lacking)) for (const finding of some) known.set(finding.id, { ...finding, node });
    const parts = new Map<string, FindingParts>(findings.map((finding) => [finding.id, [finding]]));
    for (const group of groups) {
      const [oldest, ...others] = group.flatMap(({ id }) => known.get(id) ?? []);
      if (oldest !== undefined) for (const { id } of group) if (parts.has(id)) parts.set(id, [oldest, ...others]);
    }
    return parts;
  }
}

/** Returns a finding of several parts, of which each is shown, judged and approved where it is. */
export function wholeOnDesk(parts: FindingParts<FindingOnDesk>): FindingOnDesk {
  const [oldest, ...others] = parts;
  const finding = wholeFinding([oldest.finding, ...others.map((part) => part.finding)]);
  return {
    finding,
    shown: async () => {
      const [first, ...rest] = await Promise.all([oldest.shown(), ...others.map((part) => part.shown())]);
      return { ...wholeFinding([first, ...rest]), timeline: wholeTimeline([first, ...rest]) };
    },
    judge: async (asked, expected, by) => {
      checkVerdict(finding, asked, expected);
      const shown = finding.waiting.map(({ decision_id }) => decision_id);
      const said: (() => Promise<JudgedFinding>)[] = [];
      for (const part of others)
        said.push(async () => ({
          ...(part.finding.state === asked.state
            ? part.finding
            : await part.judge(askedOf(part.finding, asked), part.finding.revision, by, { isPart: true, shown })),
          node: part.finding.node ?? "",
        }));
      // The oldest comes last, since its revision is the whole's: until it is judged, the same may be said again.
      said.push(async () => ({
        ...(await oldest.judge(askedOf(oldest.finding, asked), expected, by, { shown })),
        node: oldest.finding.node ?? "",
      }));
      const judged = await (asked.state === "misuse" ? atOnce(said) : inOrder(said));
      return wholeFinding([judged.at(-1) as JudgedFinding, ...judged.slice(0, -1)]);
    },
    approve: (asked, by) => {
      const waits = ({ finding: { waiting } }: FindingOnDesk): boolean => waiting.some(({ decision_id }) => decision_id === asked.decision);
      return (parts.find(waits) ?? oldest).approve(asked, by);
    },
  };
}

async function inOrder<T>(all: readonly (() => Promise<T>)[]): Promise<T[]> {
  const said: T[] = [];
  for (const say of all) said.push(await say());
  return said;
}

/** Says it to all, whichever of them can't: who is to be kept out isn't waiting for a node that doesn't answer. @throws what the first says */
async function atOnce<T>(all: readonly (() => Promise<T>)[]): Promise<T[]> {
  const said = await Promise.allSettled(all.map((say) => say()));
  return said.map((one) => {
    if (one.status === "rejected") throw one.reason;
    return one.value;
  });
}

/** Returns a verdict on the whole as it is given on a part: the whole's actions were seen, so the part's were. */
function askedOf({ actions }: Finding, { seen, ...asked }: JudgeFinding): JudgeFinding {
  return seen === undefined ? asked : { ...asked, seen: actions.all };
}

/** Records of all parts in order of time. A change of facts is in the log of each node, and shown once. */
function wholeTimeline(parts: readonly { node?: string; timeline: readonly FoundRecord[] }[]): FoundRecord[] {
  const changes = new Set<unknown>();
  const timeline = parts.flatMap(({ node, timeline: own }) =>
    own.flatMap((found): FoundRecord[] => {
      const revision = (found.record as { facts_revision?: unknown }).facts_revision;
      if (found.record.kind === "facts" && revision !== null) {
        if (changes.has(revision)) return [];
        changes.add(revision);
      }
      return [node === undefined ? found : { ...found, node }];
    }),
  );
  return timeline.sort((a, b) => Date.parse(a.record.time) - Date.parse(b.record.time));
}
