/** Sections of a review's page on what people decided, what was found, and what the review rests on. */
import { html, type Html } from "../../replay/page/html.js";
import type { Review } from "../report.js";
import { count, dated, rows, type HtmlCell } from "./table.js";

const LISTED_MAX = 300;

function listed(head: readonly string[], of: readonly (readonly HtmlCell[])[]): Html {
  if (of.length === 0) return html`<p>None.</p>`;
  const more = of.length - LISTED_MAX;
  return html`<div class="panel">
    ${rows(head, of.slice(0, LISTED_MAX))}${more > 0 ? html`<p class="soft">And ${more} more; the JSON has them.</p>` : null}
  </div>`;
}

export function findingsFound({ findings }: Review): Html {
  const of = findings.map(({ id, state, severity, agent, purpose, code, message, actions, first, last, verdict }): HtmlCell[] => [
    html`<span class="state ${verdict === null ? "bad" : "fine"}">${state.replaceAll("_", " ")}</span>`,
    severity,
    html`<div>${message}</div>
      <div class="soft"><code>${code}</code> ${id}</div>`,
    html`${agent ?? "several"}
      <div class="soft">${purpose ?? "several purposes"}</div>`,
    actions,
    html`${dated(first)}
      <div class="soft">${dated(last)}</div>`,
    verdict === null
      ? ""
      : html`${verdict.by}, ${dated(verdict.at)}
          <div class="soft">${verdict.reason}</div>`,
  ]);
  return html`<h2 id="findings">Findings</h2>
    ${listed(["state", "severity", "what", "agent", "actions", "first, last", "verdict"], of)}`;
}

export function grantsGiven({ grants }: Review): Html {
  const of = grants.map((grant): HtmlCell[] => [
    grant.id,
    grant.agent ?? `task ${grant.task ?? ""}`,
    html`<code>${grant.what}</code>
      <div class="soft">${grant.reason}</div>`,
    html`${grant.approved_by}
      <div class="soft">asked for by ${grant.requested_by}</div>`,
    html`${dated(grant.created)}
      <div class="soft">${grant.ended === null ? `until ${dated(grant.expires)}` : `ended ${dated(grant.ended)}`}</div>`,
    grant.uses === null ? `${grant.used}` : `${grant.used} of ${grant.uses}`,
  ]);
  return html`<h2 id="grants">Grants and approvals</h2>
    <p class="soft">Those that were in force in the period, or made in it.</p>
    ${listed(["grant", "for", "what", "approved by", "from, to", "used"], of)}`;
}

export function changesMade({ changes, change_counts, activations, refused_callers, left_off }: Review): Html {
  const of = changes.map(({ seq, time, change, key, by, reason, durable }): HtmlCell[] => [
    dated(time),
    html`${change.replaceAll("_", " ")}${durable ? null : html` <span class="state warn">held in memory</span>`}`,
    key,
    by,
    reason ?? "",
    html`<span class="soft">${String(seq)}</span>`,
  ]);
  const bundles = activations.map(({ seq, time, change, bundle, revision, code }): HtmlCell[] => [
    dated(time),
    change,
    `${bundle ?? ""} ${revision ?? ""}`,
    code ?? "",
    html`<span class="soft">${String(seq)}</span>`,
  ]);
  const counts = Object.entries(change_counts).map(([change, n]): HtmlCell[] => [change.replaceAll("_", " "), n]);
  return html`<h2 id="changes">Who changed what</h2>
    <p class="soft">Agents, grants, revocations and what narrowed or was lifted; changes of tasks are counted below.</p>
    ${listed(["time", "change", "of", "by", "why", "record"], of)}
    ${left_off === 0 ? null : html`<p class="soft">${count(left_off, "more")} that aren't listed.</p>`}
    <div class="two">
      <div>
        <h3 class="sub">All changes, counted</h3>
        ${listed(["change", "times"], counts)}
      </div>
      <div>
        <h3 class="sub">Callers that were refused</h3>
        ${listed(
          ["why", "times"],
          refused_callers.map(({ code, count: n }): HtmlCell[] => [code, n]),
        )}
      </div>
    </div>
    <h3 class="sub">Bundles that were activated or refused</h3>
    ${listed(["time", "what", "bundle", "code", "record"], bundles)}`;
}

export function restsOn({ rests_on, gaps }: Review, figures: string): Html {
  const { origin, records, kinds, before, through, checkpoint, bundles } = rests_on;
  const root = ({ size, root: of }: { size: number; root: string | null }): Html =>
    html`${String(size)} records, root <code>${of ?? "not known: records are missing"}</code>`;
  const decided = bundles.map(({ bundle, revision, sequence, digest, decisions, first, last, given }): HtmlCell[] => [
    html`${bundle} ${revision}
      <div class="soft">sequence ${String(sequence)}${given ? "" : "; it wasn't given, so what it permitted isn't told"}</div>
      <code>${digest}</code>`,
    decisions,
    html`${dated(first)}
      <div class="soft">${dated(last)}</div>`,
  ]);
  return html`<h2 id="rests">What this rests on</h2>
    <div class="panel">
      <dl class="kv">
        <dt>Log</dt>
        <dd>${origin ?? "without a name"}</dd>
        <dt>Records of the period</dt>
        <dd>
          ${records.first === null ? "none" : `${records.first} to ${records.last ?? records.first}`}, ${count(records.in_period, "record")}
          <span class="soft"
            >(${Object.entries(kinds)
              .map(([kind, n]) => `${kind} ${n}`)
              .join(", ")})</span
          >
        </dd>
        <dt>Tree before it</dt>
        <dd>${root(before)}</dd>
        <dt>Tree at its end</dt>
        <dd>${root(through)}</dd>
        <dt>Checkpoint</dt>
        <dd>
          ${checkpoint === null ? "none" : html`${String(checkpoint.size)} records, root <code>${checkpoint.root}</code>: ${checkpoint.says}`}
        </dd>
        ${
          checkpoint === null
            ? null
            : html`<dt>Signed by</dt>
                <dd>
                  ${checkpoint.signed_by.length === 0 ? "none of the keys" : checkpoint.signed_by.map((key) => html`<div><code>${key}</code></div>`)}${checkpoint.keys_named_by === "log" ? html`<div class="soft">The keys are those that the log names itself: whoever rewrites it can name another.</div>` : null}
                </dd>`
        }
        <dt>Gaps</dt>
        <dd>${gaps.length === 0 ? "none" : count(gaps.length, "gap")}</dd>
        <dt>Figures</dt>
        <dd><code>sha256:${figures}</code></dd>
      </dl>
    </div>
    <h3 class="sub">Bundles that decided</h3>
    ${listed(["bundle", "decisions", "first, last"], decided)}
    <h3 class="sub">What is missing</h3>
    ${listed(
      ["what", "records", "time", "how many", "says"],
      gaps.map(({ what, from, to, time, records: n, says }): HtmlCell[] => [
        what,
        from === null ? "" : `${from} to ${to ?? from}`,
        time === null ? "" : dated(time),
        n === null ? "not known" : String(n),
        says,
      ]),
    )}`;
}
