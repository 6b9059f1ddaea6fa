/** Decision: why it was decided so, and what would have let it pass. */
import type { JSX } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";
import type { ExplainAnswer, ShownRecord } from "../../../contract/index.js";
import { eventText, rowOf } from "../../pulse.js";
import { Console, RevokeAgent, useScope } from "../acts.js";
import { asRefused, send, useResource, type Refused } from "../api.js";
import { Json, JsonText, Plan, Tried, Ways } from "../explanation.js";
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
  agentPath,
  findingPath,
  markOf,
  taskPath,
} from "../parts.js";
import { Replay } from "../replay.js";

export function Decision({ id }: { id: string }): JSX.Element {
  const { data, error } = useResource<ShownRecord>(`/decisions/${encodeURIComponent(id)}`);
  const [isRevoking, setRevoking] = useState(false);
  if (error !== null) return <FailedScreen title="Record" id={id} list="/records" error={error} />;
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
              Approve … until <Time at={wait.until} />
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
      <Replay shown={data} id={row.id} />
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
        setError(asRefused(cause));
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
          {proceeds && !waits ? null : <Ways explanation={explanation} approve={<Approve />} />}
          <Plan explanation={explanation} />
          <Tried explanation={explanation} />
        </>
      )}
    </>
  );
}

function Approve(): JSX.Element {
  const { me } = useContext(Console);
  if (!useScope("remit:review")) return <span class="why">{me.person} lacks remit:review</span>;
  return (
    <a class="button small" href="/waiting">
      Approve …
    </a>
  );
}

function OtherRecord({ shown }: { shown: ShownRecord }): JSX.Element {
  const { record, seq } = shown;
  return (
    <>
      <header class="screen">
        <div>
          <p class="crumb">
            <a href={`/records?kind=${record.kind}`}>Records of kind {record.kind}</a> · {seq} · <Time at={record.time} date />
          </p>
          <h1>
            <Said text={eventText(record)} max={200} />
          </h1>
        </div>
      </header>
      <JsonText value={record} />
      <Line text={`remit audit show ${seq}`} />
    </>
  );
}
