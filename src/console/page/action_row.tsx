/** Columns that every list of actions has, and what stands in them. */
import type { JSX } from "preact";
import type { LiveRow } from "../pulse.js";
import { Said } from "./parts.js";

/** Heads of columns, each with its label and the class of its width. */
export const COLUMNS = {
  record: ["Record", "number narrow"],
  time: ["Time", "at"],
  decision: ["Decision", "narrow"],
  agent: ["Agent", "name"],
  action: ["Action", "name"],
  task: ["Task", "narrow"],
  why: ["Why", ""],
  outcome: ["Outcome", "narrow"],
  ms: ["ms", "number narrow"],
} as const;

/** What is done, and to what. */
export function ActionCell({ of: { verb, type, resource } }: { of: LiveRow }): JSX.Element {
  return (
    <td>
      <Said text={verb} max={40} />{" "}
      <b>
        <Said text={type} max={40} />
      </b>{" "}
      <Said text={resource ?? ""} max={60} />
    </td>
  );
}

/** Why it was decided so: the message of what was stopped, and no more than the code of what was allowed. */
export function WhyCell({ of: { decision, code, message } }: { of: LiveRow }): JSX.Element {
  return (
    <td class="wide">
      {decision === "allow" ? (
        <span class="none">
          <Said text={code} />
        </span>
      ) : (
        <Said text={message} max={160} />
      )}
    </td>
  );
}
