/** Findings as the routes ask for them: those of this service here, those of all nodes of a cluster in `fleet_findings.ts`. */
import {
  Problem,
  type ApprovalList,
  type ApproveFinding,
  type Finding,
  type FindingPage,
  type GrantAnswer,
  type JudgeFinding,
  type JudgedFinding,
  type ShownFinding,
} from "../contract/index.js";
import type { ApprovalFilter } from "../findings/approvals.js";
import type { FindingsFilter } from "../findings/findings.js";
import type { FindingKin } from "../findings/kin.js";
import type { PartOptions, Reviewer } from "../findings/verdicts.js";
import type { Sight } from "../facts/reach.js";
import { fromCursor, toCursor } from "../records/cursor.js";
import { isInSight } from "./finding_places.js";
import type { FindingsRoom } from "./rooms.js";

export interface FindingsAsk {
  filter: FindingsFilter;
  limit: number;
  /** Agents and purposes whose findings the caller may know of. */
  sight: Sight;
}

export interface ApprovalsAsk {
  filter: ApprovalFilter;
  limit: number;
  /** Null if the caller has no right to approve. */
  reviewer: Reviewer | null;
  sight: Sight;
}

/** A grant that an approval became, or is becoming. */
export interface ApprovedAction {
  created: boolean;
  fact: GrantAnswer;
}

/** One finding, and what can be done with it where it is. */
export interface FindingOnDesk {
  readonly finding: Finding;
  /** @throws Problem `index_unavailable` */
  shown(): Promise<ShownFinding>;
  /** @throws Problem as `Verdicts.judge` */
  judge(asked: JudgeFinding, expected: number | null, reviewer: Reviewer, options?: PartOptions): Promise<JudgedFinding>;
  /** @throws Problem as `Verdicts.approve` */
  approve(asked: ApproveFinding, reviewer: Reviewer): Promise<ApprovedAction>;
}

export interface FindingsDesk {
  /** @throws Problem `parameter_invalid` for a cursor of another list */
  page(ask: FindingsAsk, cursor: string | undefined): Promise<FindingPage>;
  approvals(ask: ApprovalsAsk): Promise<ApprovalList>;
  /** @throws Problem `finding_not_found`; `index_unavailable` if it may be among what can't be found now */
  find(id: string): Promise<FindingOnDesk>;
}

export const cursorInvalid = (): Problem => new Problem("parameter_invalid", { field: "cursor", expected: "`next` of another page" });

export type OwnFindingsRoom = Pick<FindingsRoom, "approvals" | "findings" | "timeline" | "verdicts">;

/** Findings of this service. */
export class OwnFindings implements FindingsDesk {
  readonly #room: OwnFindingsRoom;

  constructor(room: OwnFindingsRoom) {
    this.#room = room;
  }

  async page(ask: FindingsAsk, cursor: string | undefined): Promise<FindingPage> {
    const before = cursor === undefined ? null : fromCursor(cursor);
    if (cursor !== undefined && before === null) throw cursorInvalid();
    const { items, next, indexed_to } = await this.before(ask, before);
    return { items, next: next === null ? null : toCursor(next), indexed_to };
  }

  /**
   * Findings that were opened before a record, the newest first.
   * @returns with them, the number of the record that opened each; `next`: of the last one if there are more
   */
  async before(
    { filter, limit, sight }: FindingsAsk,
    before: number | null,
  ): Promise<{ items: Finding[]; seqs: number[]; next: number | null; indexed_to: number }> {
    const { findings } = this.#room;
    await findings.caughtUp();
    const page = findings.page(filter, before, limit, (finding) => isInSight(sight, finding));
    return { ...page, indexed_to: findings.indexedTo };
  }

  async approvals({ filter, limit, reviewer, sight }: ApprovalsAsk): Promise<ApprovalList> {
    const { findings, approvals } = this.#room;
    await findings.caughtUp();
    const all = approvals(filter, reviewer, (finding) => isInSight(sight, finding));
    return { items: all.slice(0, limit), more: all.length > limit, indexed_to: findings.indexedTo };
  }

  /** Returns findings that have one of these keys, as `kinKey` makes them. */
  async kin(keys: ReadonlySet<string>): Promise<FindingKin[]> {
    const { findings } = this.#room;
    await findings.caughtUp();
    return findings.kin(keys);
  }

  /** Returns those of some findings that are here. */
  some(ids: readonly string[]): Finding[] {
    return ids.flatMap((id) => this.#room.findings.at(id) ?? []);
  }

  async find(id: string): Promise<FindingOnDesk> {
    const { findings, timeline, verdicts } = this.#room;
    const finding = await findings.get(id);
    return {
      finding,
      shown: async () => ({ ...finding, ...(await timeline(finding)) }),
      judge: (asked, expected, reviewer, options) => verdicts.judge(id, asked, expected, reviewer, options),
      approve: (asked, reviewer) => verdicts.approve(id, asked, reviewer),
    };
  }
}
