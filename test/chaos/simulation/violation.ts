/** A promise of the fabric that the simulation saw broken: the one kind of error that ends a run. */
export class Violation extends Error {
  override readonly name = "Violation";
}
