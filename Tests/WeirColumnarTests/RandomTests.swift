// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirColumnar
internal import _WeirTestSupport

@Suite struct RandomTests {
  @Test func sameSeedSameNumbers() {
    // From the reference C code, SplitMix64-seeded with 0.
    var random = SeededRandom(seed: 0)
    #expect(random.next() == 0x99ec_5f36_cb75_f2b4)
    var again = SeededRandom(seed: 7)
    var other = SeededRandom(seed: 7)
    let schema = again.schema()
    #expect(schema == other.schema())
    #expect(rows(again.batch(schema, rows: 20)) == rows(other.batch(schema, rows: 20)))
  }

  @Test func everyTypeAndShapeTurnsUp() {
    var random = SeededRandom(seed: 1)
    var kinds: Set<String> = []
    var sliced = 0
    func visit(_ array: ArrayData) {
      kinds.insert(String(array.type.description.prefix { $0 != "<" && $0 != "[" && $0 != "(" }))
      if array.offset > 0 { sliced += 1 }
      array.children.forEach(visit)
    }
    for _ in 0..<300 {
      let batch = random.batch(random.schema(), rows: 10)
      batch.columns.forEach(visit)
    }
    #expect(kinds.count == 31, "\(kinds.sorted())")
    #expect(sliced > 100)
  }

  @Test func requiredFieldsHoldNoNulls() {
    var random = SeededRandom(seed: 2)
    for _ in 0..<100 {
      let schema = random.schema()
      let batch = random.batch(schema, rows: 30)
      for (field, column) in zip(schema.fields, batch.columns) where !field.nullable {
        #expect(column.nullCount == 0)
      }
    }
  }
}
