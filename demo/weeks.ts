/**
 * Two weeks at a support desk. Four agents work as they always do, until one of them doesn't: it looks at invoices that have nothing
 * to do with its tickets, works at night, and reads one customer after another. What that does to what it may do, and how a person
 * clears it up. Everything goes over HTTP to the real service, by the bundle that ships; only the time is the story's.
 */
import type { Ui } from "../src/cli/ui.js";
import type { AgentAnswer, Finding, FindingPage, Reason, ShownFinding } from "../src/contract/index.js";
import { StoryClock } from "./clock.js";
import type { Action, Actor, Verdict, Work } from "./parties.js";
import { Gateway, Party, Registrar } from "./parties.js";
import { runService, type RunningService } from "./service.js";
import { Teller, type Step, type Told } from "./teller.js";

const PURPOSE = "customer_support";
const ZONE = "Europe/Berlin";
const OWNER = "support-platform@example.com";
const AGENTS = ["support-1", "support-2", "support-3", "support-4"];
const ODD = "support-2";
/** Mondays to Fridays, in March 2027; the last is the day on which something happens. */
const WORKING_DAYS = ["01", "02", "03", "04", "05", "08", "09", "10", "11", "12"];
const TICKETS_A_DAY = 12;
const CUSTOMERS = 400;
/** So many customers it may look at before it is narrowed, and may be refused before it is suspended. */
const PATIENCE = 60;

/** @param start the service, or whatever is to be told about */
export async function tellWeeks(ui: Ui, start: typeof runService = runService): Promise<Told> {
  const clock = new StoryClock(at("01", "07:30"));
  const rights = { purposes: [PURPOSE] };
  const callers = { desk: rights, "tool-gateway": rights, "mail-gateway": rights, reviewer: rights };
  const service = await start({ bundle: PURPOSE, callers, clock });
  const weeks = new Weeks(ui, clock, service);
  try {
    await weeks.everybodyStarts();
    await weeks.workAsAlways();
    await weeks.looksAtInvoices();
    const work = await weeks.worksAtNight();
    await weeks.readsOneCustomerAfterAnother(work);
    await weeks.goesOn(work);
    await weeks.isClearedUp();
    return weeks.teller.conclude(weeks.asked, service.recorded());
  } finally {
    await service.stop();
  }
}

/** RFC 3339, in Berlin in March 2027, in winter time. */
function at(day: string, time: string): string {
  return `2027-03-${day}T${time}:00+01:00`;
}

class Weeks {
  readonly teller: Teller;
  readonly #ui: Ui;
  readonly #clock: StoryClock;
  readonly #service: RunningService;
  #tickets = 0;
  asked = 0;

  constructor(ui: Ui, clock: StoryClock, service: RunningService) {
    this.#ui = ui;
    this.#clock = clock;
    this.#service = service;
    this.teller = new Teller(ui, clock, ZONE);
  }

  // Tokens last half a day: whoever speaks takes a new one.
  get #desk(): Registrar {
    return new Registrar(this.#service.url, this.#service.token("desk", ["remit:register"]));
  }

  #gateway(name = "tool-gateway"): Gateway {
    return new Gateway(this.#service.url, this.#service.token(name, ["remit:decide"]));
  }

  get #reviewer(): Party {
    return new Party(this.#service.url, this.#service.token("reviewer", ["remit:audit", "remit:review", "remit:register", "remit:revoke"]));
  }

  async everybodyStarts(): Promise<void> {
    this.#ui.out(this.#ui.paint("bold", "Two weeks at a support desk, in March 2027"));
    this.teller.act("Everybody works as always");
    for (const id of AGENTS) await this.#desk.register({ id, owner: OWNER, purposes: [PURPOSE] });
    this.teller.says(`the desk registers ${AGENTS.join(", ")}`);
  }

  /** Nine days of it, and nothing to tell but what shouldn't have been said. */
  async workAsAlways(): Promise<void> {
    let said = 0;
    for (const [day, date] of WORKING_DAYS.slice(0, -1).entries()) {
      for (let ticket = 0; ticket < TICKETS_A_DAY; ticket++) {
        this.#clock.moveTo(at(date, `${String(9 + Math.floor(ticket / 2)).padStart(2, "0")}:${ticket % 2 === 0 ? "05" : "35"}`));
        for (const [place, agent] of AGENTS.entries()) {
          const verdicts = await this.#workOnTicket(agent, date, drawn(day, ticket, place));
          said += verdicts.filter(({ outcome }) => outcome.then !== "allow").length;
        }
      }
    }
    this.teller.says(`nine days, ${this.#tickets} tickets, ${this.asked} decisions; ${said} of them weren't plainly allowed`);
    this.teller.holds(said === 0, "what is usual was taken for something else");
  }

