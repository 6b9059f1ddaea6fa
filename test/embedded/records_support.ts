import type { DecideRequest } from "../../src/contract/index.js";
import { action } from "./desk.js";

export const NOTE = action("note") as DecideRequest;
