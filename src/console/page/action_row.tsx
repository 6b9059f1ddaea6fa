/** Columns that every list of actions has, and what stands in them. */
import type { JSX } from "preact";
import type { LiveRow } from "../pulse.js";
import { Said, shownText } from "./parts.js";

/** Heads of columns, each with its label and the class of its width. Long lists are drawn while they are scrolled: a cell is one element where it can be. */
export const COLUMNS = {
  record: ["Record", "number narrow"],
  time: ["Time", "at"],
  decision: ["Decision", "narrow"],
  agent: ["Agent", "name"],
  action: ["Action", "act"],
  task: ["Task", "narrow"],
  why: ["Why", ""],
  outcome: ["Outcome", "narrow"],
  ms: ["ms", "number narrow"],
} as const;

/** What is done, and to what. */
export function ActionCell({ of: { verb, type, resource } }: { of: LiveRow }): JSX.Element {
  return (
    <td>
      {shownText(verb, 40)} <b>{shownText(type, 40)}</b> {resource === null ? null : <Said text={resource} max={60} />}
    </td>
  );
}

/** Why it was decided so: the message of what was stopped, and no more than the code of what was allowed. */
export function WhyCell({ of: { decision, code, message } }: { of: LiveRow }): JSX.Element {
  return decision === "allow" ? <td class="wide none">{shownText(code)}</td> : <td class="wide">{shownText(message, 160)}</td>;
}
