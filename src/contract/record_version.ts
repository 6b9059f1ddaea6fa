/**
 * Version of the form of records, in each as `v`. It stands apart from their schemas, which the log's thread would load for this number
 * alone: two thirds of the time that it takes to begin.
 */
export const RECORD_VERSION = 2;
