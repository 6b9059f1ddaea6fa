/** Proposes what a policy lacks, as entries for its purpose file: made from what was done, to be read and signed by the policy's owner. */
import { visibleJson, type Finding, type RecordAction, type Relation } from "../contract/index.js";

/** One action of a finding, as far as an entry of a purpose can speak of it. */
export interface FindingAction {
  action: RecordAction;
  relation: Relation;
  decision_id: string;
}

interface Line {
  purpose: string;
  verb: string;
  type: string;
  about: Relation;
  decisions: string[];
}

const LINES_MAX = 16;
const PLAIN = /^[a-z][a-z0-9_]*$/;
/** Words that YAML doesn't read as text. */
const WORDS: ReadonlySet<string> = new Set(["null", "true", "false", "yes", "no", "on", "off", "y", "n"]);

/**
 * @param effect what these actions should have come to
 * @param of those that are known of it, the most that were looked at
 */
export function proposalOf(finding: Finding, effect: "allow" | "never", of: readonly FindingAction[]): string {
  const lines = new Map<string, Line>();
  for (const { action, relation, decision_id } of of) {
    const { purpose, verb, type } = action;
    const key = [purpose, verb, type, relation].join("\n");
    const line = lines.get(key) ?? { purpose, verb, type, about: relation, decisions: [] };
    line.decisions.push(decision_id);
    lines.set(key, line);
  }
  const all = [...lines.values()].sort((a, b) => b.decisions.length - a.decisions.length);
  const purposes = [...new Set(all.slice(0, LINES_MAX).map(({ purpose }) => purpose))];
  const who = finding.agent === null ? "agents that nobody has registered" : `agent ${shown(finding.agent)}`;
  const codes = finding.codes.map(({ code }) => shown(code)).join(", ");
  return [
    `# ${finding.id}: ${finding.actions.all} actions of ${who}, ${finding.first_seen} to ${finding.last_seen}`,
    ...(codes === "" ? [] : [`# reasons: ${codes}`]),
    ...(of.length < finding.actions.all ? [`# of these, ${of.length} are counted here`] : []),
    ...(all.length > LINES_MAX ? [`# the ${LINES_MAX} most frequent kinds of ${all.length}`] : []),
    ...purposes.flatMap((purpose) => [
      `${word(purpose)}:`,
      `  ${effect}:`,
      ...all.slice(0, LINES_MAX).flatMap((line) => (line.purpose === purpose ? entry(line, effect) : [])),
    ]),
    "",
  ].join("\n");
}

function entry({ verb, type, about, decisions }: Line, effect: "allow" | "never"): string[] {
  const times = decisions.length === 1 ? "once" : `${decisions.length} times`;
  const known = about === "unknown" ? ", whether it had to do with the task isn't known" : "";
  const named =
    effect === "allow" ? "" : `, code: ${word(`no_${verb}_${type}`.replaceAll(/[^A-Za-z0-9_]/g, "_").toLowerCase())}, severity: high`;
  return [
    `    # ${times}${known}: ${shown(decisions[0] ?? "")}`,
    `    - {${word(verb)}: ${word(type)}${about === "unknown" ? "" : `, about: ${about}`}${named}}`,
  ];
}

const NAMED = /^[A-Za-z0-9][A-Za-z0-9_.:@/-]*$/;

/** A text in a comment, on its line: records that were handed in may hold anything for a code. */
function shown(text: string): string {
  return NAMED.test(text) ? text : visibleJson(text);
}

/** A name as YAML reads it back. */
function word(name: string): string {
  return PLAIN.test(name) && !WORDS.has(name) ? name : visibleJson(name);
}
