/** Facts as hosts and operators read them: one, or pages of them, each with its revision. */
import {
  Problem,
  type AgentAnswer,
  type AgentPage,
  type AgentState,
  type EventPage,
  type GrantAnswer,
  type GrantPage,
  type NarrowingAnswer,
  type NarrowingPage,
  type RevocationAnswer,
  type RevocationPage,
  type TaskFactAnswer,
  type TaskPage,
} from "../contract/index.js";
import type { ChangeFilter, Store } from "../store/store.js";
import type { Clock } from "../system/index.js";
import { stateOfAgent, stateOfTask, type AgentFact, type TaskFact } from "./entities.js";
import { approvalId } from "./grants.js";
import { page, type PageAsked } from "./pages.js";
import type { HeldGrantState, Registry } from "./registry.js";
import { isLive } from "./tasks.js";
import type { StoredRevocationScope } from "./facts_lookup.js";

/** Returns true if a caller may know of a fact; a page skips the others. */
type Sees<T> = (fact: T) => boolean;

export class FactsReading {
  /** Registry that decisions are made from. */
  readonly registry: Registry;
  readonly #store: Pick<Store, "changes">;
  readonly #clock: Pick<Clock, "wall">;

  constructor(registry: Registry, store: Pick<Store, "changes">, clock: Pick<Clock, "wall">) {
    this.registry = registry;
    this.#store = store;
    this.#clock = clock;
  }

  /** @throws Problem `agent_not_found` */
  agent(id: string): AgentAnswer {
    return this.#withRevisions(stateOfAgent(this.knownAgent(id)), this.knownAgent(id).revision);
  }

  /** @throws Problem `task_not_found` */
  task(id: string): TaskFactAnswer {
    return this.#withRevisions(stateOfTask(this.knownTask(id)), this.knownTask(id).revision);
  }

  /** @throws Problem `grant_not_found` */
  grant(id: string): GrantAnswer {
    const grant = this.registry.grant(id);
    const use = this.registry.grantUse(id, this.now());
    if (grant === undefined || use === undefined) throw new Problem("grant_not_found");
    return this.#withRevisions({ ...grant.value, ...use }, grant.revision);
  }

  /**
   * Returns the grant that approvals of an action became: of this very decision, or else one that is still open for the same action.
   * @returns null if nobody has approved it
   */
  approvalGrant(agent: string, decision: string, digest: string): GrantAnswer | null {
    const all = this.registry.approvalsOf(agent).map(({ value }) => this.grant(value.id));
    const isOpen = ({ state, approval }: GrantAnswer): boolean =>
      approval?.digest === digest && (state === "live" || state === "unapproved");
    return all.find(({ id }) => id === approvalId(decision)) ?? all.find(isOpen) ?? null;
  }

  /** @throws Problem `revocation_not_found` */
  revocation(id: string): RevocationAnswer {
    const revocation = this.registry.revocation(id);
    if (revocation === undefined) throw new Problem("revocation_not_found");
    return this.#withRevisions(revocation, revocation.revision);
  }

  /** @throws Problem `narrowing_not_found` */
  narrowing(agent: string): NarrowingAnswer {
    const narrowing = this.registry.narrowings.get(agent);
    if (narrowing === undefined) throw new Problem("narrowing_not_found");
    return this.#withRevisions(narrowing, narrowing.revision);
  }

  /** @throws Problem `field_invalid` */
  agents(
    asked: PageAsked,
    filter: { owner?: string; purpose?: string; status?: AgentState["status"] } = {},
    sees: Sees<AgentFact> = () => true,
  ): AgentPage {
    const { owner, purpose, status } = filter;
    const found = page(this.registry.ids.agent, asked, (id) => {
      const agent = this.knownAgent(id);
      const wanted =
        (owner === undefined || agent.owner === owner) &&
        (purpose === undefined || agent.purposes.has(purpose)) &&
        (status === undefined || agent.status === status) &&
        sees(agent);
      return wanted ? this.agent(id) : null;
    });
    return { ...found, facts_revision: this.registry.revision };
  }

