/** For a host or a guard: what a tool returned, taken apart for `POST /decisions/{id}/outcome`. */
export { returnedOf } from "./returned_values.js";
