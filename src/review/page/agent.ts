/** One agent with one purpose: what it may, what it did, what it never used, what it was refused. */
import { html, type Html } from "../../replay/page/html.js";
import { DISTINCT_MAX } from "../distinct.js";
import type { AgentPurpose, ByCode, Did, May } from "../report.js";
import { total } from "../review.js";
import { bars, cellsOf, heat, matrix, type Times } from "./plots.js";
import { count, dated, rows, type HtmlCell } from "./table.js";

const LISTED_MAX = 60;

export function agentCard(one: AgentPurpose, times: Times): Html {
  const { agent, purpose, owner, version, counts, may, did, refused, flagged, logged, left_off, highest_risk } = one;
  const label = `${agent} for ${purpose}`;
  return html`<section class="card">
    <header>
      <h3>${agent} <span class="soft">for ${purpose}</span></h3>
      ${statusOf(one)}
    </header>
    <p class="soft">
      ${one.name === null ? "" : `${one.name}; `}${owner === null ? "owner not known" : `owner ${owner}`}${version === null ? "" : `, version ${version}`};
      ${count(total(counts), "decision")}: ${counts.allow} allowed, ${counts.flag_proceed} flagged and went on, ${counts.flag_wait} flagged
      and waited, ${counts.deny} refused${one.observed === 0 ? "" : `; ${one.observed} of them had happened already`};
      ${dated(one.first ?? "")} to ${dated(one.last ?? "")}
    </p>
    ${highest_risk === null ? null : html`<p class="soft">Highest risk <b>${highest_risk.risk}</b> of 100, ${dated(highest_risk.time)}, record ${String(highest_risk.seq)}: ${highest_risk.reasons.join("; ")}</p>`}
    ${matrix(cellsOf([one]), `Verbs by types of ${label}`)}
    <div class="two">
      <div>
        <h3 class="sub">Over time</h3>
        ${bars(one.over_time, ["allow", "flag", "deny"], times, `Decisions of ${label} over time`, true)}
      </div>
      <div>
        <h3 class="sub">By hour of the week</h3>
        ${heat(one.heat, `Decisions of ${label} by hour of the week`)}
      </div>
    </div>
    ${
      may.length === 0
        ? null
        : html`<h3 class="sub">What it may do</h3>
            ${maysTable(may)}`
    }
    <h3 class="sub">What it did</h3>
    ${rows(["action", "about", "allowed", "flagged", "refused", "resources", "last"], did.slice(0, LISTED_MAX).map(didRow))}
    ${did.length > LISTED_MAX ? html`<p class="soft">And ${did.length - LISTED_MAX} more kinds.</p>` : null}
    ${codes("What it was refused", refused)} ${codes("What was flagged", flagged)} ${codes("What was logged", logged)}
    ${left_off === 0 ? null : html`<p class="soft">${count(left_off, "decision")} of more kinds, or for more reasons, than are told apart.</p>`}
  </section>`;
}

export function statusOf({ status, assigned, narrowed }: Pick<AgentPurpose, "status" | "assigned" | "narrowed">): Html {
  const said = status ?? "not known";
  const kind = status === "active" ? "fine" : status === null ? "" : "bad";
  return html`<span class="state ${kind}">${said}</span
    >${narrowed ? html` <span class="state warn">narrowed</span>` : null}${assigned === false ? html` <span class="state warn">not registered for it any more</span>` : null}`;
}

function maysTable(may: readonly May[]): Html {
  const order = [...may].sort((a, b) => b.uses - a.uses);
  return html`<table>
      <thead>
        <tr>
          <th scope="col">entry</th>
          <th scope="col" class="num">used</th>
          <th scope="col">last</th>
        </tr>
      </thead>
      <tbody>
        ${order.slice(0, LISTED_MAX).map(
          ({ words, uses, last, in_force }) =>
            html`<tr class="${uses === 0 ? "idle" : ""}">
              <td>${words}${in_force ? null : html` <span class="state">no longer in the bundle</span>`}</td>
              <td class="num">${uses === 0 ? html`<span class="never">never</span>` : html`${uses}`}</td>
              <td class="tight">${last === null ? "" : dated(last)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
    ${may.length > LISTED_MAX ? html`<p class="soft">And ${may.length - LISTED_MAX} more.</p>` : null}`;
}

const ABOUT: Readonly<Record<Did["relation"], string>> = {
  task: "its task",
  other: "something else",
  unknown: "not known",
};

function didRow({ verb, type, relation, allow, flag_proceed, flag_wait, deny, resources, last }: Did): HtmlCell[] {
  const shown = resources >= DISTINCT_MAX ? `${DISTINCT_MAX} or more` : resources;
  return [`${verb} ${type}`, ABOUT[relation], allow, flag_proceed + flag_wait, deny, shown, dated(last)];
}

function codes(title: string, of: readonly ByCode[]): Html | null {
  if (of.length === 0) return null;
  const shown = of
    .slice(0, LISTED_MAX)
    .map(({ code, severity, decisions, examples }): HtmlCell[] => [
      html`<code>${code}</code>`,
      severity,
      decisions,
      html`${examples.map(({ seq, time, verb, type, id, message }) => html`<div>${message} <span class="soft">${verb} ${type}${id === null ? "" : ` ${id}`}, ${dated(time)}, record ${String(seq)}</span></div>`)}`,
    ]);
  return html`<h3 class="sub">${title}</h3>
    ${rows(["reason", "severity", "times", "for example"], shown)}`;
}
