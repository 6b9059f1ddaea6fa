/** Records: who touched this, and why was it decided so? The address is the query. */
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { FoundRecord, RecordPage } from "../../../contract/index.js";
import { RECORD_PARAMETERS, queryLine, recordQuery } from "../../grammar.js";
import { eventText, rowOf, type LiveRow } from "../../pulse.js";
import { ActionCell, COLUMNS, WhyCell } from "../action_row.js";
import { get } from "../api.js";
import { Paged, usePages } from "../pages.js";
import { Empty, Line, MarkCell, Said, TimeCell, markOf, recordPath, shownText } from "../parts.js";
import { go } from "../place.js";
import { Row, RowTable, steady } from "../rows.js";

const SHOWN = ["agent", "task", "principal", "verb", "type", "resource", "decision", "reason", "severity"] as const;
const CHOICES: Readonly<Record<string, readonly string[]>> = {
  decision: ["allow", "flag", "deny"],
  severity: ["low", "medium", "high", "critical"],
};

export function Records({ query }: { query: URLSearchParams }): JSX.Element {
  const filter = recordQuery(query.toString());
  const search = filter.toString();
  const records = usePages(`/decisions${search === "" ? "" : `?${search}`}`, rowOfRecord, "last");
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const given = new FormData(event.currentTarget as HTMLFormElement);
    const asked = new URLSearchParams(filter);
    for (const name of SHOWN) {
      const value = given.get(name);
      if (typeof value === "string" && value !== "") asked.set(name, value.trim());
      else asked.delete(name);
    }
    go(`/records${asked.size === 0 ? "" : `?${recordQuery(asked.toString()).toString()}`}`);
  };
  return (
    <>
      <header class="screen">
        <div>
          <h1>Records</h1>
          <p class="sub">All that was decided, and why. The address of this page, the API's query and the line below are one.</p>
        </div>
      </header>
      <form class="filter" onSubmit={submit} key={search}>
        {SHOWN.map((name) => (
          <label key={name}>
            {name}
            {CHOICES[name] === undefined ? (
              <input
                name={name}
                defaultValue={filter.get(name) ?? ""}
                autoComplete="off"
                spellcheck={false}
                data-filter={name === "agent" ? true : undefined}
              />
            ) : (
              <select name={name} defaultValue={filter.get(name) ?? ""} value={filter.get(name) ?? ""}>
                <option value="">any</option>
                {CHOICES[name].map((choice) => (
                  <option key={choice} value={choice} selected={filter.get(name) === choice}>
                    {choice}
                  </option>
                ))}
              </select>
            )}
          </label>
        ))}
        <button type="submit" class="primary">
          Find
        </button>
        {search === "" ? null : (
          <a class="button" href="/records">
            Clear
          </a>
        )}
      </form>
      {RECORD_PARAMETERS.filter((name) => filter.has(name) && !(SHOWN as readonly string[]).includes(name)).map((name) => (
        <a key={name} class="chip" href={without(filter, name)} aria-label={`Take ${name} away`}>
          {name} <Said text={filter.get(name) ?? ""} max={60} /> <span aria-hidden="true">×</span>
        </a>
      ))}
      <Paged of={records} noun="record" more="Older" empty={<Nothing filter={filter} />}>
        {(items) => (
          <RowTable
            caption="Records, the newest first"
            heads={[COLUMNS.record, COLUMNS.time, COLUMNS.decision, COLUMNS.agent, COLUMNS.action, COLUMNS.why, COLUMNS.outcome]}
            of={items}
            hasMore={records.hasMore}
            keyOf={({ seq }) => seq}
            usual={33}
          >
            {(item, i) => <RecordRow key={item.seq} item={item} number={i + 1} />}
          </RowTable>
        )}
      </Paged>
      <Line text={queryLine(filter)} />
    </>
  );
}

function without(filter: URLSearchParams, name: string): string {
  const left = new URLSearchParams(filter);
  left.delete(name);
  return left.size === 0 ? "/records" : `/records?${left.toString()}`;
}

/** Parts of a record that a row shows: there may be thousands, and a record is some kilobytes. */
interface ShownRow {
  seq: number;
  time: string;
  kind: string;
  /** Null: the record is of no action. */
  row: LiveRow | null;
  /** Words for a record that is of no action. */
  text: string;
  outcome: string;
}

function rowOfRecord(found: FoundRecord): ShownRow {
  const { seq, record, outcome } = found;
  const row = rowOf(found);
  return { seq, time: record.time, kind: record.kind, row, text: row === null ? eventText(record) : "", outcome: outcome ?? "" };
}

const RecordRow = steady(({ item: { seq, time, kind, row, text, outcome }, number }: { item: ShownRow; number: number }) => {
  const id = row?.id ?? String(seq);
  return (
    <Row
      to={recordPath(id)}
      line={`remit audit show ${id}`}
      agent={row?.agent ?? null}
      class={row === null ? "" : markOf(row)}
      number={number}
    >
      <td class="number">
        <a href={recordPath(id)}>{seq}</a>
      </td>
      <TimeCell at={time} />
      {row === null ? (
        <td colSpan={4} class="wide">
          <span class="tag">{kind}</span> <Said text={text} max={160} />
        </td>
      ) : (
        <>
          <MarkCell kind={markOf(row)} />
          <td>{shownText(row.agent, 60)}</td>
          <ActionCell of={row} />
          <WhyCell of={row} />
        </>
      )}
      <td class="none">{outcome}</td>
    </Row>
  );
});

/** Nothing was found: which part of the filter, taken away, would find something? */
function Nothing({ filter }: { filter: URLSearchParams }): JSX.Element {
  const names = [...filter.keys()];
  const [found, setFound] = useState<Record<string, boolean>>({});
  useEffect(() => {
    for (const name of names) {
      const left = new URLSearchParams(filter);
      left.delete(name);
      left.set("limit", "1");
      get<RecordPage>(`/decisions?${left.toString()}`).then(
        ({ value }) => {
          setFound((before) => ({ ...before, [name]: value.items.length > 0 }));
        },
        () => undefined,
      );
    }
  }, [filter.toString()]);
  if (names.length === 0) return <Empty title="There are no records yet.">The first decision makes one.</Empty>;
  return (
    <Empty title={`No record has ${[...filter].map(([name, value]) => `${name} ${value}`).join(" and ")}.`}>
      {names.map((name) => (
        <div key={name}>
          <a href={without(filter, name)}>Without {name}</a>{" "}
          {found[name] === undefined ? "…" : found[name] ? "there are some" : "there are none either"}
        </div>
      ))}
    </Empty>
  );
}
