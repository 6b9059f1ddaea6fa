/** Learns a fortnight of a team and prints the digest of what it knows then: started as a process of its own by a test. */
import { createHash } from "node:crypto";
import { bytesOf } from "./desk.js";
import { team } from "./team.js";

console.log(createHash("sha256").update(bytesOf(team())).digest("hex"));
