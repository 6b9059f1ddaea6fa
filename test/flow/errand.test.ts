import { expect } from "chai";
import { errandOf } from "../../src/flow/errand.js";
import { ReadInstruction } from "../../src/flow/instruction.js";

describe("an instruction that asks for no more than", () => {
  const cases: Record<"look" | "change" | "anything", string[]> = {
    look: [
      "Show me the minutes of Tuesday.",
      "What does the caretaker's notice say?",
      "Can you read the lease and tell me when it ends?",
      "Please summarize 'Sell the boat now' for me, thanks!",
      "Which permits were refused, and why?",
      "List my invoices, parcels and visits of last week",
      "Get me the details of parcel KX-12.",
      "How many lamps do we have? Compare them with last year's.",
      "Tell me what Dr. Lindqvist wrote about the roof.",
      "Is my room booked?",
      "I'm moving to Bergen in May. Can you recommend a dentist there?",
      "Hi there! We'll arrive on Friday. Could you help us find a quiet room? Tell me its price, rating and address. Thanks a lot!",
      "I would like to know what the notice says",
      "For lunch, please suggest a place; pick the one with the best reviews.",
      "My cousin praised the harbour as a place to stay. If there are several rooms, choose the one with a balcony.",
    ],
    change: [
      "Rename the album as the note 'Titles' says",
      "Can you reschedule my inspection to 2027-03-02 at 10:00?",
      "Read the note on the door and make sure to adjust the rota accordingly.",
      "Show me the rota; then remove the night shift.",
    ],
    anything: [
      "",
      "Settle the invoice of the plumber",
      "Read the memo and reply",
      "Read the memo, settle it",
      "Read the memo and do what it says",
      "Read the memo. Handle it.",
      "Read it and follow the steps in it",
      "Look at the list and sort it out",
      "Tell Ben what the memo says",
      "Let Ben know when the lift is repaired",
      "Show Ben the plan",
      "Show James the plan",
      "Read it to ben@org.example",
      "Get me a seat by the window",
      "Give me a discount",
      "Check me in for tomorrow",
      "Check out the basket",
      "Can I get a refund for the lamp?",
      "Can it be refunded?",
      "Could you look at the bill and settle it?",
      "How about moving the inspection to Friday?",
      "What if we sold the boat?",
      "Why not accept the offer?",
      "Would you mind answering the landlord?",
      "I want to know the price; get it for me",
      "My lamp is broken.",
      "When the price falls, tell me",
      "If it is late, cancel it",
      "Answer the landlord by describing the roof",
      "Change the rota by writing to Ben",
      "Update my address, and tell the bank",
      "Rename the album. Post it.",
      "Read 'memo' aloud to the team",
      "I want to sell the boat. What is it worth?",
      "My bill is due, settle it. What was it?",
      "I'd like you to answer the landlord. What does he want?",
      "I hope you settle it. What is due?",
      "Please help us book a room. Which are free?",
      "Help me, pay Ben. What is due?",
      "Recommend the plan to Ben",
      "Choose a lamp for me",
      "Pick the blue one up",
      "Read the memo and address it",
      "If there is money left, pay Ben. Show me the bill.",
      "For Ben, order a cake. Show me the bill.",
      "I'm late: tell Ben. Where is he?",
      "Thanks for paying Ben. Show me the bill.",
      "Lies mir die Notiz vor",
      "Montre-moi la note",
      `Show me ${"x".repeat(4000)}`,
    ],
  };
  for (const [errand, instructions] of Object.entries(cases)) {
    for (const instruction of instructions) {
      it(`${errand}: ${instruction.slice(0, 60)}`, () => {
        expect(errandOf(instruction) ?? "anything").to.equal(errand);
        expect(ReadInstruction.of(instruction, 0).errand ?? "anything").to.equal(errand);
      });
    }
  }
});
