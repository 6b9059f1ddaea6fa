/** The impact of a bundle as a page of its own: no script, nothing from elsewhere, and every value escaped. */
import type { PolicyIdentity } from "../../contract/index.js";
import type { Apart, Field, Impact } from "../impact.js";
import { DISTINCT_MAX, type DecisionChange, type ChangeExample, type TallyRow, type Side } from "../tally.js";
import { VERDICT_WORDS, drawn, percent } from "./matrix.js";
import { html, wholePage, type Html } from "./html.js";
import { STYLE } from "./style.js";

/** Limits on what was allowed to change, and whether the change is within them. */
export interface Judgement {
  within: boolean;
  limits: string[];
}

const CHANGES_MAX = 200;
const ROWS_MAX = 40;

/** @param judged null where nobody set a limit */
export function page(impact: Impact, judged: Judgement | null): string {
  const { bundle, changes, matrix, newly_allowed, changed } = impact;
  const freer = changes.filter((change) => change.newly_allowed);
  const others = changes.filter((change) => !change.newly_allowed);
  const body = html`<main>
    <header>
      <h1>What would change</h1>
      <p class="soft">Recorded decisions, decided again by another bundle.</p>
      ${about(impact)}
    </header>
    ${figures(impact)} ${judged === null ? null : verdict(judged)}
    <h2>From → to</h2>
    <div class="panel">
      ${drawn(matrix)}
      <p class="legend">
        <span><i class="freer"></i>freer than on record</span><span><i class="stricter"></i>stricter</span
        ><span><i class="same"></i>as on record</span>
      </p>
      ${impact.other_obligations === 0 ? null : html`<p class="legend">${impact.other_obligations} with the verdict on record and other obligations</p>`}
    </div>
    <h2>Newly allowed</h2>
    <p class="soft">It goes ahead, and on record it didn't; or it did under an obligation that is gone.</p>
    ${freer.length === 0 ? html`<p>${newly_allowed === 0 ? "Nothing." : "None that could be listed."}</p>` : listed(freer, "freer")}
    <h2>Other changes</h2>
    ${others.length === 0 ? html`<p>${changed === newly_allowed ? "None." : "None that could be listed."}</p>` : listed(others, "other")}
    ${impact.changes_left_off === 0 ? null : html`<p class="soft">And ${impact.changes_left_off} decisions that change in more ways than are kept apart.</p>`}
    ${rows("By purpose", "purpose", impact.by_purpose)} ${rows("By rule", "deciding reason, was → would be", impact.by_rule)}
    ${rows("By agent", "agent", impact.by_agent)} ${untold(impact)} ${vocabulary(impact)}
    <footer>
      Decisions are compared by what is on record of them: what a policy was asked then, and nothing that became known since. An agent that
      is refused goes on differently from one that isn't; what it would have asked for next is not here.
    </footer>
  </main>`;
  return wholePage(`What would change: ${bundle.bundle} ${bundle.revision}`, STYLE, body);
}

function about({ bundle, decided_by, first, last }: Impact): Html {
  const [before, ...more] = decided_by;
  const range = first === null || last === null ? "none" : `${first.time} to ${last.time}, records ${first.seq} to ${last.seq}`;
  return html`<dl class="about">
    <dt>Would decide</dt>
    <dd>${named(bundle)}</dd>
    <dt>Decided</dt>
    <dd>
      ${before === undefined ? "nothing" : named(before.policy)}${more.length === 0 ? null : html` <span class="soft">and ${more.length} more</span>`}
    </dd>
    <dt>Records</dt>
    <dd>${range}</dd>
  </dl>`;
}

function named({ bundle, revision, sequence, digest }: PolicyIdentity): Html {
  return html`<b>${bundle}</b> ${revision}, sequence ${String(sequence)} <code class="soft">${digest}</code>`;
}

function figures({ decisions, changed, newly_allowed, newly_stopped }: Impact): Html {
  const part = (n: number): string => (decisions === 0 ? "" : ` (${percent(n / decisions)})`);
  return html`<div class="figures">
    <div class="figure"><b>${decisions}</b><span>decisions compared</span></div>
    <div class="figure"><b>${changed}</b><span>would change${part(changed)}</span></div>
    <div class="figure ${newly_allowed === 0 ? "good" : "freer"}">
      <b>${newly_allowed}</b><span>newly allowed${part(newly_allowed)}</span>
    </div>
    <div class="figure ${newly_stopped === 0 ? "" : "stricter"}">
      <b>${newly_stopped}</b><span>no longer go ahead${part(newly_stopped)}</span>
    </div>
  </div>`;
}

function verdict({ within, limits }: Judgement): Html {
  const said = within ? "Within the limits" : "More than the limits allow";
  return html`<p class="verdict ${within ? "within" : "over"}"><b>${said}</b>: ${limits.join(", ")}.</p>`;
}

function listed(changes: readonly DecisionChange[], kind: "freer" | "other"): Html {
  const left = changes.length - CHANGES_MAX;
  const shown = changes.slice(0, CHANGES_MAX).map((change) => oneChange(change, kind));
  return html`${shown}${left > 0 ? html`<p class="soft">And ${left} more kinds of change.</p>` : null}`;
}

