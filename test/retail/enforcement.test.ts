import { expect } from "chai";
import type { Answer, Obligation } from "../../src/contract/index.js";
import type { Call } from "../../demo/benchmark.js";
import { Conversation, actionOf, type Case } from "../../demo/enforcement.js";
import type { Verdict } from "../../demo/parties.js";
import { Shop, type Database, type Order } from "../../demo/shop.js";

const order: Order = {
  customer: "ada",
  status: "pending",
  lines: [
    { item: "shirt_s", product: "shirt", price_cents: 2000 },
    { item: "mug", product: "mug", price_cents: 900 },
  ],
  payments: [{ kind: "payment", method: "gift_1", amount_cents: 2900 }],
  done: [],
};

const database: Database = {
  customers: new Map([
    ["ada", { first_name: "Ada", last_name: "Byron", email: "ada@example.com", zip: "10115" }],
    ["bob", { first_name: "Bob", last_name: "Kahn", email: "bob@example.com", zip: "10117" }],
  ]),
  paymentMethods: new Map([
    ["gift_1", { customer: "ada", source: "gift_card", balance_cents: 100 }],
    ["card_1", { customer: "ada", source: "credit_card", balance_cents: null }],
    ["card_9", { customer: "bob", source: "credit_card", balance_cents: null }],
  ]),
  orders: new Map([
    ["W-1", order],
    ["W-2", { ...order, status: "delivered" }],
  ]),
  items: new Map([
    ["shirt_l", { product: "shirt", available: true, price_cents: 2100 }],
    ["shirt_x", { product: "shirt", available: false, price_cents: 2100 }],
    ["cup", { product: "mug", available: true, price_cents: 700 }],
  ]),
  products: new Set(["shirt", "mug"]),
};

const call = (name: string, kwargs: Call["kwargs"]): Call => ({ name, kwargs });
const cancelling = call("cancel_pending_order", { order_id: "W-1", reason: "no longer needed" });
const searching = call("find_user_id_by_email", { email: "Ada@example.com" });

/** What a service says: to go on, perhaps with obligations, or not to. */
function verdict(mayAct: boolean, obligations: Obligation[] = []): Verdict {
  const answer = { decision: mayAct ? "allow" : "deny", proceed: mayAct, obligations } as Answer;
  return { mayAct, answer, outcome: { then: mayAct ? "allow" : "deny", because: [] } };
}

const yes = verdict(true);
const no = verdict(false);

/** A task on which the service always gives this verdict; what its host was told that it is about is kept. */
function always(given: Verdict): Case & { subjects: string[] } {
  const subjects: string[] = [];
  return {
    subjects,
    decide: () => Promise.resolve(given),
    isAbout: (type, id) => {
      subjects.push(`${type} ${id}`);
      return Promise.resolve();
    },
  };
}

describe("the demo's enforcement point", () => {
  const confirm: Obligation = { type: "confirm", with: "customer" };
  const verdicts: [string, Verdict, boolean][] = [
    ["acts where the answer says so", yes, true],
    ["does nothing where the service answers with a problem", { ...no, answer: null }, false],
    ["acts where it can meet the obligation", verdict(true, [confirm]), true],
    ["does nothing where the answer says no", no, false],
    ["does nothing where the answer says no, whatever it asks for", verdict(false, [confirm]), false],
    ["does nothing where somebody else must confirm", verdict(true, [{ type: "confirm", with: "boss" }]), false],
    ["does nothing where it can't meet an obligation", verdict(true, [{ type: "notify", channel: "x" }]), false],
    ["does nothing where it can meet only one of two", verdict(true, [confirm, { type: "redact", fields: ["reason"] }]), false],
  ];
  for (const [title, given, acts] of verdicts) {
    it(title, async () => {
      const conversation = new Conversation(always(given), new Shop(database));
      const { acted } = await conversation.attempt(cancelling);
      expect(acted).to.equal(acts);
      expect(conversation.shop.order("W-1")?.status).to.equal(acts ? "cancelled" : "pending");
    });
  }

  it("tells the host whom an allowed search found", async () => {
    const task = always(yes);
    await new Conversation(task, new Shop(database)).attempt(searching);
    expect(task.subjects).to.deep.equal(["customer ada"]);
  });

  for (const [title, given, tried] of [
    ["a search that was denied", no, searching],
    ["a search that found nobody", yes, call("find_user_id_by_email", { email: "eve@example.com" })],
    ["a search by half a name", yes, call("find_user_id_by_name_zip", { first_name: "Ada", zip: "10115" })],
    ["reading a profile", yes, call("get_user_details", { user_id: "ada" })],
  ] as const) {
    it(`tells it of nobody after ${title}`, async () => {
      const task = always(given);
      await new Conversation(task, new Shop(database)).attempt(tried);
      expect(task.subjects).to.deep.equal([]);
    });
  }
});

