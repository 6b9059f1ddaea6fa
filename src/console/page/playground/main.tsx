/** The playground: a policy set edited, compiled, tried and explained in this browser. Nothing of it is sent, and nothing is signed. */
import { Fragment, render, type JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { SourceNote } from "../../../bundle/source.js";
import type { CaseExplanation, RunResult, SetFiles, ShownCase, TestResult } from "../../browser/playground_messages.js";
import { Json, Plan, Tried, Ways } from "../explanation.js";
import { Empty, Mark, Said, Severity, counted, markOf, useColours } from "../parts.js";
import { Editor } from "./editor.js";
import { Runner, type AssetPlaces } from "./runner.js";
import { SOURCE, fromFragment, patchOf, tarOf, toFragment, type SharedSet } from "../../browser/share.js";
import { Heads } from "../rows.js";

/** Between the last key and a run. */
const PAUSE_MS = 500;
const FIRST = "policy";
const BUNDLES = "/api/service/bundles";
const KINDS = { allow: "allow", "allow and log": "allow", flag: "flag", "flag and wait": "wait", deny: "deny" } as const;

interface Base extends SharedSet {
  /** Words for where it comes from. */
  from: string;
}

type Run = { state: "loading" } | { state: "running" } | { state: "ran"; ran: RunResult } | { state: "broken"; why: string };
type Chosen = Pick<ShownCase, "file" | "line" | "name">;

function Playground({ places, inConsole }: { places: AssetPlaces; inConsole: boolean }): JSX.Element {
  useColours();
  const [sets, setSets] = useState<Record<string, SetFiles>>({});
  const [base, setBase] = useState<Base | null>(null);
  const [files, setFiles] = useState<SetFiles>({});
  const [open, setOpen] = useState("purposes.yaml");
  const [run, setRun] = useState<Run>({ state: "loading" });
  const [chosen, setChosen] = useState<Chosen | null>(null);
  const [explained, setExplained] = useState<CaseExplanation | null>(null);
  const [tested, setTested] = useState<TestResult | "testing" | null>(null);
  const [told, setTold] = useState("");
  const host = useRef<HTMLDivElement>(null);
  const editor = useRef<Editor | null>(null);
  const runner = useRef<Runner | null>(null);
  const latest = useRef({ name: FIRST, files, open, turn: 0 });
  latest.current = { ...latest.current, name: base?.name ?? FIRST, files, open };

  useEffect(() => {
    if (host.current === null) return undefined;
    const made = new Editor(host.current, (text) => {
      setFiles((before) => ({ ...before, [latest.current.open]: text }));
    });
    editor.current = made;
    runner.current = new Runner(
      places,
      ({ sets: found }) => {
        setSets(found);
        void fromFragment(location.hash).then((shared) => {
          if (latest.current.turn > 0) return;
          if (shared !== null) begin({ ...shared, from: "a link" });
          else begin({ name: FIRST, files: found[FIRST] ?? {}, from: "the template" });
        });
      },
      (why) => setRun({ state: "broken", why }),
    );
    return () => made.close();
  }, []);

  function begin(next: Base): void {
    const first = next.files["purposes.yaml"] === undefined ? (Object.keys(next.files)[0] ?? "") : "purposes.yaml";
    setBase(next);
    setFiles(next.files);
    setChosen(null);
    setExplained(null);
    setOpen(first);
    editor.current?.open(first, next.files[first] ?? "");
  }

  function show(name: string, line?: number): void {
    if (name !== open && files[name] !== undefined) {
      setOpen(name);
      editor.current?.open(name, files[name]);
      mark(name, run.state === "ran" ? run.ran : null);
    }
    if (line !== undefined) editor.current?.goTo(line);
  }

  function mark(name: string, ran: RunResult | null): void {
    const own = (ran?.notes ?? []).filter(({ file, severity }) => file === name && severity !== "remark");
    const failed = (ran?.cases ?? []).filter((one) => one.file === name && !one.passed);
    editor.current?.mark([
      ...own.flatMap(({ line, severity }) => (line === null ? [] : [{ line, isError: severity === "error" }])),
      ...failed.map(({ line }) => ({ line, isError: true })),
    ]);
  }

  async function evaluate(): Promise<void> {
    const turn = ++latest.current.turn;
    const { current } = runner;
    if (current === null || Object.keys(files).length === 0) return;
    setRun({ state: "running" });
    setTested(null);
    try {
      const ran = await current.ask("run", { name: latest.current.name, files: latest.current.files });
      // Somebody has typed since: that run is under way.
      if (turn !== latest.current.turn) return;
      setRun({ state: "ran", ran });
      mark(latest.current.open, ran);
      const wanted = chosen === null ? undefined : ran.cases?.find(({ file, name }) => file === chosen.file && name === chosen.name);
      const next =
        wanted ?? ran.cases?.find(({ passed }) => !passed) ?? ran.cases?.find(({ got }) => got?.then !== "allow") ?? ran.cases?.[0];
      if (next === undefined) setExplained(null);
      else await explain(next);
    } catch (cause) {
      if (turn === latest.current.turn) setRun({ state: "broken", why: String(cause instanceof Error ? cause.message : cause) });
    }
  }

  async function explain({ file, line, name }: Chosen): Promise<void> {
    setChosen({ file, line, name });
    const answer = await runner.current?.ask("explain", { file, line });
    setExplained(answer ?? null);
  }

  async function test(): Promise<void> {
    setTested("testing");
    const answer = await runner.current?.ask("test", {}).catch(() => null);
    setTested(answer ?? null);
  }

  const evaluateLatest = useRef(evaluate);
  evaluateLatest.current = evaluate;
  useEffect(() => {
    if (Object.keys(files).length === 0) return undefined;
    const timer = setTimeout(() => void evaluateLatest.current(), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [files]);
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      void evaluateLatest.current();
    };
    document.addEventListener("keydown", pressed, true);
    return () => document.removeEventListener("keydown", pressed, true);
  }, []);

  async function openFiles(list: FileList): Promise<void> {
    const [first] = list;
    if (first === undefined) return;
    if (/\.(?:tar\.gz|tgz)$/.test(first.name)) {
      const opened = await runner.current?.ask("open", { archive: await first.arrayBuffer() }).catch(() => null);
      if (opened?.files === undefined || opened.files === null) setTold(`${first.name} holds no sources of a policy set.`);
      else begin({ name: nameOf(first.name), files: opened.files, from: first.name });
      return;
    }
    const read = await Promise.all([...list].map(async (file) => [pathOf(file), await file.text()] as const));
    const fit = read.filter(([path]) => SOURCE.test(path));
    if (fit.length === 0) setTold("None of these files is part of a policy set.");
    else begin({ name: base?.name ?? FIRST, files: { ...files, ...Object.fromEntries(fit) }, from: counted(fit.length, "file") });
  }

  async function openRunning(): Promise<void> {
    // The service has its bundle under the bundle's own name.
    const about = await fetch(BUNDLES);
    const named = about.ok ? ((await about.json()) as { name: string }).name : "";
    const response = about.ok ? await fetch(`${BUNDLES}/${encodeURIComponent(named)}`) : about;
    const opened = response.ok ? await runner.current?.ask("open", { archive: await response.arrayBuffer() }).catch(() => null) : null;
    if (opened?.files === undefined || opened.files === null)
      setTold(
        response.ok
          ? "The running bundle carries no sources."
          : "The running bundle can't be read: that needs remit:bundle or remit:publish.",
      );
    else begin({ name: nameOf(named), files: opened.files, from: "the running bundle" });
  }

  async function share(): Promise<void> {
    history.replaceState(null, "", await toFragment({ name: latest.current.name, files }));
    const copied = await navigator.clipboard.writeText(location.href).then(
      () => true,
      () => false,
    );
    setTold(`The address now holds the whole text${copied ? ", and is copied" : ""}. It stands behind the #, which no server receives.`);
  }

  const name = base?.name ?? FIRST;
  const patch = base === null ? "" : patchOf(base.files, files);
  return (
    <>
      <a class="skip" href="#results">
        To the results
      </a>
      <header class="bar">
        <a class="brand" href={inConsole ? "/" : "#"}>
          <span aria-hidden="true">◆</span> Remit
        </a>
        {inConsole ? (
          <nav aria-label="Screens">
            <a href="/policy">Policy</a>
            <a href="/policy/try" aria-current="page">
              Playground
            </a>
          </nav>
        ) : (
          <nav aria-label="Page">
            <a href="#" aria-current="page">
              Playground
            </a>
          </nav>
        )}
        <p class="why grow">Compiled and run in this browser. Nothing is sent, nothing is signed.</p>
      </header>
      <main id="main" class="playground">
        <h1 class="aside">Playground</h1>
        <div class="tools">
          <label>
            Begin with{" "}
            <select
              value=""
              onChange={(event) => {
                const wanted = event.currentTarget.value;
                event.currentTarget.value = "";
                if (wanted === "running") void openRunning();
                else if (sets[wanted] !== undefined) begin({ name: wanted, files: sets[wanted], from: wanted });
              }}
            >
              <option value="">{base === null ? "…" : base.from}</option>
              {Object.keys(sets).map((one) => (
                <option key={one} value={one}>
                  {one === FIRST ? "the template" : one}
                </option>
              ))}
              {inConsole ? <option value="running">the running bundle</option> : null}
            </select>
          </label>
          <label class="button">
            Open files …
            <input
              type="file"
              multiple
              class="aside"
              accept=".yaml,.rego,.gz,.tgz"
              onChange={(event) => {
                if (event.currentTarget.files !== null) void openFiles(event.currentTarget.files);
                event.currentTarget.value = "";
              }}
            />
          </label>
          <span class="grow" />
          <button type="button" onClick={() => void share()}>
            Link
          </button>
          <button type="button" onClick={() => download(`${name}.tar`, tarOf({ name, files }))}>
            Save files
          </button>
          <button
            type="button"
            disabled={patch === ""}
            title={patch === "" ? "Nothing has changed" : ""}
            onClick={() => download(`${name}.patch`, new Blob([patch], { type: "text/x-diff" }))}
          >
            Save patch
          </button>
          <button type="button" class="primary" onClick={() => void evaluate()} title="Ctrl or ⌘ and Enter">
            Run
          </button>
        </div>
        {told === "" ? null : (
          <p class="note" role="status">
            {told}
          </p>
        )}
        {base?.from === "a link" ? <p class="note warn">Opened from a link: somebody else may have written all of this.</p> : null}
        <div class="bench">
          <section class="sources" aria-label="Sources">
            <FileTabs files={files} open={open} ran={run.state === "ran" ? run.ran : null} onOpen={show} />
            <div class="editor" ref={host} />
          </section>
          <section id="results" class="results" aria-label="Results" tabIndex={-1}>
            <Status run={run} />
            {run.state === "ran" ? <Notes notes={run.ran.notes} onShow={show} /> : null}
            {run.state === "ran" && run.ran.cases !== null ? (
              <>
                <Cases cases={run.ran.cases} chosen={chosen} onChoose={(one) => void explain(one)} onShow={show} />
                {chosen === null || explained === null ? null : <Why chosen={chosen} explained={explained} cases={run.ran.cases} />}
                <Whole tested={tested} onTest={() => void test()} />
              </>
            ) : null}
          </section>
        </div>
      </main>
    </>
  );
}

