/** Decision: why it was decided so, and what would have let it pass. */
import type { JSX } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";
import type { ExplainAnswer, Explanation, ShownRecord } from "../../../contract/index.js";
import { rowOf } from "../../pulse.js";
import { Console, RevokeAgent, useScope } from "../acts.js";
import { Refused, send, useResource } from "../api.js";
import {
  Empty,
  Failed,
  FailedScreen,
  Line,
  Loading,
  Mark,
  Said,
  Severity,
  Time,
  Words,
  agentPath,
  findingPath,
  markOf,
  taskPath,
} from "../parts.js";

export function Decision({ id }: { id: string }): JSX.Element {
  const { data, error } = useResource<ShownRecord>(`/decisions/${encodeURIComponent(id)}`);
  const [isRevoking, setRevoking] = useState(false);
  if (error !== null) return <FailedScreen title="Record" error={error} />;
  if (data === null) return <Loading />;
  const row = rowOf(data);
  if (row === null) return <OtherRecord shown={data} />;
  const record = data.record as Extract<ShownRecord["record"], { answer: unknown }>;
  const { answer } = record;
  const { wait } = answer;
  return (
    <>
      <header class="screen">
        <div>
          <p class="crumb">
            Record {data.seq} · <Time at={record.time} date />
          </p>
          <h1 class="action">
            <Mark kind={markOf(row)} /> <Said text={row.verb} /> <Said text={row.type} />{" "}
            {row.resource === null ? "(the collection)" : <Said text={row.resource} />}
          </h1>
          <p class="sub">
            <a href={agentPath(row.agent)}>
              <Said text={row.agent} />
            </a>{" "}
            for <Said text={row.purpose} />
            {row.task === null ? (
              " on no task"
            ) : (
              <>
                {" "}
                on{" "}
                <a href={taskPath(row.task)}>
                  <Said text={row.task} />
                </a>
              </>
            )}
            {row.ms === null ? null : ` · decided in ${row.ms.toFixed(2)} ms`} · asked by <Said text={record.caller} />
          </p>
        </div>
        <div class="acts">
          {wait === undefined ? null : (
            <a class="button primary" href="/waiting">
              Waits until <Time at={wait.until} />
            </a>
          )}
          {row.finding === null ? null : (
            <a class="button" href={findingPath(row.finding)}>
              Finding
            </a>
          )}
          <button type="button" class="danger" onClick={() => setRevoking(true)}>
            Revoke agent
          </button>
        </div>
      </header>
      <section>
        <h2>Why</h2>
        <ul class="reasons">
          {answer.reasons.map((reason, i) => (
            <li key={i}>
              <Severity of={reason.severity} /> <Said text={reason.message} /> <code class="none">{reason.code}</code>
            </li>
          ))}
        </ul>
        {answer.tell_agent === undefined ? null : (
          <p class="note">
            The agent is told:{" "}
            <q>
              <Said text={answer.tell_agent} />
            </q>
          </p>
        )}
      </section>
      <Explained id={row.id} proceeds={answer.proceed} waits={wait !== undefined} />
      <section>
        <h2>What became of it</h2>
        {data.outcomes.length === 0 ? (
          <p>
            {data.outcome === null
              ? "It couldn't go on."
              : data.outcome === "missing"
                ? "Nobody reported what became of it, and its time is over."
                : `${data.outcome}: nobody has reported yet.`}
          </p>
        ) : (
          <ul>
            {data.outcomes.map((one) => (
              <li key={one.seq}>
                <Time at={one.time} /> <b>{one.outcome}</b>
              </li>
            ))}
          </ul>
        )}
      </section>
      <section>
        <h2>As it was</h2>
        {record.masked === undefined ? null : (
          <p class="note">Some values are masked: digests stand in their place. Nobody can see them here.</p>
        )}
        <Json
          title="Input of the policy: the request and the facts at that moment"
          value={record.input ?? data.beside?.["input"] ?? null}
        />
        <Json title="Answer" value={answer} />
        <p class="note">
          Bundle <Said text={answer.policy.bundle} /> {answer.policy.revision}, sequence {answer.policy.sequence},{" "}
          <code>{answer.policy.digest.slice(0, 19)}…</code> ·{" "}
          <a href={`/api/service/decisions/${row.id}/receipt`} download={`receipt-${row.id}.json`}>
            Receipt
          </a>{" "}
          proves that this record is in the log.
        </p>
      </section>
      <Line text={`remit audit show ${row.id}`} />
      <Line text={`remit explain ${row.id}`} />
      {isRevoking ? <RevokeAgent agent={row.agent} onClose={() => setRevoking(false)} /> : null}
    </>
  );
}

function Explained({ id, proceeds, waits }: { id: string; proceeds: boolean; waits: boolean }): JSX.Element {
  const [answer, setAnswer] = useState<ExplainAnswer | null>(null);
  const [error, setError] = useState<Refused | null>(null);
  useEffect(() => {
    setAnswer(null);
    setError(null);
    send<ExplainAnswer>("POST", "/explain", { decision_id: id }).then(
      ({ value }) => {
        setAnswer(value);
      },
      (cause: unknown) => {
        setError(cause instanceof Refused ? cause : new Refused(0, "unreachable", "no answer", null, null));
      },
    );
  }, [id]);
  if (error !== null) return <Failed error={error} />;
  if (answer === null) return <Loading />;
  const { explanation, refused, same_policy, masked } = answer;
  return (
    <>
      {!same_policy ? <p class="note warn">Another bundle runs than the one that decided: this is what the running one says.</p> : null}
      {masked ? <p class="note warn">Masked values went in: what rests on them may come out differently.</p> : null}
      {explanation === null ? (
        <Empty title="No policy was asked.">
          {refused === null ? (
            "The record holds no input."
          ) : (
            <>
              The service itself refused, with <code>{refused}</code>. No grant and no edit of the policy changes that.
            </>
          )}
        </Empty>
      ) : (
        <>
          {proceeds && !waits ? null : <Ways explanation={explanation} />}
          <Tried explanation={explanation} />
        </>
      )}
    </>
  );
}