function oneChange(change: DecisionChange, kind: "freer" | "other"): Html {
  const { purpose, verb, type, was, now, decisions, agents, resources, first, last, obligations } = change;
  const way = kind === "freer" ? "freer" : now.verdict === "deny" || now.verdict === "flag_wait" ? "stricter" : "";
  const when = first === last ? first : `${first} to ${last}`;
  return html`<section class="change ${way}">
    <header>
      <h3>${verb} ${type} <span class="soft">for ${purpose}</span></h3>
      <span class="n">${decisions}</span>
    </header>
    <p class="turn">${side(was)} → ${side(now)}${obligationTag(obligations)}</p>
    <p class="soft">${counted(agents, "agent")}, ${counted(resources, "resource")}, ${when}</p>
    <table class="examples">
      <thead>
        <tr>
          <th class="who">for example</th>
          <th>on record</th>
          <th>would be</th>
        </tr>
      </thead>
      <tbody>
        ${change.examples.map(example)}
      </tbody>
    </table>
  </section>`;
}

function obligationTag(obligations: DecisionChange["obligations"]): Html | null {
  if (obligations === "same") return null;
  return html` <span class="tag">${obligations === "fewer" ? "an obligation is gone" : "with one obligation more"}</span>`;
}

function side({ verdict, code }: Side): Html {
  return html`<b>${VERDICT_WORDS[verdict]}</b> <code>${code}</code>`;
}

function counted(n: number, what: string): string {
  return `${n}${n === DISTINCT_MAX ? " or more" : ""} ${what}${n === 1 ? "" : "s"}`;
}

function example({ seq, decision_id, time, agent, task, verb, type, id, was, now }: ChangeExample): Html {
  const lines = (texts: readonly string[]): Html[] => texts.map((text) => html`<div>${text}</div>`);
  return html`<tr>
    <td>
      <div><b>${agent}</b> ${verb} ${type}${id === null ? "" : ` ${id}`}</div>
      <div class="soft">${task === null ? "no task" : `task ${task}`}, ${time}</div>
      <div class="soft mono">record ${String(seq)}, ${decision_id}</div>
    </td>
    <td data-label="on record">${lines(was)}</td>
    <td data-label="would be">${lines(now)}</td>
  </tr>`;
}

function rows(title: string, what: string, of: readonly TallyRow[]): Html | null {
  if (of.length === 0) return null;
  const shown = of.slice(0, ROWS_MAX).map(
    ({ name, decisions, changed, newly_allowed, newly_stopped }) =>
      html`<tr>
        <td>${name}</td>
        <td class="num">${decisions}</td>
        <td class="num">${changed}</td>
        <td class="num">${newly_allowed}</td>
        <td class="num">${newly_stopped}</td>
      </tr>`,
  );
  const left = of.length - ROWS_MAX;
  return html`<h2>${title}</h2>
    <div class="panel">
      <table>
        <thead>
          <tr>
            <th>${what}</th>
            <th class="num">decisions</th>
            <th class="num">would change</th>
            <th class="num">newly allowed</th>
            <th class="num">no longer go ahead</th>
          </tr>
        </thead>
        <tbody>
          ${shown}
        </tbody>
      </table>
      ${left > 0 ? html`<p class="soft">And ${left} more.</p>` : null}
    </div>`;
}

/** Lists the records that the figures leave out. */
function untold({ inexpressible, unasked, masked, first_masked, stopped, unreadable, changes_left_off }: Impact): Html | null {
  const apart = (what: string, of: readonly Apart[]): Html[] =>
    of.map(
      ({ why, records, first_seq }) =>
        html`<tr>
          <td>${what}</td>
          <td>${why}</td>
          <td class="num">${records}</td>
          <td class="num">${String(first_seq)}</td>
        </tr>`,
    );
  const plain = (what: string, why: string, n: number, first: number | null = null): Html[] =>
    n === 0
      ? []
      : [
          html`<tr>
            <td>${what}</td>
            <td>${why}</td>
            <td class="num">${n}</td>
            <td class="num">${first === null ? "" : String(first)}</td>
          </tr>`,
        ];
  const lines = [
    ...apart("not expressible", inexpressible),
    ...apart("not asked", unasked),
    ...plain("masked", "the decision may have depended on a value that is masked", masked, first_masked),
    ...plain("stopped", "its evaluation took too long then, which says nothing of a policy", stopped),
    ...plain("unreadable", "the record can't be read", unreadable),
    ...plain("not listed", "counted above, and of too many kinds to be listed", changes_left_off),
  ];
  if (lines.length === 0) return null;
  return html`<h2>What can't be told</h2>
    <p class="soft">These records are in none of the figures above.</p>
    <div class="panel">
      <table>
        <thead>
          <tr>
            <th>what</th>
            <th>why</th>
            <th class="num">records</th>
            <th class="num">first</th>
          </tr>
        </thead>
        <tbody>
          ${lines}
        </tbody>
      </table>
    </div>`;
}

function vocabulary({ unknown_fields, missing_fields }: Impact): Html | null {
  if (unknown_fields.length + missing_fields.length === 0) return null;
  const list = (what: string, of: readonly Field[]): Html[] =>
    of.slice(0, ROWS_MAX).map(
      ({ name, records }) =>
        html`<tr>
          <td><code>${name}</code></td>
          <td>${what}</td>
          <td class="num">${records}</td>
        </tr>`,
    );
  return html`<h2>Another vocabulary</h2>
    <p class="soft">What was asked then was made for another vocabulary.</p>
    <div class="panel">
      <table>
        <thead>
          <tr>
            <th>field</th>
            <th></th>
            <th class="num">records</th>
          </tr>
        </thead>
        <tbody>
          ${list("on record, unknown to this bundle: left out", unknown_fields)}${list("of this bundle, not on record: unknown", missing_fields)}
        </tbody>
      </table>
    </div>`;
}