function FileTabs({
  files,
  open,
  ran,
  onOpen,
}: {
  files: SetFiles;
  open: string;
  ran: RunResult | null;
  onOpen: (name: string) => void;
}): JSX.Element {
  const order = (name: string): string =>
    `${["vocabulary.yaml", "purposes.yaml"].indexOf(name) + 1 || (name.includes("/") ? 9 : 5)} ${name}`;
  const names = Object.keys(files).sort((a, b) => (order(a) < order(b) ? -1 : 1));
  const wrong = (name: string): boolean =>
    (ran?.notes ?? []).some(({ file, severity }) => file === name && severity === "error") ||
    (ran?.cases ?? []).some(({ file, passed }) => file === name && !passed);
  return (
    <nav class="tabs" aria-label="Files">
      {names.map((name) => (
        <button type="button" key={name} class="chip" aria-current={name === open ? "true" : undefined} onClick={() => onOpen(name)}>
          {wrong(name) ? (
            <span class="bad" aria-hidden="true">
              ■{" "}
            </span>
          ) : null}
          {name}
          {wrong(name) ? <span class="aside"> has errors</span> : null}
        </button>
      ))}
    </nav>
  );
}

function Status({ run }: { run: Run }): JSX.Element {
  const words = ((): JSX.Element => {
    switch (run.state) {
      case "loading":
        return <>Loading the compiler, once: some 6 MB, kept by the browser …</>;
      case "running":
        return <>Compiling …</>;
      case "broken":
        return (
          <span class="bad">
            It didn't end well: {run.why}. {run.why.startsWith("stopped") ? "Change the text to run again." : ""}
          </span>
        );
      case "ran": {
        const { cases, notes, ms } = run.ran;
        if (cases === null)
          return (
            <span class="bad">■ Doesn't compile: {counted(notes.filter(({ severity }) => severity === "error").length, "error")}</span>
          );
        const failed = cases.filter(({ passed }) => !passed).length;
        return (
          <>
            <span class={failed === 0 ? "ok" : "bad"}>
              {failed === 0 ? "●" : "■"}{" "}
              {failed === 0
                ? `${counted(cases.length, "case")} pass${cases.length === 1 ? "es" : ""}`
                : `${failed} of ${counted(cases.length, "case")} fail${failed === 1 ? "s" : ""}`}
            </span>{" "}
            <span class="why">compiled and run in {ms} ms</span>
          </>
        );
      }
    }
  })();
  return (
    <p class="status" role="status">
      {words}
    </p>
  );
}

