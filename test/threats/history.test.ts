/** Nodes of a cluster that share what a task has seen and what is counted, each asked at once and one after another. */
import type { Limit, PolicyInput, PolicyResult } from "../../src/contract/index.js";
import { loadReaders } from "../../src/flow/values.js";
import { ALLOWED, TASK, VOCABULARY } from "../decision/world.js";
import { DENIED, Node, States, WATCHED, policyWith } from "../flow/shared_support.js";
import { cut } from "./cut.js";
import { numbers, threat, type Tree } from "./threat.js";

const MAX = 4;
const RUNS = 20;
const LIMIT: Limit = { code: "too_many", of: { read: ["invoice"] }, measure: "count", max: MAX, per: "task" };
const SCOPE = `task ${WATCHED.id}`;
/** Permits only while nothing that others wrote can have been read. */
const whileClean = ({ facts: { flow } }: PolicyInput): PolicyResult => (flow?.others === false ? ALLOWED : DENIED);
const whileUnlabelled = ({ facts: { flow } }: PolicyInput): PolicyResult => (flow?.labels?.length === 0 ? ALLOWED : DENIED);

async function shared(tree: Tree): Promise<string | null> {
  loadReaders();
  const { SharedFlow } = await tree("flow/shared_flow.js");
  const { decider } = await tree("decision/decide.js");
  const nodesOn = async (states: States, policy = policyWith([], whileClean), begun = true): Promise<[Node, Node]> => {
    const [a, b] = [1, 2].map(() => new Node(states, policy, decider, SharedFlow)) as [Node, Node];
    if (begun) await a.flow.begin(WATCHED);
    return [a, b];
  };
  for (let seed = 1; seed <= RUNS; seed++) {
    const below = numbers(seed);
    const states = new States(() => below(1000) / 1000);
    const reliable = Object.assign(new States(), { texts: states.texts });
    await nodesOn(reliable);
    const nodes = await nodesOn(states, policyWith([LIMIT]), false);
    const asked = await Promise.all(Array.from({ length: 12 }, (_, i) => (nodes[i % 2] as Node).does("read")));
    const permitted = asked.filter(({ proceed }) => proceed).length;
    if (permitted > MAX) return `seed ${seed}: ${permitted} go ahead where ${MAX} may`;
  }
  {
    const states = new States();
    const [a, b] = await nodesOn(states);
    b.world.active = policyWith([], () => ALLOWED);
    let isFirst = true;
    states.beforeWrite = async () => {
      if (!isFirst) return;
      isFirst = false;
      await b.does("read");
    };
    if ((await a.does("update")).proceed)
      return "an action goes ahead as if nothing had been read, though another node permitted a reading before";
    if ((await a.does("update")).proceed) return "what another node has permitted to be read isn't known";
  }
  {
    // What node a does adds nothing to what the task has seen, and rests on it all the same.
    const states = new States();
    const [a, b] = await nodesOn(states);
    b.world.active = policyWith([], () => ALLOWED);
    let isFirst = true;
    states.beforeWrite = async () => {
      if (!isFirst) return;
      isFirst = false;
      await b.does("read");
    };
    const resource = { type: "payment_method", id: "P-1", attributes: { customer: "ada" } };
    const { proceed } = await a.does("read", { resource });
    if (proceed) return "an action that adds nothing goes ahead on what was read, whether or not that is the last";
  }
  {
    // The policy of node b gives no label to what is read.
    const [a, b] = await nodesOn(new States(), policyWith([], whileUnlabelled));
    b.world.active = policyWith([], () => ALLOWED, VOCABULARY);
    await b.does("read");
    if ((await a.does("update")).proceed)
      return "a task is known to have no label though a policy without words has permitted something on it";
  }
  const later = `{"v":2,"counters":{},"seen":${JSON.stringify({ values: [], full: [], labels: [], written: [], pending: [], others: false })}}`;
  for (const [what, text] of [
    ["is gone", null],
    ["is of a later version", later],
  ] as const) {
    const states = new States();
    const [a] = await nodesOn(states);
    states.texts.clear();
    if (text !== null) states.texts.set(SCOPE, { revision: 1, text });
    if ((await a.does("update")).proceed) return `a task whose text ${what} counts as one that has seen nothing`;
  }
  const [a] = await nodesOn(new States());
  a.world.tasks.set(TASK.id, TASK);
  return (await a.does("update")).proceed ? "a task that nobody watches counts as one that has seen nothing" : null;
}

threat("H9", "what one node permits, the next knows before it permits anything itself", {
  check: shared,
  without: {
    "another's change refusing a write": [
      cut.text(
        "flow/shared_flow.js",
        "#write",
        "textOf(state), revision,",
        "textOf(state), (await this.#options.states.read(scope)).revision,",
      ),
    ],
    "a write where nothing is added": [
      cut.text("flow/shared_flow.js", "#write", "if (!(await", "if (textOf(state) !== states.get(scope)?.text && !(await"),
    ],
    "being decided again on what others have changed": [
      cut.text(
        "decision/decide.js",
        "onHistory",
        "await history.write(note);",
        "await history.write(note); return commit(attempted, history.id);",
      ),
    ],
    "being written before it is answered": [cut.text("decision/decide.js", "onHistory", "history.holds(note)", "true")],
    "a task without a text being unknown": [
      cut.text("flow/shared_flow.js", "stateIn", "? UNKNOWN : NOTHING_SEEN", "? NOTHING_SEEN : NOTHING_SEEN"),
    ],
    "a text of another version being unknown": [cut.text("flow/shared_flow.js", "stateIn", "v === VERSION", "v > 0")],
    "a policy without words making a task unknown": [cut.text("flow/shared_flow.js", "add", "!note.hasWords", "false")],
    "only a task that was begun being watched": [
      cut.text("flow/shared_flow.js", "#scopesOf", "root?.watched === true", "root !== null"),
      cut.text("flow/shared_flow.js", "#scopesOfNote", "this.#options.find(root.id)?.watched === true", "true"),
    ],
  },
});