describe("what the demo's enforcement point finds out", () => {
  const attributes = (name: string, kwargs: Call["kwargs"]): Record<string, unknown> =>
    actionOf(call(name, kwargs), new Shop(database)).resource.attributes ?? {};

  it("says of an order what the shop knows, and nothing that the model wrote", () => {
    expect(attributes("get_order_details", { order_id: "W-1" })).to.deep.equal({
      exists: true,
      customer: "ada",
      status: "pending",
      done: [],
      ordered: ["shirt_s", "mug"],
      original_payment: "gift_1",
      total_cents: 2900,
    });
  });

  it("says of an order that there isn't nothing but that", () => {
    expect(attributes("get_order_details", { order_id: "W-404" })).to.deep.equal({ exists: false });
  });

  it("says of a payment method that there isn't nothing at all", () => {
    const asked = call("modify_pending_order_payment", { order_id: "W-1", payment_method_id: "card_404" });
    expect(actionOf(asked, new Shop(database)).related).to.deep.equal({
      payment: { type: "payment_method", id: "card_404", attributes: {} },
    });
  });

  it("pairs old and new items in the order they are named", () => {
    const asked = { order_id: "W-1", item_ids: ["mug", "shirt_s"], new_item_ids: ["cup", "shirt_x"] };
    expect(attributes("modify_pending_order_items", asked)).to.deep.include({
      pairs: [
        { item: "mug", new_item: "cup", product: "mug", new_product: "mug", available: true },
        { item: "shirt_s", new_item: "shirt_x", product: "shirt", new_product: "shirt", available: false },
      ],
      price_difference_cents: -100,
    });
  });

  for (const [title, pair] of [
    ["an item that wasn't ordered", { item: "hat", new_item: "cup", product: null, new_product: "mug", available: true }],
    ["a new item that there isn't", { item: "mug", new_item: "moon", product: "mug", new_product: null, available: null }],
  ] as const) {
    it(`leaves the price unknown for ${title}`, () => {
      const asked = { order_id: "W-1", item_ids: [pair.item], new_item_ids: [pair.new_item] };
      expect(attributes("modify_pending_order_items", asked)).to.deep.include({
        pairs: [pair],
        price_difference_cents: null,
      });
    });
  }

  it("pairs nothing where the lists differ in length", () => {
    const asked = { order_id: "W-1", item_ids: ["mug"], new_item_ids: ["cup", "cup"] };
    expect(attributes("modify_pending_order_items", asked)).to.not.have.any.keys("pairs", "price_difference_cents");
  });

  it("keeps the name of a tool that the shop hasn't got", () => {
    expect(actionOf(call("drop_tables", {}), new Shop(database)).verb).to.equal("drop_tables");
  });
});

describe("the demo's shop", () => {
  it("keeps what one conversation does from the others", () => {
    const [one, other] = [new Shop(database), new Shop(database)];
    one.run(cancelling);
    expect(one.copy().order("W-1")?.status).to.equal("cancelled");
    expect(other.order("W-1")?.status).to.equal("pending");
  });

  it("gives the money back to a gift card", () => {
    const shop = new Shop(database);
    shop.run(cancelling);
    expect(shop.paymentMethod("gift_1")?.balance_cents).to.equal(3000);
  });

  it("changes each of two items that are alike", () => {
    const mugs: Order = { ...order, lines: [...order.lines, ...order.lines.slice(1)] };
    const shop = new Shop({ ...database, orders: new Map([["W-3", mugs]]) });
    shop.run(
      call("modify_pending_order_items", {
        order_id: "W-3",
        item_ids: ["mug", "mug"],
        new_item_ids: ["cup", "cup"],
        payment_method_id: "card_1",
      }),
    );
    expect(shop.order("W-3")).to.deep.include({
      status: "pending (item modified)",
      lines: [order.lines[0], ...Array.from({ length: 2 }, () => ({ item: "cup", product: "mug", price_cents: 700 }))],
      done: ["modify_items"],
    });
  });

  const refused: [string, Call][] = [
    ["cancelling what was delivered", call("cancel_pending_order", { order_id: "W-2", reason: "no longer needed" })],
    ["cancelling for no good reason", call("cancel_pending_order", { order_id: "W-1", reason: "cheaper elsewhere" })],
    [
      "returning what is pending",
      call("return_delivered_order_items", { order_id: "W-1", item_ids: ["mug"], payment_method_id: "gift_1" }),
    ],
    ["a refund to another card", call("return_delivered_order_items", { order_id: "W-2", item_ids: ["mug"], payment_method_id: "card_1" })],
    [
      "a refund to somebody else",
      call("return_delivered_order_items", { order_id: "W-2", item_ids: ["mug"], payment_method_id: "card_9" }),
    ],
    [
      "returning more than was ordered",
      call("return_delivered_order_items", { order_id: "W-2", item_ids: ["mug", "mug"], payment_method_id: "gift_1" }),
    ],
    [
      "another product",
      call("exchange_delivered_order_items", {
        order_id: "W-2",
        item_ids: ["mug"],
        new_item_ids: ["shirt_l"],
        payment_method_id: "card_1",
      }),
    ],
    [
      "what isn't available",
      call("exchange_delivered_order_items", {
        order_id: "W-2",
        item_ids: ["shirt_s"],
        new_item_ids: ["shirt_x"],
        payment_method_id: "card_1",
      }),
    ],
    [
      "a payment method that there isn't",
      call("modify_pending_order_items", {
        order_id: "W-1",
        item_ids: ["shirt_s"],
        new_item_ids: ["shirt_l"],
        payment_method_id: "gift_404",
      }),
    ],
    ["paying as before", call("modify_pending_order_payment", { order_id: "W-1", payment_method_id: "gift_1" })],
    ["a tool that there isn't", call("drop_tables", {})],
  ];
  for (const [title, tried] of refused) {
    it(`refuses ${title}, and changes nothing`, () => {
      const shop = new Shop(database);
      expect(() => {
        shop.run(tried);
      })
        .to.throw()
        .with.property("name", "ShopRefusal");
      expect([shop.order("W-1"), shop.order("W-2")]).to.deep.equal([order, { ...order, status: "delivered" }]);
    });
  }
});