function Notes({ notes, onShow }: { notes: SourceNote[]; onShow: (file: string, line?: number) => void }): JSX.Element | null {
  const shown = notes.filter(({ severity }) => severity !== "remark").slice(0, 50);
  if (shown.length === 0) return null;
  return (
    <ul class="notes">
      {shown.map(({ severity, file, line, message, hint }, i) => (
        <li key={i}>
          <button type="button" class="quiet" onClick={() => onShow(file, line ?? undefined)}>
            {file}
            {line === null ? "" : `:${line}`}
          </button>{" "}
          <span class={severity === "error" ? "bad" : "warn"}>{severity}</span> <Said text={message} max={400} />
          {hint === null ? null : (
            <div class="why">
              <Said text={hint} max={400} />
            </div>
          )}
        </li>
      ))}
    </ul>
  );
}

function Cases({
  cases,
  chosen,
  onChoose,
  onShow,
}: {
  cases: ShownCase[];
  chosen: Chosen | null;
  onChoose: (one: ShownCase) => void;
  onShow: (file: string, line?: number) => void;
}): JSX.Element {
  if (cases.length === 0)
    return (
      <Empty title="No table, so nothing is tried.">Put situations and what you want decided into a file such as tables/first.yaml.</Empty>
    );
  return (
    <div class="scroll cases">
      <table class="rows">
        <caption class="aside">Cases of the tables, and what the policy decides</caption>
        <Heads of={["Case", "Wanted", "Decided", "Table"]} />
        <tbody>
          {cases.map((one, i) => (
            <Fragment key={`${one.file}:${one.line}`}>
              {one.file === cases[i - 1]?.file ? null : (
                <tr class="group">
                  <th scope="rowgroup" colSpan={4}>
                    {one.file}
                  </th>
                </tr>
              )}
              <tr class={one.passed ? "" : "deny"} aria-current={one.file === chosen?.file && one.name === chosen.name}>
                <td class="wide">
                  <button type="button" class="quiet" onClick={() => onChoose(one)}>
                    <Said text={one.name} max={200} />
                  </button>
                  {one.passed ? null : <span class="bad"> fails</span>}
                  {one.error === null ? null : <div class="why">{one.error}</div>}
                  {one.hint === null ? null : <div class="why">{one.hint}</div>}
                </td>
                <td>{one.wanted}</td>
                <td>{one.got === null ? <span class="none">refused</span> : <Mark kind={KINDS[one.got.then]} />}</td>
                <td>
                  <button type="button" class="quiet" onClick={() => onShow(one.file, one.line)}>
                    line {one.line}
                  </button>
                </td>
              </tr>
            </Fragment>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Why({ chosen, explained, cases }: { chosen: Chosen; explained: CaseExplanation; cases: ShownCase[] }): JSX.Element {
  const { answer, explanation, input, error } = explained;
  const found = cases.find(({ file, name }) => file === chosen.file && name === chosen.name);
  return (
    <section class="case" aria-label={`Why: ${chosen.name}`}>
      <h2>
        Why: <Said text={chosen.name} max={200} />
      </h2>
      {error === null ? null : <p class="bad">{error}</p>}
      {answer === null ? null : (
        <ul class="reasons">
          {answer.reasons.map((reason, i) => (
            <li key={i}>
              <Mark kind={markOf({ decision: answer.decision, waits: answer.wait !== undefined })} /> <Severity of={reason.severity} />{" "}
              <Said text={reason.message} /> <code class="none">{reason.code}</code>
            </li>
          ))}
        </ul>
      )}
      {found === undefined || found.passed || found.nearest === null ? null : (
        <p class="note">
          Nearest to what was wanted: {found.nearest.effect} <code>{found.nearest.code}</code> ({found.nearest.sources.join(", ")})
        </p>
      )}
      {explanation === null ? (
        error === null ? (
          <p class="note">The service itself refuses this, before any policy is asked.</p>
        ) : null
      ) : (
        <>
          <Ways explanation={explanation} />
          <Plan explanation={explanation} />
          <Tried explanation={explanation} />
        </>
      )}
      {input === null ? null : <Json title="Input of the policy" value={input} />}
    </section>
  );
}

/** All that `remit test` runs: rules' own tests, both evaluators, coverage. */
function Whole({ tested, onTest }: { tested: TestResult | "testing" | null; onTest: () => void }): JSX.Element {
  return (
    <section class="whole">
      <h2>As remit test</h2>
      <p class="note">
        The rules' own tests and their coverage, and each case put to OPA's evaluator as well.{" "}
        <button type="button" onClick={onTest} disabled={tested === "testing"}>
          {tested === "testing" ? "Testing …" : "Test all"}
        </button>
      </p>
      {tested === null || tested === "testing" || tested.report === null ? null : <Report report={tested.report} ms={tested.ms} />}
    </section>
  );
}

function Report({
  report: { rego, tables, coverage, untouched },
  ms,
}: {
  report: NonNullable<TestResult["report"]>;
  ms: number;
}): JSX.Element {
  const differing = tables.flatMap((table) => table.differing);
  const compared = tables.reduce((sum, table) => sum + table.compared, 0);
  return (
    <ul>
      {rego.map(({ file, passed, failed }) => (
        <li key={file} class={failed.length === 0 ? "ok" : "bad"}>
          {file}: {passed} passed, {failed.length} failed
          {failed.map((one) => (
            <div class="why" key={`${one.name} ${one.line}`}>
              <Said text={`${one.name}, line ${one.line}: ${one.error ?? one.expression ?? "fails"}`} max={400} />
            </div>
          ))}
        </li>
      ))}
      <li class={differing.length === 0 ? "ok" : "bad"}>
        {differing.length === 0
          ? `Both evaluators agree on ${counted(compared, "case")}`
          : `The evaluators differ on ${differing.join(", ")}`}
      </li>
      {coverage === null ? null : <li>{Math.round(coverage.percent)} % of the rules' lines are tested</li>}
      {untouched.length === 0 ? null : (
        <li>
          No case provokes <Said text={untouched.join(", ")} max={400} />
        </li>
      )}
      <li class="why">took {ms} ms</li>
    </ul>
  );
}

function download(name: string, content: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** A file's path in the set: one of a table is known by what it says, since a browser tells no folder. */
function pathOf(file: File): string {
  const { name } = file;
  return name.endsWith(".yaml") && !["vocabulary.yaml", "purposes.yaml"].includes(name) ? `tables/${name}` : name;
}

function nameOf(file: string): string {
  const name = file
    .replace(/\..*$/, "")
    .toLowerCase()
    .replaceAll(/[^a-z0-9_]/g, "_");
  return /^[a-z]/.test(name) ? name.slice(0, 64) : FIRST;
}

const root = document.getElementById("app");
const { worker, library, opa, console: inConsole } = root?.dataset ?? {};
if (root !== null && worker !== undefined && library !== undefined && opa !== undefined)
  render(<Playground places={{ worker, library, opa }} inConsole={inConsole !== undefined} />, root);