  /** @throws Problem `field_invalid` */
  tasks(
    asked: PageAsked,
    filter: { agent?: string; purpose?: string; parent?: string; live?: boolean } = {},
    sees: Sees<TaskFact> = () => true,
  ): TaskPage {
    const { agent, purpose, parent, live } = filter;
    const now = this.now();
    const found = page(this.registry.ids.task, asked, (id) => {
      const task = this.knownTask(id);
      const wanted =
        (agent === undefined || task.agent === agent) &&
        (purpose === undefined || task.purpose === purpose) &&
        (parent === undefined || task.parent === parent) &&
        (live === undefined || isLive(task, now) === live) &&
        sees(task);
      return wanted ? this.task(id) : null;
    });
    return { ...found, facts_revision: this.registry.revision };
  }

  /** `unused`: given, over or not, and never used. @throws Problem `field_invalid` */
  grants(
    asked: PageAsked,
    filter: { agent?: string; task?: string; state?: HeldGrantState; unused?: boolean } = {},
    sees: Sees<GrantAnswer> = () => true,
  ): GrantPage {
    const { agent, task, state, unused } = filter;
    const found = page(this.registry.ids.grant, asked, (id) => {
      const grant = this.grant(id);
      const wanted =
        (agent === undefined || grant.agent === agent) &&
        (task === undefined || grant.task === task) &&
        (state === undefined || grant.state === state) &&
        (unused === undefined || (grant.used === 0) === unused) &&
        sees(grant);
      return wanted ? grant : null;
    });
    return { ...found, facts_revision: this.registry.revision };
  }

  /** @throws Problem `field_invalid` */
  revocations(
    asked: PageAsked,
    filter: { scope?: StoredRevocationScope; in_force?: boolean } = {},
    sees: Sees<RevocationAnswer> = () => true,
  ): RevocationPage {
    const { scope, in_force } = filter;
    const found = page(this.registry.ids.revocation, asked, (id) => {
      const revocation = this.revocation(id);
      const wanted =
        (scope === undefined || revocation.scope === scope) &&
        (in_force === undefined || (revocation.lifted === null) === in_force) &&
        sees(revocation);
      return wanted ? revocation : null;
    });
    return { ...found, facts_revision: this.registry.revision };
  }

  /** @throws Problem `field_invalid` */
  narrowings(
    asked: PageAsked,
    filter: { purpose?: string; in_force?: boolean } = {},
    sees: Sees<NarrowingAnswer> = () => true,
  ): NarrowingPage {
    const { purpose, in_force } = filter;
    const found = page(this.registry.ids.narrowing, asked, (agent) => {
      const narrowing = this.narrowing(agent);
      const wanted =
        (purpose === undefined || narrowing.purpose === purpose) &&
        (in_force === undefined || (narrowing.lifted === null) === in_force) &&
        sees(narrowing);
      return wanted ? narrowing : null;
    });
    return { ...found, facts_revision: this.registry.revision };
  }

  /**
   * Changes after a revision, oldest first; `next` is the revision to go on after.
   * @throws Problem `store_unavailable`
   */
  async events(after: number, limit: number, filter: ChangeFilter = {}): Promise<EventPage> {
    const facts_revision = this.registry.revision;
    try {
      const items = await this.#store.changes(after, limit, filter);
      const next = items.length < limit ? null : String(items.at(-1)?.revision);
      return { items: items.map((item) => ({ ...item })), next, facts_revision };
    } catch (cause) {
      throw new Problem("store_unavailable", {}, { cause });
    }
  }

  protected knownAgent(id: string): AgentFact {
    const agent = this.registry.agent(id);
    if (agent === undefined) throw new Problem("agent_not_found");
    return agent;
  }

  protected knownTask(id: string): TaskFact {
    const task = this.registry.task(id);
    if (task === undefined) throw new Problem("task_not_found");
    return task;
  }

  protected now(): number {
    return this.#clock.wall();
  }

  #withRevisions<T extends object>(fact: T, revision: number): T & { revision: number; facts_revision: number } {
    return { ...fact, revision, facts_revision: this.registry.revision };
  }
}
