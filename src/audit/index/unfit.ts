/** The file is none of this log's, of this version's, or not what was written. */
export class IndexUnfit extends Error {
  override readonly name = "IndexUnfit";
}
