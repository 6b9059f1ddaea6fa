/** The options by which records are found, the same for every command that finds some. */
import { Option, type Command } from "commander";
import { OUTCOME_STATES, RECORD_KINDS, RECORD_SUBJECTS, SEVERITIES } from "../../../contract/index.js";
import type { QueryMembers } from "../../client.js";
import { collect, yesNo } from "../../values.js";
import { timeOrAgo } from "./source.js";

export interface FilterOptions {
  agent?: string;
  purpose?: string;
  task?: string;
  principal?: string;
  owner?: string;
  verb?: string;
  type?: string;
  resource?: string;
  prefix?: string;
  decision?: string[];
  reason?: string;
  severity?: string;
  caller?: string;
  bundle?: string;
  kind?: string[];
  key?: string;
  about?: string;
  proceed?: boolean;
  finding?: boolean;
  outcome?: string[];
  from?: string;
  to?: string;
}

/** Adds the filters by what never changes about a record. */
export function filtered(command: Command): Command {
  return command
    .option("--agent <id>", "of this agent")
    .option("--purpose <id>", "for this purpose")
    .option("--task <id>", "on this task")
    .option("--principal <id>", "for this person")
    .option("--owner <id>", "by agents of this owner")
    .option("--verb <verb>", "with this verb")
    .option("--type <type>", "on resources of this type")
    .option("--resource <id>", "on the resource with this id")
    .option("--prefix <text>", "on resources whose id begins so")
    .option("--decision <decision>", "decided so: allow, deny or flag; may be given again", collect)
    .option("--reason <code>", "with a reason of this code")
    .addOption(new Option("--severity <severity>", "with a reason at least so severe").choices(SEVERITIES))
    .option("--caller <id>", "asked by this caller")
    .option("--bundle <digest>", "decided by the bundle with this digest")
    .option("--proceed <yes|no>", "whether it could go on", yesNo)
    .option("--finding <yes|no>", "whether it opened a finding", yesNo)
    .option("--kind <kind>", `of this kind (default: decision and observed): ${RECORD_KINDS.join(", ")}; may be given again`, collect)
    .addOption(new Option("--about <subject>", "what became of bundles, and what administrators did with them").choices(RECORD_SUBJECTS))
    .option("--key <key>", "of other kinds: a fact (agent/support-7), what it came to (activated), a refusal's code");
}

export function inTime(command: Command): Command {
  return command
    .option("--from <time>", "from this time on: RFC 3339, a date, or how long ago (8h, 2d)", timeOrAgo)
    .option("--to <time>", "up to before this time", timeOrAgo);
}

export function withOutcome(command: Command): Command {
  return command.option("--outcome <state>", `what became of it: ${OUTCOME_STATES.join(", ")}; may be given again`, collect);
}

export function queryOf(options: FilterOptions): QueryMembers {
  const { agent, purpose, task, principal, owner, verb, type, resource, prefix, reason, severity, caller, bundle, key, about } = options;
  const { decision, kind, outcome, proceed, finding, from, to } = options;
  return {
    ...{
      agent,
      purpose,
      task,
      principal,
      owner,
      verb,
      type,
      resource,
      resource_prefix: prefix,
      reason,
      severity,
      caller,
      bundle,
      key,
      about,
    },
    ...{ decision: decision?.join(","), kind: kind?.join(","), outcome: outcome?.join(",") },
    ...{ proceed, finding, from, to },
  };
}
