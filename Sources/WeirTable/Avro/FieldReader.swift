// SPDX-License-Identifier: Apache-2.0

internal import WeirColumnar

/// Reads the wanted fields of a record by their field ids, whatever their order, and passes over all
/// others. Fields that the writer did not know are null.
struct FieldReader: Sendable {
  private struct Step: Sendable {
    var type: AvroType
    /// Position among the wanted fields; -1 to pass over.
    var target: Int
  }

  private let steps: [Step]
  private let none: [Scalar]

  /// - Parameter wanted: field ids; `nil` takes all fields in the writer's order.
  init(_ type: AvroType, _ wanted: [Int32]?, name: String) throws(TableError) {
    guard let fields = type.fields else {
      throw TableError(
        .damaged, "the file holds \(type.description), expected records", file: name)
    }
    var steps: [Step] = []
    for (index, field) in fields.enumerated() {
      let target: Int
      if let wanted {
        target = field.fieldID.flatMap { wanted.firstIndex(of: $0) } ?? -1
      } else {
        target = index
      }
      steps.append(Step(type: field.type, target: target))
    }
    self.steps = steps
    none = Array(repeating: .null, count: wanted?.count ?? fields.count)
  }

  /// The wanted fields of the record at the cursor, in the order in which they were asked for.
  func read(_ cursor: inout AvroCursor) throws(TableError) -> [Scalar] {
    var values = none
    for step in steps {
      if step.target >= 0 {
        values[step.target] = try cursor.scalar(step.type)
      } else {
        try cursor.skip(step.type)
      }
    }
    return values
  }
}
