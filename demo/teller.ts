/** Tells what happens, one line each, and holds it against the story: whatever comes out otherwise is marked and counted. */
import type { TableVerdict as Wanted } from "../src/authoring/table.js";
import type { Style, Ui } from "../src/cli/ui.js";
import type { Obligation } from "../src/contract/index.js";
import type { Clock } from "../src/system/index.js";
import type { Action, Verdict } from "./parties.js";

/** What an agent tries, and what the story says comes of it. */
export interface Step {
  what: string;
  action: Action;
  then: Wanted;
  /** Codes of what decides, all of them. */
  because?: readonly string[];
}

export interface Told {
  /** What wasn't as the story says; none means that all is well. */
  wrong: readonly string[];
  decisions: number;
}

/** Told to people, so that what waits and what is refused is seen at a glance. */
const MARKS: Readonly<Record<Wanted, readonly [Style, string]>> = {
  allow: ["green", "✓ goes ahead"],
  "allow and log": ["green", "✓ goes ahead, is noted"],
  flag: ["yellow", "⚑ goes ahead, a person looks"],
  "flag and wait": ["yellow", "⚑ waits for a person"],
  deny: ["red", "✗ is denied"],
};
const MARK_WIDTH = Math.max(...Object.values(MARKS).map(([, mark]) => mark.length));
const WHAT_WIDTH = 42;
const INDENT = " ".repeat(9);

export class Teller {
  /** What wasn't as the story says. */
  readonly wrong: string[] = [];
  readonly #ui: Ui;
  readonly #clock: Pick<Clock, "wall">;
  readonly #local: Intl.DateTimeFormat;
  /** An act has more than its title. */
  #begun = false;

  /** @param zone whose wall clock the lines show */
  constructor(ui: Ui, clock: Pick<Clock, "wall">, zone: string) {
    this.#ui = ui;
    this.#clock = clock;
    this.#local = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" });
  }

  /** Says how it came out. @param asked decisions, of which so many are on record */
  conclude(asked: number, recorded: number): Told {
    this.#ui.out(`${recorded} of ${asked} decisions are on record on the disk.`);
    this.holds(recorded === asked, `${asked} decisions, ${recorded} on record`);
    const isGood = this.wrong.length === 0;
    const verdict = isGood ? "As the story says." : `Not as the story says, ${this.wrong.length} times.`;
    this.#ui.out(this.#ui.paint(isGood ? "green" : "red", verdict));
    return { wrong: this.wrong, decisions: asked };
  }

  act(title: string): void {
    this.#ui.out(`\n${this.#ui.paint("bold", title)}`);
    this.#begun = false;
  }

  /** What comes next has nothing to do with what went before. */
  pause(): void {
    if (this.#begun) this.#ui.out("");
  }

  /** Something that anybody but an agent does. @param revision of the facts that include it */
  says(text: string, revision?: number): void {
    const known = revision === undefined ? "" : this.#ui.paint("dim", `  (facts revision ${revision})`);
    this.#ui.out(`${this.#time()}  ${this.#ui.paint("cyan", "▸")} ${text}${known}`);
    this.#begun = true;
  }

  /** Something to be seen under the line before. */
  notes(text: string): void {
    this.#ui.out(`${INDENT}${this.#ui.paint("dim", text)}`);
  }

  /** What an agent did, or didn't get to do. */
  tells({ what, action, then, because }: Step, { outcome, answer }: Verdict): void {
    const [style, mark] = MARKS[outcome.then];
    this.#begun = true;
    const { verb, resource } = action;
    const asked = this.#ui.paint("dim", `${verb} ${resource.type}${resource.id === null ? "" : ` ${resource.id}`}`);
    this.#ui.out(`${this.#time()}    ${this.#ui.paint(style, mark.padEnd(MARK_WIDTH))}  ${what.padEnd(WHAT_WIDTH)}  ${asked}`);
    if (answer === null) this.notes(`  the service refused to decide: ${outcome.because.join(", ")}`);
    const reasons = answer?.reasons ?? [];
    if (outcome.then !== "allow")
      for (const { code, message, of } of reasons)
        if (outcome.because.includes(code)) this.notes(`  ${message}${of === undefined ? "" : `; this task was handed on from ${of}`}`);
    for (const { code, message } of reasons) if (code === "granted") this.notes(`  ${message}`);
    if (answer?.proceed === true) for (const obligation of answer.obligations) this.notes(`  ${duty(obligation)}`);
    const told = answer?.tell_agent ?? "";
    if (told !== "") this.notes(`  the agent hears: “${told}”`);
    this.holds(outcome.then === then, `${what}: the story says ${then}, it came out as ${outcome.then}`);
    const codes = [...(because ?? outcome.because)].sort().join(", ");
    const came = outcome.because.join(", ");
    this.holds(because === undefined || came === codes, `${what}: the story says because of ${codes}, it was ${came}`);
  }

  /** Marks and counts what doesn't hold. */
  holds(so: boolean, otherwise: string): void {
    if (so) return;
    this.wrong.push(otherwise);
    this.#ui.out(`${INDENT}${this.#ui.paint("red", `!!! ${otherwise}`)}`);
  }

  #time(): string {
    return this.#local.format(this.#clock.wall());
  }
}

/** What an enforcement point has to do when it lets this through. */
function duty(obligation: Obligation): string {
  switch (obligation.type) {
    case "redact":
      return `without ${obligation.fields.join(" and ")}`;
    case "notify":
      return `${obligation.channel} is told`;
    case "confirm":
      return `${obligation.with} has to say yes`;
    case "modify":
      return `with ${obligation.argument} ${String(obligation.value)}`;
  }
}
