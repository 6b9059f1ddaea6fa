/** Health: can it be relied on? */
import type { JSX } from "preact";
import type { ClusterAnswer, NamedBundle } from "../../../contract/index.js";
import { useResource } from "../api.js";
import { Failed, Line, Loading, NumberField, Said, Time, spanText } from "../parts.js";
import { useScope } from "../acts.js";
import { useRefresh } from "../stream.js";
import { Heads } from "../rows.js";

const PARTS: readonly [name: string, what: string, without: string][] = [
  ["bundle", "a bundle decides", "every decision is refused"],
  ["facts", "facts are up to date", "decisions rest on what may be old"],
  ["stored", "changes reach the disk", "what narrows holds in memory, and is tried again"],
  ["log", "records reach the disk", "nothing is decided without its record"],
  ["accepting", "requests are accepted", "the service is ending"],
];

/** From then on nobody is let back, and the node's log says so. */
const LESSONS_BEHIND_MS = 10_000;

/** Metrics that are shown, in the words of this page. */
const SHOWN: readonly [metric: string, label: string][] = [
  ["remit_facts_revision", "facts revision"],
  ["remit_index_lag_records", "records not searchable yet"],
  ["remit_log_queue_records", "records that wait for the disk"],
  ["remit_event_subscribers", "subscribers of events"],
  ["remit_record_followers", "followers of records"],
  ["remit_findings_open", "open findings"],
  ["process_resident_memory_bytes", "memory"],
];

/** Returns the sums of gauges and counters by name, from Prometheus's text. */
function metricsOf(text: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const line of text.split("\n")) {
    const [, name = "", value = ""] = /^([a-z_]+)(?:\{.*\})? ([^ ]+)$/.exec(line) ?? [];
    if (name !== "" && Number.isFinite(Number(value))) found.set(name, (found.get(name) ?? 0) + Number(value));
  }
  return found;
}

/** Returns how full each bound is, the fullest first. */
function boundsOf(text: string): { name: string; used: number; max: number }[] {
  const of = (metric: string): Map<string, number> =>
    new Map(
      [...text.matchAll(new RegExp(`^remit_bound_${metric}\\{bound="([^"]+)"\\} (\\S+)$`, "gm"))].map(([, name = "", value = ""]) => [
        name,
        Number(value),
      ]),
    );
  const [used, max] = [of("used"), of("max")];
  return [...used].map(([name, taken]) => ({ name, used: taken, max: max.get(name) ?? 0 })).sort((a, b) => b.used / b.max - a.used / a.max);
}

/** Returns the mean time of each stage of a decision, in microseconds. */
function stagesOf(text: string): [stage: string, us: number][] {
  const of = (what: string): [string, number][] =>
    [...text.matchAll(new RegExp(`^remit_decision_stage_seconds_${what}\\{stage="([a-z_]+)"\\} (\\S+)$`, "gm"))].map(
      ([, stage = "", value = ""]) => [stage, Number(value)],
    );
  const counts = new Map(of("count"));
  return of("sum").map(([stage, seconds]) => [stage, (1e6 * seconds) / Math.max(1, counts.get(stage) ?? 1)]);
}

/** Returns problems by their code, from the counter of refusals. */
function refusalsOf(text: string): [code: string, count: number][] {
  const found = [...text.matchAll(/^remit_problems_total\{[^}]*code="([a-z_]+)"[^}]*\} (\d+)/gm)].map(
    ([, code = "", count = "0"]): [string, number] => [code, Number(count)],
  );
  return found.filter(([, count]) => count > 0).sort((a, b) => b[1] - a[1]);
}

