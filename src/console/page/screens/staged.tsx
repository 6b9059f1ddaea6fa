/** A candidate beside the running bundle: asked about every decision that is made, it decides none, and its differences are counted. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { StagedBundle } from "../../../contract/index.js";
import { queryLine, quoted } from "../../grammar.js";
import { Act, useScope } from "../acts.js";
import { send } from "../api.js";
import { Empty, Line, Mark, Said, Time, agentPath, counted, markOf } from "../parts.js";
import { Heads, Row } from "../rows.js";

/** Words for what a stage has come to so far. */
export function stagedText({ share, compared, flips }: StagedBundle): string {
  return `${share === 0 ? "in shadow" : `for ${share} % of agents`}: ${flips.toLocaleString("en")} of ${counted(compared, "decision")} differ`;
}

export function Staged({ staged, reload }: { staged: StagedBundle; reload: () => void }): JSX.Element {
  const may = useScope("remit:publish");
  const [isDropping, setDropping] = useState(false);
  const { identity, share, since, compared, flips, other_reasons, errors, skipped, differences, missing = [] } = staged;
  const figures: [label: string, count: number, kind: string][] = [
    ["compared", compared, ""],
    ["would differ", flips, flips > 0 ? "flag" : "allow"],
    ["same, other reasons", other_reasons, ""],
    ["failed", errors, errors > 0 ? "deny" : ""],
    ["not compared", skipped, skipped > 0 ? "flag" : ""],
  ];
  return (
    <section class="staged">
      <header class="screen">
        <div>
          <h2>{share === 0 ? "In shadow" : `Deciding for ${share} % of the agents`}</h2>
          <p>
            <b>
              <Said text={identity.revision} max={40} />
            </b>
            , sequence {identity.sequence}, <code>{identity.digest.slice(0, 19)}…</code>, since <Time at={since} />
          </p>
          {missing.length > 0 && (
            <p class="aside">
              Without what <Said text={missing.join(", ")} max={120} /> decided: they don't answer, or don't try it.
            </p>
          )}
        </div>
        <dl class="figures">
          {figures.map(([label, count, kind]) => (
            <div key={label} class={kind}>
              <dd>{count.toLocaleString("en")}</dd>
              <dt>{label}</dt>
            </div>
          ))}
        </dl>
      </header>
      {differences.length === 0 ? (
        <Empty title={compared === 0 ? "No decision has been made since." : "It would have decided every one the same."}>
          {compared === 0 ? "Each one from now on is asked of both, on the same facts." : "Reasons may differ; decisions don't."}
        </Empty>
      ) : (
        <div class="scroll">
          <table class="rows">
            <caption class="aside">What would be decided differently, the most frequent first</caption>
            <Heads of={["It was", "It would be", "Agent", "Why", ["How often", "number"]]} />
            <tbody>
              {differences.map(({ from, to, reason, agent, count }) => {
                // Records don't say what a candidate would have decided: those of the agent with this decision are where to look.
                const query = new URLSearchParams({ agent, decision: from, from: since });
                return (
                  <Row key={`${from} ${to} ${reason} ${agent}`} to={`/records?${query.toString()}`} line={queryLine(query)} agent={agent}>
                    <td>
                      <a href={`/records?${query.toString()}`}>
                        <Mark kind={markOf({ decision: from, waits: false })} />
                      </a>
                    </td>
                    <td>
                      <Mark kind={markOf({ decision: to, waits: false })} />
                    </td>
                    <td>
                      <a href={agentPath(agent)}>
                        <Said text={agent} max={60} />
                      </a>
                    </td>
                    <td class="wide">
                      <Said text={reason} max={160} />
                    </td>
                    <td class="number">{count.toLocaleString("en")}</td>
                  </Row>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
      <p class="tools">
        <button type="button" disabled={!may} onClick={() => setDropping(true)}>
          {share === 0 ? "End the shadow …" : "Let the running one decide for all …"}
        </button>
      </p>
      <Line text={`remit bundles --drop-staged ${quoted("…")}`} />
      {isDropping ? (
        <Act
          title="End the stage"
          button="End it"
          scope={["remit:publish"]}
          reason=""
          words={() => `The bundle that runs decides for all: ${identity.revision} is no longer asked.`}
          line={(reason) => `remit bundles --drop-staged ${quoted(reason === "" ? "…" : reason)}`}
          act={(reason) => send("POST", `/bundles/staged/drop?reason=${encodeURIComponent(reason)}`, {})}
          onClose={() => setDropping(false)}
          onDone={reload}
        >
          <p>What it has come to is kept on record.</p>
        </Act>
      ) : null}
    </section>
  );
}
