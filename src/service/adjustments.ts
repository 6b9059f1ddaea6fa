/** Lets facts do what is proposed of an agent's behaviour, and tells behaviour what people have lifted. */
import { Adjustments, ITSELF, type Adjustable, type AdjustmentsDeps } from "../behavior/adjustments.js";
import type { Commands } from "../facts/commands.js";
import { split } from "../facts/registry.js";
import type { StopCode } from "../findings/own_notices.js";
import { errorMessage } from "../system/error_message.js";
import { report } from "../system/log_events.js";
import type { Logger } from "../system/logger.js";

interface Deps extends Omit<AdjustmentsDeps, "facts"> {
  commands: Commands;
  /** Puts on record, with a finding, that an agent was stopped; the change itself holds already. */
  note: (code: StopCode, agent: string, purpose: string, reason: string) => void;
  logger: Logger;
}

const LIFTS: ReadonlySet<string> = new Set(["agent_widened", "agent_restored"]);

export function wireAdjustments({ commands, note, logger, ...deps }: Deps): Pick<Adjustments, "settled" | "close"> {
  const adjustments = new Adjustments({ ...deps, facts: adjustable(commands, note, logger) });
  const unlisten = commands.ledger.listen(({ key, change, by, reason, revision }) => {
    const [, agent] = split(key);
    if (by !== ITSELF) {
      if (LIFTS.has(change)) adjustments.letGoOn(agent);
    } else if (revision === null || change === "agent_widened") {
      report(logger, "agent_adjusted", { change, agent, reason });
    }
  });
  return {
    settled: (act, assessed, answer) => {
      adjustments.settled(act, assessed, answer);
    },
    close() {
      unlisten();
      adjustments.close();
    },
  };
}

function adjustable(commands: Commands, note: Deps["note"], logger: Logger): Adjustable {
  const { registry } = commands;
  const failed = (change: string, agent: string) => (cause: unknown) => {
    report(logger, "agent_adjust_failed", { change, agent, detail: errorMessage(cause) });
  };
  return {
    isActive: (agent) => registry.agent(agent)?.status === "active",
    narrowing: (agent) => registry.narrowings.get(agent),
    narrowings: () => registry.narrowings.all(),
    narrow: (agent, to) => {
      commands.narrowAgent(agent, to, ITSELF).catch(failed("agent_narrowed", agent));
      note("narrowed_by_behavior", agent, to.purpose, to.reason);
    },
    suspend: (agent, reason, purpose) => {
      const status = "suspended" as const;
      commands.changeAgent(agent, { status, reason }, null, ITSELF).catch(failed("agent_suspended", agent));
      note("suspended_by_behavior", agent, purpose, reason);
    },
    widen: async (agent, reason) => {
      // Where a person has narrowed it further meanwhile, it is no longer this to lift.
      const expected = registry.narrowings.get(agent)?.revision ?? null;
      await commands.widenAgent(agent, { reason }, expected, ITSELF).catch(failed("agent_widened", agent));
    },
  };
}