export function Health(): JSX.Element {
  const audits = useScope("remit:audit");
  const ready = useResource<Record<string, boolean>>("/readyz");
  const metrics = useResource<string>(audits ? "/metrics" : null);
  const checkpoint = useResource<string>(audits ? "/log/checkpoint" : null);
  const seesCluster = useScope("remit:audit", "remit:register", "remit:revoke", "remit:publish");
  const cluster = useResource<ClusterAnswer>(seesCluster ? "/cluster" : null);
  useRefresh([ready, metrics, checkpoint, cluster], { on: ["policy"], every_ms: 5000 });
  const states = ready.data;
  const values = metrics.data === null ? null : metricsOf(metrics.data);
  const stages = metrics.data === null ? [] : stagesOf(metrics.data);
  const [origin = "", size = "", root = ""] = typeof checkpoint.data === "string" ? checkpoint.data.split("\n") : [];
  return (
    <>
      <header class="screen">
        <div>
          <h1>Health</h1>
          <p class="sub">Can it be relied on?</p>
        </div>
        {states === null ? null : (
          <span class={`state large ${states["ready"] === true ? "expected" : "misuse"}`}>
            {states["ready"] === true ? "ready" : "not ready"}
          </span>
        )}
      </header>
      {ready.error !== null && ready.error.status !== 503 ? <Failed error={ready.error} /> : null}
      {states === null && ready.error === null ? <Loading /> : null}
      {cluster.data === null ? null : <Nodes of={cluster.data} />}
      <div class="columns boxed">
        <section class="grow">
          <h2>Its parts</h2>
          <table class="fields">
            <tbody>
              {PARTS.map(([name, what, without]) =>
                states?.[name] === undefined ? null : (
                  <tr key={name}>
                    <th scope="row">{states[name] ? <span class="ok">● {what}</span> : <span class="bad">■ not: {what}</span>}</th>
                    <td>{states[name] ? "" : without}</td>
                  </tr>
                ),
              )}
            </tbody>
          </table>
          {size === "" ? null : (
            <>
              <h2>The log</h2>
              <p>
                <b>{Number(size).toLocaleString("en")}</b> records are under a signed checkpoint of <code>{origin}</code>, root{" "}
                <code>{root}</code>
              </p>
            </>
          )}
        </section>
        <section class="grow">
          <h2>Figures</h2>
          {values === null ? (
            <p class="why">{audits ? "" : "Metrics need remit:audit."}</p>
          ) : (
            <table class="fields">
              <tbody>
                {SHOWN.map(([metric, label]) => {
                  const value = values.get(metric);
                  return value === undefined ? null : (
                    <NumberField key={metric} label={label}>
                      {metric.endsWith("_bytes") ? `${Math.round(value / 1048576).toLocaleString("en")} MB` : value.toLocaleString("en")}
                    </NumberField>
                  );
                })}
                {metrics.data === null
                  ? null
                  : refusalsOf(metrics.data).map(([code, count]) => (
                      <NumberField
                        key={code}
                        label={
                          <>
                            refused with <code>{code}</code>
                          </>
                        }
                      >
                        {count.toLocaleString("en")}
                      </NumberField>
                    ))}
              </tbody>
            </table>
          )}
          {stages.length === 0 ? null : (
            <>
              <h2>A decision, on average</h2>
              <table class="fields">
                <tbody>
                  {stages.map(([stage, us]) => (
                    <NumberField key={stage} label={stage}>
                      {us < 1000 ? `${Math.round(us)} µs` : `${(us / 1000).toFixed(1)} ms`}
                    </NumberField>
                  ))}
                </tbody>
              </table>
            </>
          )}
        </section>
        <section class="grow">
          <h2>How full</h2>
          {metrics.data === null ? null : (
            <table class="fields">
              <tbody>
                {boundsOf(metrics.data).map(({ name, used, max }) => (
                  <tr key={name}>
                    <th scope="row">{name}</th>
                    <td>
                      <meter min={0} max={max} high={max * 0.8} value={used} aria-label={`${used} of ${max}`} />
                    </td>
                    <td class="number">
                      {used.toLocaleString("en")} / {max.toLocaleString("en")}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </section>
      </div>
      <Line text="remit audit checkpoint" />
    </>
  );
}

/** A bundle that the feed names or has staged, who has said so, and the nodes that haven't followed. */
function BundleOfFeed({
  sequence,
  digest,
  since,
  by,
  reason,
  waiting_for,
  done,
}: Pick<NamedBundle, "sequence" | "digest" | "since" | "by" | "reason" | "waiting_for"> & { done: string }): JSX.Element {
  return (
    <>
      sequence <b>{sequence}</b>, <code>{digest.slice(0, 19)}…</code>, since <Time at={since} />, by <Said text={by} />
      {reason === null ? null : (
        <>
          {" "}
          (<Said text={reason} />)
        </>
      )}
      {waiting_for.length === 0 ? <span class="ok"> ● {done}</span> : <span class="bad"> ■ not yet: {waiting_for.join(", ")}</span>}
    </>
  );
}

/** The nodes of a cluster, and which bundle decides on each. */
function Nodes({ of: { name, node, nodes, silent, bundles, lease_ms, lessons } }: { of: ClusterAnswer }): JSX.Element {
  const { named } = bundles;
  const wanted = named ?? bundles.running[0];
  const isDifferent = (digest: string): boolean => (named !== undefined || bundles.differ_ms !== null) && digest !== wanted?.digest;
  return (
    <section>
      <h2>
        The cluster <code>{name}</code>
      </h2>
      {bundles.differ_ms === null ? null : (
        <div class="failed" role="alert">
          <strong>Its nodes run different bundles</strong>
          <div>For {spanText(bundles.differ_ms)}. The same action may be allowed on one node and denied on another.</div>
        </div>
      )}
      {named === undefined || named === null || named.behind_ms === null ? null : (
        <div class="failed" role="alert">
          <strong>
            Node <code>{node}</code> doesn't have the named bundle
          </strong>
          <div>
            For {spanText(named.behind_ms)}
            {named.failing === null ? null : (
              <>
                : <code>{named.failing.code}</code>, <Said text={named.failing.message} />
              </>
            )}
          </div>
        </div>
      )}
      {lessons === null || lessons.behind_ms <= LESSONS_BEHIND_MS ? null : (
        <div class="failed" role="alert">
          <strong>
            Node <code>{node}</code> doesn't know what others decide
          </strong>
          <div>For {spanText(lessons.behind_ms)}. Until it does, it lets no narrowed agent back.</div>
        </div>
      )}
      {named === undefined ? (
        <p class="why">Each node activates bundles by itself.</p>
      ) : named === null ? (
        <p class="why">The feed names no bundle yet: each node decides by its own.</p>
      ) : (
        <p class="named">
          The feed names bundle <code>{named.id}</code>, <BundleOfFeed {...named} done="every live node decides by it" />
        </p>
      )}
      {named === null || named === undefined || named.staged === null ? null : (
        <p class="named">
          {named.staged.share === 0 ? "All try, in shadow, " : `All try, for ${named.staged.share} % of the agents, `}
          <BundleOfFeed {...named.staged} done="every live node tries it" />
        </p>
      )}
      <table class="rows tight">
        <caption class="aside">Its nodes</caption>
        <Heads of={["Node", "State", "Bundle", "Since", "Version", ["Facts revision", "number"], ["Learned from", "number"]]} />
        <tbody>
          {[...nodes, ...silent].map((one) => {
            const isSilent = silent.includes(one);
            return (
              <tr key={one.node}>
                <td>
                  <code>{one.node}</code>
                </td>
                <td>
                  {isSilent ? (
                    <span class="bad">■ silent for {spanText(Math.max(one.seen_ms_ago, lease_ms))}</span>
                  ) : (
                    <span class="ok">● live</span>
                  )}
                </td>
                <td>
                  {one.bundle === null ? (
                    <span class="bad">none</span>
                  ) : (
                    <>
                      <code>{one.bundle.slice(0, 19)}…</code>{" "}
                      {isSilent || !isDifferent(one.bundle) ? null : (
                        <span class="tag">{named === undefined || named === null ? "different" : "not the named one"}</span>
                      )}
                    </>
                  )}
                </td>
                <td>{one.bundle_since === null ? <span class="none">–</span> : <Time at={one.bundle_since} />}</td>
                <td>{one.version}</td>
                <td class="number">{one.applied.toLocaleString("en")}</td>
                <td class="number">
                  <Learned
                    isHere={one.node === node}
                    isSilent={isSilent}
                    behind_ms={lessons?.nodes.find((other) => other.node === one.node)?.behind_ms}
                  />
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {lessons?.late === 0 ? null : (
        <p class="why">
          {lessons === null
            ? "This node learns nothing of what is usual, and lets no narrowed agent back."
            : `${lessons.late.toLocaleString("en")} actions came too late to be learned here.`}
        </p>
      )}
      <Line text="remit cluster status" />
    </section>
  );
}

/** How long ago all that a node had decided was learned by the one that is asked. */
function Learned({ isHere, isSilent, behind_ms }: { isHere: boolean; isSilent: boolean; behind_ms: number | undefined }): JSX.Element {
  if (isHere) return <span>here</span>;
  if (isSilent || behind_ms === undefined) return <span class="none">–</span>;
  if (behind_ms <= LESSONS_BEHIND_MS) return <span>{(behind_ms / 1000).toFixed(1)} s ago</span>;
  return <span class="bad">■ {spanText(behind_ms)} ago</span>;
}