function Ways({ explanation: { would_pass } }: { explanation: Explanation }): JSX.Element | null {
  const { me } = useContext(Console);
  const mayReview = useScope("remit:review");
  if (would_pass === null) return null;
  const { ways, grant, tried } = would_pass;
  return (
    <section class="ways">
      <h2>It would have passed if</h2>
      {ways.length === 0 ? (
        <Empty title="Nothing that was tried would have let it pass.">{tried} variations were evaluated by the running bundle.</Empty>
      ) : (
        <ol>
          {ways.map((way, i) => (
            <li key={i}>
              {way.changes.map((change, at) => (
                <span key={at}>
                  {at === 0 ? "" : ", and "}
                  <Words text={change.words} />
                </span>
              ))}{" "}
              {way.decision === "flag" ? <span class="tag">with a flag</span> : null}
              {way.changes.some(({ kind }) => kind === "approval") ? (
                mayReview ? (
                  <a class="button small" href="/waiting">
                    Approve …
                  </a>
                ) : (
                  <span class="why">{me.person} lacks remit:review</span>
                )
              ) : null}
            </li>
          ))}
        </ol>
      )}
      <p class="note">
        Each was proven by running the bundle on this very input, {tried} evaluations in all.{" "}
        {grant === "lifts"
          ? ""
          : grant === "approval_lifts"
            ? "No grant lifts this; an approval of exactly this action does."
            : "No grant lifts this."}
      </p>
    </section>
  );
}

function Tried({ explanation: { entries, rules } }: { explanation: Explanation }): JSX.Element {
  return (
    <section>
      <h2>What was tried</h2>
      {entries.length === 0 ? <p>No entry of the purpose names this verb and type.</p> : null}
      <table class="tried">
        <caption class="aside">Entries of the purpose, and what each looked at</caption>
        <thead>
          <tr>
            <th scope="col">Entry</th>
            <th scope="col">Looked at</th>
            <th scope="col">Wanted</th>
            <th scope="col">Found</th>
            <th scope="col">Holds</th>
          </tr>
        </thead>
        <tbody>
          {entries.flatMap((entry, i) => {
            const { conditions } = entry;
            const shown = conditions.length === 0 ? [null] : conditions;
            return shown.map((condition, at) => (
              <tr key={`${i} ${at}`} class={at === 0 ? "first" : ""}>
                {at === 0 ? (
                  <th scope="row" rowSpan={shown.length}>
                    <span class={`effect ${entry.effect}`}>{entry.effect}</span> <Said text={entry.code} />{" "}
                    <span class="why">{entry.applies === "yes" ? "applies" : entry.applies === "no" ? "does not apply" : "unknown"}</span>
                  </th>
                ) : null}
                {condition === null ? (
                  <td colSpan={4} class="none">
                    always
                  </td>
                ) : (
                  <>
                    <td>
                      <Said text={condition.name} />
                    </td>
                    <td>
                      <Said text={condition.wanted} max={200} />
                    </td>
                    <td>
                      <Said text={valueText(condition.found)} max={200} />
                    </td>
                    <td class={`holds ${condition.holds}`}>{condition.holds}</td>
                  </>
                )}
              </tr>
            ));
          })}
        </tbody>
      </table>
      {rules.length === 0 ? null : (
        <ul class="rules">
          {rules.map((rule) => (
            <li key={rule.code} class={rule.fired ? "fired" : "none"}>
              <span class={`effect ${rule.effect}`}>{rule.effect}</span> <Said text={rule.code} /> {rule.fired ? "fired" : "did not fire"} ·{" "}
              <Said text={rule.title} /> <code>{rule.sources.join(", ")}</code>
              {rule.fired && rule.read.length > 0 ? (
                <div class="why">
                  read{" "}
                  {rule.read.map(({ path, found }, i) => (
                    <span key={path}>
                      {i === 0 ? "" : ", "}
                      <Said text={path} /> = <Said text={valueText(found)} max={80} />
                    </span>
                  ))}
                </div>
              ) : null}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

export function valueText(value: unknown): string {
  return value === null || value === undefined ? "unknown" : typeof value === "string" ? value : JSON.stringify(value);
}

const JSON_MAX = 20_000;

/** JSON as it stands on record, closed until somebody wants it. */
export function Json({ title, value }: { title: string; value: unknown }): JSX.Element {
  const [isOpen, setOpen] = useState(false);
  const text = isOpen ? JSON.stringify(value, null, 2) : "";
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{title}</summary>
      {isOpen ? (
        <pre tabIndex={0}>
          {text.split("\n", 2000).map((line, i) => (
            <span key={i}>
              <Said text={line} max={2000} />
              {"\n"}
            </span>
          ))}
          {text.length > JSON_MAX * 10 ? `… ${text.length} characters in all` : ""}
        </pre>
      ) : null}
    </details>
  );
}

function OtherRecord({ shown }: { shown: ShownRecord }): JSX.Element {
  const { record, seq } = shown;
  return (
    <>
      <header class="screen">
        <div>
          <p class="crumb">
            Record {seq} · <Time at={record.time} date />
          </p>
          <h1>{record.kind}</h1>
        </div>
      </header>
      <pre tabIndex={0}>
        <Said text={JSON.stringify(record, null, 2)} max={JSON_MAX} />
      </pre>
      <Line text={`remit audit show ${seq}`} />
    </>
  );
}