  async #workOnTicket(agent: string, date: string, { customer, orders, topic }: Drawn): Promise<Verdict[]> {
    const work = await this.#ticket(agent, date, customer, topic);
    const ticket = `TCK-${this.#tickets}`;
    const actions: Action[] = [
      read("ticket", ticket, customer),
      { verb: "read", resource: { type: "customer", id: customer } },
      ...Array.from({ length: orders }, (_, i) => read("order", `O-${customer}-${i}`, customer)),
      ...(topic === "billing" ? [read("invoice", `I-${customer}`, customer)] : []),
      reply(ticket, customer),
    ];
    const verdicts = [];
    for (const action of actions) {
      verdicts.push(await this.#decide(agent, work, action));
      this.#clock.moveTo(new Date(this.#clock.wall() + 20_000).toISOString());
    }
    await this.#desk.end(work, "resolved");
    return verdicts;
  }

  async #ticket(agent: string, date: string, customer: string, topic: string): Promise<Work> {
    const ticket = `TCK-${++this.#tickets}`;
    return this.#desk.issue({
      id: `T-${this.#tickets}`,
      agent,
      purpose: PURPOSE,
      subjects: { ticket: [ticket], customer: [customer] },
      attributes: { topic },
      expires: at(String(Number(date) + 1).padStart(2, "0"), "23:00"),
    });
  }

  async #decide(agent: string, work: Work, action: Action, gateway = this.#gateway()): Promise<Verdict> {
    this.asked += 1;
    const actor: Actor = { agent, purpose: PURPOSE };
    return gateway.decide(actor, work, { ...action });
  }

  async #tries(work: Work, ...steps: Step[]): Promise<void> {
    for (const step of steps) this.teller.tells(step, await this.#decide(ODD, work, step.action));
  }

  async looksAtInvoices(): Promise<void> {
    this.#clock.moveTo(at("12", "10:00"));
    this.teller.act("On the tenth day support-2 looks at invoices");
    const work = await this.#ticket(ODD, "12", "c-7", "delivery");
    this.teller.says("a ticket about a delivery, from c-7");
    await this.#tries(
      work,
      { what: "reads the ticket", action: read("ticket", `TCK-${this.#tickets}`, "c-7"), then: "allow" },
      {
        what: "reads a stranger's invoice",
        action: read("invoice", "I-c-250", "c-250"),
        then: "flag and wait",
        because: ["unrelated_financials"],
      },
    );
  }

  async worksAtNight(): Promise<Work> {
    this.#clock.moveTo(at("13", "02:10"));
    this.teller.act("The night after, it is at work");
    const work = await this.#ticket(ODD, "13", "c-9", "delivery");
    const { outcome } = await this.#told(work, "reads a ticket at ten past two", read("ticket", `TCK-${this.#tickets}`, "c-9"));
    this.teller.holds(outcome.then === "flag" && outcome.because.includes("off_hours"), "the night is outside its hours");
    return work;
  }

  async readsOneCustomerAfterAnother(work: Work): Promise<void> {
    this.teller.act("It reads one customer after another");
    const { after, found } = await this.#until(work, async () => (await this.#narrowing()) !== null);
    this.teller.says(`narrowed after ${after} customers: ${(await this.#narrowing())?.why.join("; ") ?? ""}`);
    this.teller.holds(found, `it was not narrowed within ${PATIENCE} customers`);
    const { status } = await this.#agent();
    this.teller.holds(status === "active", "it was to be narrowed first");
  }

  async goesOn(work: Work): Promise<void> {
    this.teller.act("It goes on");
    const { after, found } = await this.#until(work, (codes) => Promise.resolve(codes.includes("agent_suspended")));
    this.teller.says(`suspended after ${after} more`);
    this.teller.holds(found, `it was not suspended within ${PATIENCE} more`);
    const elsewhere = await this.#decide(ODD, work, read("customer", "c-7", "c-7"), this.#gateway("mail-gateway"));
    this.teller.tells(
      { what: "tries it by mail", action: read("customer", "c-7", "c-7"), then: "deny", because: ["agent_suspended"] },
      elsewhere,
    );
    const { status } = await this.#agent();
    this.teller.holds(status === "suspended", "everybody was to know that it is suspended");
  }

  async isClearedUp(): Promise<void> {
    this.#clock.moveTo(at("13", "09:00"));
    this.teller.act("In the morning a person looks at it");
    const { items } = await this.#indexed<FindingPage>(`/findings?agent=${ODD}`, ({ items }) => items.length > 0);
    this.teller.says(`${items.length} findings about ${ODD}`);
    for (const { id, about, severity, actions, reasons } of items)
      this.teller.notes(`${id}  ${about}, ${severity}, ${actions.all} actions: ${reasons[0]?.message ?? ""}`);
    this.teller.holds(items.length > 0 && items.length <= 6, "one incident was to be a few findings");
    const [behavior] = items.filter(({ about }) => about === "behavior");
    this.teller.holds(behavior !== undefined, "what it did was to be found unusual");
    if (behavior !== undefined) await this.#reviews(behavior);
    await this.#reviewer.done("PATCH", `/agents/${ODD}`, { status: "active", reason: "its prompt is mended" });
    this.teller.says("the reviewer restores it");
    const work = await this.#ticket(ODD, "13", "c-12", "delivery");
    await this.#tries(work, { what: "reads its next ticket's customer", action: read("customer", "c-12", "c-12"), then: "allow" });
  }

  async #reviews({ id }: Finding): Promise<void> {
    const { timeline, first_seen, last_seen, revision } = await this.#indexed<ShownFinding>(
      `/findings/${id}`,
      ({ timeline }) => timeline.length > 0,
    );
    this.teller.says(`the timeline of ${id}, from ${first_seen} to ${last_seen}:`);
    const said = timeline.map(({ record }) => happened(record));
    for (const [i, what] of said.entries()) this.teller.notes(`${timeline[i]?.record["time"] as string}  ${what}`);
    for (const wanted of ["flag", "agent_narrowed", "agent_suspended"])
      this.teller.holds(said.includes(wanted), `the timeline was to have ${wanted}`);
    await this.#reviewer.done("POST", `/findings/${id}`, { state: "misuse", reason: "a prompt made it collect customers" }, revision);
    this.teller.says("misuse: a prompt made it collect customers");
  }

  /** Why it is narrowed; null where it isn't. */
  async #narrowing(): Promise<{ why: string[] } | null> {
    const { status, body } = await this.#reviewer.send("GET", `/agents/${ODD}/narrowing`);
    const { lifted, why } = body as { lifted: object | null; why: string[] };
    return status === 200 && lifted === null ? { why } : null;
  }

  #agent(): Promise<AgentAnswer> {
    return this.#reviewer.done("GET", `/agents/${ODD}`);
  }

  /** Reads strangers until it is refused so. */
  async #until(work: Work, isIt: (codes: readonly string[]) => Promise<boolean>): Promise<{ found: boolean; after: number }> {
    for (let after = 0; after < PATIENCE; after++) {
      const customer = `c-${100 + after}`;
      const last = await this.#decide(ODD, work, { verb: "read", resource: { type: "customer", id: customer } });
      const codes = (last.answer?.reasons ?? []).map(({ code }: Reason) => code);
      const is = await isIt(codes);
      if (after < 3 || is) this.#tell(last, "reads somebody", customer);
      if (is) return { found: true, after: after + 1 };
      this.#clock.moveTo(new Date(this.#clock.wall() + 4000).toISOString());
    }
    return { found: false, after: PATIENCE };
  }

  async #told(work: Work, what: string, action: Action): Promise<Verdict> {
    const verdict = await this.#decide(ODD, work, action);
    this.teller.tells({ what, action, then: verdict.outcome.then, because: verdict.outcome.because }, verdict);
    return verdict;
  }

  #tell(verdict: Verdict, what: string, customer: string): void {
    const action = { verb: "read", resource: { type: "customer", id: customer } };
    this.teller.tells({ what, action, then: verdict.outcome.then, because: verdict.outcome.because }, verdict);
  }

  /** What is read from records, once they are found. */
  async #indexed<T>(path: string, isThere: (found: T) => boolean): Promise<T> {
    for (let tries = 0; ; tries++) {
      const found = await this.#reviewer.done<T>("GET", path);
      if (isThere(found) || tries === 50) return found;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** In a word. */
function happened(record: Readonly<Record<string, unknown>>): string {
  const { change, answer } = record as { change?: string; answer?: { decision: string } };
  return change ?? answer?.decision ?? String(record["kind"]);
}

interface Drawn {
  customer: string;
  orders: number;
  topic: string;
}

const TOPICS = ["delivery", "delivery", "account", "billing", "other"];

/** A ticket as it might come, the same in each telling. */
function drawn(day: number, ticket: number, place: number): Drawn {
  const n = day * 131 + ticket * 17 + place * 53;
  return {
    customer: `c-${(n * 37) % CUSTOMERS}`,
    orders: 1 + (n % 3),
    topic: TOPICS[n % TOPICS.length] ?? "other",
  };
}

function read(type: string, id: string, customer: string): Action {
  if (type === "customer") return { verb: "read", resource: { type, id } };
  const amount = type === "invoice" ? { amount_cents: 4900 } : {};
  return { verb: "read", resource: { type, id, attributes: { customer, ...amount } } };
}

function reply(ticket: string, customer: string): Action {
  const to = `${customer}@example.com`;
  return {
    verb: "create",
    resource: { type: "reply", id: null, attributes: { ticket, customer_email: to } },
    arguments: { to, text: "…" },
  };
}
